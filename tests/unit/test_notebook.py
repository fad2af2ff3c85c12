"""What versions, models and endpoints draw in a notebook: self-contained, escaped, and of any theme."""

import re
from html.parser import HTMLParser

import pytest

from lepton_ai.sdk.connection import Connection
from lepton_ai.sdk.models import ModelDetails, ModelVersion
from lepton_ai.sdk.notebook import Shown, endpoint_html, endpoints_html, models_html
from lepton_ai.server.schemas.endpoints import (
    Deployment,
    DeploymentSpec,
    DeploymentStatus,
    EndpointAddress,
    EndpointMetadata,
    ModelField,
)
from lepton_ai.server.schemas.models import ModelItem, Version

EVIL = "<script>alert('x')</script>&\x1b[31m"


def version(number: int = 1, **changes: object) -> Version:
    fields = {
        "id": f"ver-{number}",
        "name": "digits",
        "version": number,
        "files": {},
        "signature": {
            "task": "classification",
            "inputs": [{"name": "inputs", "dtype": "float32", "shape": [None, 28, 28, 1]}],
            "outputs": [{"name": "probabilities", "dtype": "float32", "shape": [None, 10]}],
            "labels": list(range(20)),
        },
        "metrics": {"accuracy": 0.98765},
        "lineage": {},
        "message": "",
        "size_bytes": 1,
        "created_at": 1_700_000_000_000,
        "created_by": "admin",
        "aliases": ["champion"] if number == 1 else [],
    }
    return Version.model_validate(fields | changes)


def deployment(**status: object) -> Deployment:
    fields = {"state": "Ready", "reason": "all_ready", "message": "All replicas answer.", "ready_replicas": 1}
    address = EndpointAddress(internal_endpoint="", external_endpoint="http://127.0.0.1:8422/default/digits/")
    return Deployment(
        metadata=EndpointMetadata(
            id="digits", name="digits", created_at=1_700_000_000_000, updated_at=0, owner="admin", generation=1
        ),
        spec=DeploymentSpec(model=ModelField(name="digits", version=3)),
        status=DeploymentStatus.model_validate(fields | {"endpoint": address} | status),
    )


class Page(HTMLParser):
    """What a browser makes of it: the tags, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def drawn() -> dict[str, str]:
    """Everything that draws itself, with texts of somebody who means harm."""
    details = ModelDetails(name="digits", aliases={}, versions=[version(2, message=EVIL), version(1)], history=[])
    item = ModelItem(name=EVIL, versions=2, latest=2, aliases={"champion": 1}, created_at=1_700_000_000_000)
    return {
        "version": ModelVersion(
            "digits", 1, version(message=EVIL, created_by=EVIL), Connection("http://127.0.0.1:1", "")
        )._repr_html_(),
        "versions": details._repr_html_(),
        "models": Shown([item], models_html)._repr_html_(),
        "endpoint": endpoint_html(deployment(message=EVIL)),
        "endpoints": endpoints_html([deployment()]),
    }


@pytest.mark.parametrize("name", drawn())
def test_what_is_drawn_is_small_escaped_and_of_no_colour_of_its_own(name: str) -> None:
    html = drawn()[name]
    page = Page(html)
    assert set(page.tags) <= {"div", "table", "caption", "tr", "th", "td", "b", "span"}
    assert "\x1b" not in html
    assert len(html) < 6000
    assert not re.search(r"https?://(?!127\.0\.0\.1)|src=|url\(", html), "it fetches nothing"
    # A notebook's theme decides on letters and paper; lines are grey on both.
    assert set(re.findall(r"(?:background|(?<!-)color):\s*([^;\"]+)", html)) <= {"none", "inherit"}
    assert set(re.findall(r"rgba\([^)]*\)|#[0-9a-f]{3,6}\b", html)) <= {"rgba(128,128,128,.4)"}


def test_version_says_what_it_takes_gives_and_how_good_it_is() -> None:
    text = Page(drawn()["version"]).text
    for said in (
        "digits:1",
        "float32 (batch, 28, 28, 1)",
        "float32 (batch, 10)",
        "accuracy 0.9877",
        "champion",
        "10, 11 and 8 more",
        "2023-11-14 22:13 UTC by <script>",
    ):
        assert said in text


def test_versions_of_a_model_are_a_row_each() -> None:
    page = Page(drawn()["versions"])
    assert page.tags.count("tr") == 3
    assert page.text.index("digits:2") < page.text.index("digits:1")


def test_endpoint_says_how_it_stands() -> None:
    text = Page(drawn()["endpoints"]).text
    for said in ("digits", "Ready", "1 of 1", "digits:3", "http://127.0.0.1:8422/default/digits/"):
        assert said in text


def test_list_stays_a_list_and_an_empty_one_says_so() -> None:
    empty: Shown[ModelItem] = Shown([], models_html)
    assert empty == []
    assert Page(empty._repr_html_()).text.endswith("none")
    many = Shown([ModelItem(name="a", versions=1, latest=1, aliases={}, created_at=0)] * 130, models_html)
    assert len(many) == 130
    assert Page(many._repr_html_()).text.endswith("and 30 more")
