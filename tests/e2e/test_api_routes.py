"""How the API finds the route of a request, and what its OpenAPI document says of refusals."""

from collections.abc import Iterator

import httpx2
import pytest

from cloud_lab import CloudLab
from lepton_ai.server.rights import noun_of

BASE = "/api/v2/workspaces/default"


@pytest.fixture(scope="module")
def client(lab: CloudLab) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=f"http://127.0.0.1:{lab.port}", headers=lab.bearer, trust_env=False) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "noun"),
    [
        (f"{BASE}/models", "models"),
        (f"{BASE}/models/digits/versions/1", "models"),
        (BASE, ""),
        (f"{BASE}/", ""),
        ("/healthz", ""),
        ("/api/v2/workspaces", ""),
        ("/api/v3/workspaces/default/models", ""),
        ("", ""),
    ],
)
def test_noun_of_a_path(path: str, noun: str) -> None:
    assert noun_of(path) == noun


def test_every_documented_route_is_found(client: httpx2.Client) -> None:
    document = client.get("/openapi.json").json()
    assert len(document["paths"]) > 80
    for path, operations in document["paths"].items():
        concrete = path.replace("{workspace_id}", "default").replace("{", "").replace("}", "")
        answer = client.request("PATCH" if "patch" not in operations else "TRACE", concrete)
        assert answer.status_code in (401, 403, 405, 422), f"{concrete}: {answer.status_code}"
        assert answer.json()["code"] != "not_found", concrete


def test_what_is_no_route_is_not_found_and_a_wrong_method_is_told(client: httpx2.Client) -> None:
    assert client.get("/nothing").status_code in (401, 404)
    assert client.delete("/healthz").status_code == 405
    assert client.get(f"{BASE}/models/digits/versions/9").status_code == 404


def test_every_operation_says_how_it_refuses(client: httpx2.Client) -> None:
    document = client.get("/openapi.json").json()
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert "422" not in operation["responses"]
            refusal = operation["responses"]["default"]["$ref"].rpartition("/")[2]
            (kind,) = document["components"]["responses"][refusal]["content"]
            assert kind == ("application/json" if refusal == "Refusal" else "application/problem+json"), path
    assert "HTTPValidationError" not in str(document)


@pytest.mark.parametrize("path", [f"{BASE}/models/a%20b", f"{BASE}/deployments/absent"])
def test_refusals_have_the_form_that_the_document_promises(client: httpx2.Client, path: str) -> None:
    document = client.get("/openapi.json").json()
    answer = client.get(path)
    assert answer.status_code >= 400
    name = "Refusal" if "deployments" in path else "Problem"
    (kind,) = document["components"]["responses"][name]["content"]
    assert answer.headers["content-type"] == kind
    assert set(document["components"]["schemas"][name]["required"]) <= set(answer.json())
