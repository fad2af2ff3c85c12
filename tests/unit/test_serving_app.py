"""The routes of a model server, called in this process: real model, real application, no socket."""

import asyncio
import json
import threading

import httpx2
import numpy as np
import pytest

from lepton_ai.core.clock import ManualClock
from lepton_ai.core.ids import id_source
from lepton_ai.platform.model_management.serving.app import build_app
from lepton_ai.platform.model_management.serving.engine import Engine
from lepton_ai.platform.model_management.serving.request_log import RequestLog
from lepton_ai.platform.model_management.serving.served_model import ServedModel
from lepton_ai.platform.model_management.serving.worker import ModelWorker
from onnx_models import (
    IMAGE_SIGNATURE,
    NUMBERS_SIGNATURE,
    image_answer,
    image_artifact,
    numbers_artifact,
    overflowing_model,
    row_dropping_model,
    write_artifact,
)
from waiting import wait_until

JSON = {"content-type": "application/json"}


class Api:
    """A model server inside the test, with its log as a list."""

    def __init__(self, served, engine, is_ready=lambda: True):
        self.lines = []
        self.worker = ModelWorker(engine)
        clock = ManualClock()
        self.app = build_app(
            served,
            self.worker,
            log=RequestLog(self.lines.append, clock, {"model": served.name}),
            clock=clock,
            new_id=id_source(clock),
            is_ready=is_ready,
        )

    @property
    def log(self):
        return [json.loads(line) for line in self.lines]

    def send(self, method, path, **request):
        async def send():
            transport = httpx2.ASGITransport(self.app)
            async with httpx2.AsyncClient(transport=transport, base_url="http://model") as client:
                return await client.request(method, path, **request)

        return asyncio.run(send())

    def get(self, path, **request):
        return self.send("GET", path, **request)

    def post(self, path, **request):
        return self.send("POST", path, **request)


def api_for(served, engine, **options):
    api = Api(served, engine, **options)
    yield api
    assert api.worker.stop()


@pytest.fixture
def images(tmp_path):
    engine = Engine.load(image_artifact(tmp_path))
    yield from api_for(ServedModel("digits", "3", IMAGE_SIGNATURE, max_rows=16, max_body_bytes=200_000), engine)


@pytest.fixture
def numbers(tmp_path):
    engine = Engine.load(numbers_artifact(tmp_path))
    yield from api_for(ServedModel("house", "1", NUMBERS_SIGNATURE, replica="rep-1", max_rows=16), engine)


def test_a_classifier_answers_label_and_probabilities_for_each_row(images):
    rows = np.stack([np.full((28, 28), value) for value in (0.05, 0.5, 0.95)])
    response = images.post("/predict", json={"inputs": rows.tolist()})
    assert response.status_code == 200
    answer = response.json()
    assert [output["label"] for output in answer["outputs"]] == ["dark", "middle", "bright"]
    for output, row in zip(answer["outputs"], rows, strict=True):
        np.testing.assert_allclose(output["probabilities"], image_answer(row), atol=1e-5)
        assert output["probability"] == max(output["probabilities"])
    assert (answer["model"], answer["version"]) == ("digits", "3")


def test_a_regressor_answers_a_number_for_each_row(numbers):
    response = numbers.post("/predict", json={"inputs": [[1, 2, 3, 4], [0, 0, 0, 1]]})
    assert response.json() == {"outputs": [30.5, 4.5], "model": "house", "version": "1"}


def test_the_protocols_routes_answer_with_and_without_a_version(numbers):
    tensor = {"name": "numbers", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}
    for base in ("/v2/models/house", "/v2/models/house/versions/1"):
        assert numbers.get(base).json()["inputs"] == [{"name": "numbers", "datatype": "FP32", "shape": [-1, 4]}]
        assert numbers.get(f"{base}/ready").json() == {"name": "house", "ready": True}
        answer = numbers.post(f"{base}/infer", json={"id": "abc", "inputs": [tensor]}).json()
        assert answer == {
            "model_name": "house",
            "model_version": "1",
            "id": "abc",
            "outputs": [{"name": "value", "datatype": "FP32", "shape": [1, 1], "data": [30.5]}],
        }
    assert numbers.get("/v2").json()["name"] == "lepton-ai"
    assert numbers.get("/v2/health/live").json() == {"live": True}
    assert numbers.get("/v2/health/ready").json() == {"ready": True}


def test_a_wrong_body_is_a_problem_document_with_the_request_id(numbers):
    response = numbers.post("/predict", json={"inputs": [[1, 2]]}, headers={"x-request-id": "mine-1"})
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json() == {
        "type": "about:blank",
        "title": "Invalid input",
        "status": 422,
        "detail": "`inputs` must have shape (batch, 4), got (1, 2)",
        "code": "invalid_input",
        "hint": "Each row must have shape (4,).",
        "request_id": "mine-1",
    }


def test_a_wrong_request_below_v2_is_an_error_in_the_protocols_form(numbers):
    response = numbers.post("/v2/models/house/infer", json={"inputs": []})
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/json"
    assert response.json()["error"] == "`inputs` must be a list of one tensor, got 0 tensors"
    assert response.json()["code"] == "invalid_input"


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/nothing", 404, "no path '/nothing' here"),
        ("/predict/", 404, "no path '/predict/' here"),
        ("/v2/models/other", 404, "no model 'other' here"),
        ("/v2/models/house/versions/9", 404, "no version '9' here"),
        ("/v2/models/house/versions/01/ready", 404, "no version '01' here"),
        ("/v2/nothing", 404, "no path '/v2/nothing' here"),
        ("/predict", 405, "/predict takes POST, got GET"),
    ],
)
def test_what_is_not_there_is_said_in_json(numbers, path, status, words):
    response = numbers.get(path)
    assert response.status_code == status
    problem = response.json()
    assert problem.get("detail", problem.get("error")) == words
    assert problem["code"] in ("not_found", "method_not_allowed")


def test_a_refused_method_learns_which_ones_there_are(numbers):
    assert numbers.get("/predict").headers["allow"] == "POST, OPTIONS"
    assert numbers.post("/healthz").headers["allow"] == "GET, HEAD, OPTIONS"
    options = numbers.send("OPTIONS", "/predict")
    assert (options.status_code, options.headers["allow"], options.content) == (204, "POST, OPTIONS", b"")
    assert numbers.send("HEAD", "/healthz").status_code == 200
    assert numbers.send("OPTIONS", "/nothing").status_code == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "application/json; charset=utf-8"}, 200),
        ({"content-type": "Application/JSON"}, 200),
        ({"content-type": "application/vnd.api+json"}, 200),
        ({}, 200),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        ({"content-type": "multipart/form-data; boundary=x"}, 415),
        ({"content-type": "image/svg+json"}, 415),
        ({"content-type": ""}, 415),
        ({**JSON, "content-encoding": "gzip"}, 415),
        ({**JSON, "content-encoding": "identity"}, 200),
    ],
)
def test_only_plain_json_is_read(numbers, headers, status):
    response = numbers.post("/predict", content=b'{"inputs": [[1, 2, 3, 4]]}', headers=headers)
    assert response.status_code == status
    if status == 415:
        assert response.json()["code"] == "unsupported_media_type"


def test_a_body_beyond_the_limit_is_refused(images):
    response = images.post("/predict", content=b" " * 200_001, headers=JSON)
    assert response.status_code == 413
    assert response.json()["detail"] == "the body may have at most 200000 bytes"
    assert response.headers["connection"] == "close"


def test_a_declared_length_far_beyond_the_limit_is_refused_before_reading(images):
    async def body():
        raise AssertionError("the body was read")
        yield b""

    response = images.post("/predict", content=body(), headers={**JSON, "content-length": "1000000000000"})
    assert response.status_code == 413


def test_a_body_without_end_is_refused_in_time(images):
    read = 0

    async def body():
        nonlocal read
        while True:
            read += 1000
            yield b" " * 1000

    response = images.post("/predict", content=body(), headers=JSON)
    assert response.status_code == 413
    assert 200_000 < read < 500_000


def test_a_large_body_within_the_limit_is_answered(images):
    body = json.dumps({"inputs": [[[0.05] * 28] * 28] * 16}).encode()
    padded = body + b" " * (200_000 - len(body))
    assert images.post("/predict", content=padded, headers=JSON).status_code == 200


def test_the_largest_bodies_are_read_beside_the_event_loop(tmp_path):
    engine = Engine.load(numbers_artifact(tmp_path))
    for api in api_for(ServedModel("house", "1", NUMBERS_SIGNATURE, max_rows=100_000), engine):
        response = api.post("/predict", json={"inputs": [[1, 2, 3, number] for number in range(50_000)]})
        assert response.json()["outputs"] == [14.5 + 4 * number for number in range(50_000)]
        refused = api.post("/predict", json={"inputs": [[1, 2, 3, 4]] * 50_000 + [["5"]]})
        assert refused.status_code == 422


def test_an_input_for_which_the_model_has_no_finite_answer_is_the_callers_mistake(tmp_path):
    engine = Engine.load(write_artifact(tmp_path, overflowing_model(), NUMBERS_SIGNATURE))
    for api in api_for(ServedModel("squares", "1", NUMBERS_SIGNATURE), engine):
        assert api.post("/predict", json={"inputs": [[1, 2, 3, 4]]}).json()["outputs"] == [30]
        response = api.post("/predict", json={"inputs": [[1, 2, 3, 4], [3e38, 0, 0, 0]]})
        assert response.status_code == 422
        assert response.json()["detail"] == "the model has no finite answer for row 1 of `inputs`"


def test_a_fault_of_the_model_is_a_500_that_the_log_explains(tmp_path):
    engine = Engine.load(write_artifact(tmp_path, row_dropping_model("Less"), NUMBERS_SIGNATURE))
    for api in api_for(ServedModel("forgetful", "1", NUMBERS_SIGNATURE), engine):
        response = api.post("/predict", json={"inputs": [[100, 100, 100, 100]]})
        assert response.status_code == 500
        assert response.json()["code"] == "internal_error"
        assert api.log[-1]["error"] == "the model must give an output of shape (1, 1), got (0, 1)"


class Unlucky:
    """An engine with a fault that nobody foresaw."""

    def run(self, rows):
        raise ZeroDivisionError("a secret detail")


def test_an_unforeseen_fault_is_a_500_whose_trace_stays_in_the_log():
    for api in api_for(ServedModel("house", "1", NUMBERS_SIGNATURE), Unlucky()):
        response = api.post("/predict", json={"inputs": [[1, 2, 3, 4]]})
        assert response.status_code == 500
        assert "secret" not in response.text
        error, request = api.log
        assert error["event"] == "error"
        assert "ZeroDivisionError" in error["traceback"]
        assert error["request_id"] == request["request_id"] == response.json()["request_id"]


class Held:
    """An engine that answers when the test lets it."""

    def __init__(self):
        self.begun = threading.Event()
        self.may_end = threading.Event()

    def run(self, rows):
        self.begun.set()
        assert self.may_end.wait(10)
        return rows[:, :1]


def test_health_answers_while_the_model_computes():
    engine = Held()

    async def scenario(app):
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://model") as client:
            prediction = asyncio.create_task(client.post("/predict", json={"inputs": [[7, 2, 3, 4]]}))
            await asyncio.to_thread(engine.begun.wait, 10)
            health = await client.get("/healthz")
            assert not prediction.done()
            engine.may_end.set()
            return health, await prediction

    for api in api_for(ServedModel("house", "1", NUMBERS_SIGNATURE), engine):
        health, prediction = asyncio.run(scenario(api.app))
        assert health.json() == {"status": "ok"}
        assert prediction.json()["outputs"] == [7]


def test_a_request_cut_off_at_the_end_of_the_grace_gets_an_answer():
    engine = Held()

    async def scenario(app):
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://model") as client:
            prediction = asyncio.create_task(client.post("/predict", json={"inputs": [[7, 2, 3, 4]]}))
            await asyncio.to_thread(engine.begun.wait, 10)
            prediction.cancel()  # as uvicorn does to the application's tasks
            return await prediction

    for api in api_for(ServedModel("house", "1", NUMBERS_SIGNATURE), engine):
        response = asyncio.run(scenario(api.app))
        assert response.status_code == 503
        assert response.json()["detail"] == "this replica is stopping"
        assert not api.worker.stop()
        engine.may_end.set()
        wait_until(api.worker.stop)


def test_a_replica_that_stops_is_not_ready_but_still_answers(tmp_path):
    engine = Engine.load(numbers_artifact(tmp_path))
    for api in api_for(ServedModel("house", "1", NUMBERS_SIGNATURE), engine, is_ready=lambda: False):
        assert api.get("/healthz").status_code == 503
        assert api.get("/v2/health/ready").status_code == 503
        assert api.get("/v2/models/house/ready").status_code == 503
        assert api.get("/v2/health/live").status_code == 200
        assert api.post("/predict", json={"inputs": [[1, 2, 3, 4]]}).status_code == 200


def test_a_sane_request_id_is_kept_and_any_other_replaced(numbers):
    assert numbers.get("/", headers={"x-request-id": "a.B_c-1:2"}).headers["x-request-id"] == "a.B_c-1:2"
    for bad in ("", "a b", "x" * 129, "a\x7f", "é", '"}{"'):
        given = numbers.get("/", headers={"x-request-id": bad.encode()}).headers["x-request-id"]
        assert given.startswith("req-")


def test_each_request_leaves_one_line_without_secrets(numbers):
    headers = {"x-request-id": "r1", "authorization": "Bearer hidden"}
    numbers.post("/predict?token=hidden", json={"inputs": [[1, 2, 3, 4]] * 2}, headers=headers)
    (line,) = numbers.log
    assert line == {
        "time": "2023-11-14T22:13:20.000+00:00",
        "event": "request",
        "model": "house",
        "request_id": "r1",
        "method": "POST",
        "path": "/predict",
        "route": "/predict",
        "status": 200,
        "duration_ms": 0,
        "rows": 2,
    }


def test_a_good_probe_leaves_no_line(numbers):
    for path in ("/healthz", "/metrics", "/v2/health/live", "/v2/health/ready"):
        numbers.get(path)
    numbers.post("/healthz")
    assert [line["status"] for line in numbers.log] == [405]


def test_metrics_count_requests_by_route_and_never_by_path(numbers):
    numbers.post("/predict", json={"inputs": [[1, 2, 3, 4]] * 3})
    numbers.post("/predict", json={"inputs": []})
    numbers.get("/v2/models/house")
    numbers.get("/v2/models/secret-name")
    numbers.get("/random-path")
    response = numbers.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=")
    lines = response.text.splitlines()
    assert 'lepton_model_info{model="house",replica="rep-1",version="1"} 1.0' in lines
    assert 'lepton_model_requests_total{route="/predict",status="200"} 1.0' in lines
    assert 'lepton_model_requests_total{route="/predict",status="422"} 1.0' in lines
    assert 'lepton_model_requests_total{route="/v2/models/{model}",status="404"} 1.0' in lines
    assert 'lepton_model_requests_total{route="unknown",status="404"} 1.0' in lines
    assert 'lepton_model_request_duration_seconds_count{route="/predict"} 2.0' in lines
    assert "lepton_model_rows_total 3.0" in lines
    assert "random-path" not in response.text
    assert "secret-name" not in response.text


def test_the_front_page_says_what_is_served_with_relative_links(images):
    page = images.get("/").json()
    assert (page["model"], page["version"], page["input_shape"]) == ("digits", "3", [None, 28, 28, 1])
    assert page["labels"] == ["dark", "middle", "bright"]
    for name, link in page["links"].items():
        assert not link.startswith("/")
        assert images.get(f"/{link}").status_code == (405 if name == "predict" else 200)


def matches(value, schema):
    """Whether a value fits a schema, for the few words that the document uses."""
    if "anyOf" in schema:
        return any(matches(value, option) for option in schema["anyOf"])
    if "enum" in schema:
        return value in schema["enum"]
    if "const" in schema:
        return value == schema["const"]
    if schema["type"] == "number":
        return type(value) in (int, float) and schema.get("minimum", value) <= value <= schema.get("maximum", value)
    if schema["type"] == "array":
        most = schema.get("maxItems", len(value)) if isinstance(value, list) else -1
        fits = isinstance(value, list) and schema.get("minItems", 0) <= len(value) <= most
        return fits and all(matches(item, schema["items"]) for item in value)
    assert schema["type"] == "object"
    return (
        isinstance(value, dict)
        and set(schema["required"]) <= set(value) <= set(schema["properties"])
        and all(matches(item, schema["properties"][name]) for name, item in value.items())
    )


@pytest.mark.parametrize("name", ["images", "numbers"])
def test_the_openapi_document_describes_this_model_and_its_example_is_answered(name, request):
    api = request.getfixturevalue(name)
    document = api.get("/openapi.json").json()
    predict = document["paths"]["/predict"]["post"]
    body = predict["requestBody"]["content"]["application/json"]
    assert matches(body["example"], body["schema"])
    response = api.post("/predict", json=body["example"])
    assert response.status_code == 200
    answer_schema = predict["responses"]["200"]["content"]["application/json"]["schema"]
    assert matches(response.json(), answer_schema)
    assert not matches(response.json() | {"version": "0"}, answer_schema)
    for wrong in ({"inputs": []}, {"inputs": [[1]]}, {"inputs": body["example"]["inputs"] * 17}, {"in": 1}):
        assert not matches(wrong, body["schema"])
        assert api.post("/predict", json=wrong).status_code == 422


def test_every_path_in_the_openapi_document_is_there(images):
    document = images.get("/openapi.json").json()
    for path, operations in document["paths"].items():
        for method in operations:
            assert images.send(method.upper(), path).status_code not in (404, 405), path
    image = [[[0.5]] * 28] * 28
    schema = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert matches({"inputs": [image, image]}, schema)
