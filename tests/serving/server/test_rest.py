"""TensorFlow Serving's paths: requests and answers as its documentation has them."""

import json
import math

import pytest

pytest.importorskip("uvicorn", reason='the server needs pip install "tfrec_zoo[serve]"')

from running_server import running

from tfrec_zoo.serving.server import ServerOptions

HALF = "/v1/models/half"


@pytest.fixture(scope="module")
def half(half_plus_three):
    with running(half_plus_three, ServerOptions(name="half", max_rows=8)) as client:
        yield client


def predict(signature, **body):
    return {"signature_name": signature, **body}


SEVERAL = [
    {"tag": "foo", "signal": [1, 2], "sensor": [[1], [3]]},
    {"tag": "bar", "signal": [3, -4], "sensor": [[4.5], [5]]},
]
ANSWERED = [
    # From the documentation's example.
    ({"instances": [1.0, 2.0, 5.0]}, {"predictions": [3.5, 4.0, 5.5]}),
    ({"instances": [1, 5]}, {"predictions": [3.5, 5.5]}),
    ({"instances": [{"x": 1}, {"x": 5}]}, {"predictions": [3.5, 5.5]}),
    ({"inputs": [1.0, 2.0]}, {"outputs": [3.5, 4.0]}),
    ({"inputs": {"x": [1.0, 2.0]}}, {"outputs": [3.5, 4.0]}),
    ({"inputs": {"x": []}}, {"outputs": []}),
    (predict("", instances=[1.0]), {"predictions": [3.5]}),
    # Six digits tell 3.2 in float32, whose neighbors are 2.4e-7 away; 3 1/3 takes nine.
    ({"instances": [0.4, 2 / 3]}, {"predictions": [3.2, 3.33333325]}),
    # Several inputs and outputs.
    (predict("several", instances=SEVERAL),
     {"predictions": [{"tags": "foo!", "sums": 3, "means": 2.0},
                      {"tags": "bar!", "sums": -1, "means": 4.75}]}),
    (predict("several", inputs={key: [row[key] for row in SEVERAL] for key in SEVERAL[0]}),
     {"outputs": {"tags": ["foo!", "bar!"], "sums": [3, -1], "means": [2.0, 4.75]}}),
    # Bytes: what is called so comes back so.
    (predict("image", instances=[{"b64": "aW1hZ2UgYnl0ZXM="}, "text"]),
     {"predictions": [{"b64": "aW1hZ2UgYnl0ZXM="}, {"b64": "dGV4dA=="}]}),
    (predict("image", instances=[{"image": {"b64": "aW1hZ2UgYnl0ZXM"}}]),
     {"predictions": [{"b64": "aW1hZ2UgYnl0ZXM="}]}),
    (predict("image", inputs=[{"b64": "/w=="}]), {"outputs": [{"b64": "/w=="}]}),
    (predict("text", instances=[{"b64": "dGV4dA=="}, "größer ✓ \0\n\""]),
     {"predictions": ["text", "größer ✓ \0\n\""]}),
    # What is no UTF-8 can't be text.
    (predict("text", instances=[{"b64": "/w=="}]), {"predictions": [{"b64": "/w=="}]}),
    (predict("flags", instances=[{"flag": True, "small": 255}, {"flag": False, "small": 0}]),
     {"predictions": [{"flag": False, "small": 255}, {"flag": True, "small": 0}]}),
    (predict("total", inputs=[1, 2, 3]), {"outputs": 6.0}),
]  # fmt: skip


@pytest.mark.parametrize(("body", "expected"), ANSWERED)
@pytest.mark.parametrize("path", [HALF, f"{HALF}/versions/123", "/V1/Models/half/Versions/123"])
def test_predict(half, body, expected, path):
    answer = half.ask(f"{path}:predict", body)
    assert (answer.status, answer.content) == (200, expected)
    assert answer.headers["content-type"] == "application/json"


def test_not_a_number_and_infinity_are_tokens(half):
    answer = half.ask(f"{HALF}:predict", '{"instances": [NaN, Infinity, -Infinity]}')
    first, *rest = answer.content["predictions"]
    assert math.isnan(first) and rest == [math.inf, -math.inf]


REFUSED = [
    ("", "The document is empty"),
    ("{", "JSON Parse error"),
    ("[1]", "Is not object"),
    (b'{"instances": ["\xff"]}', "no UTF-8"),
    ('{"instances": [1], "instances": [2]}', "the key 'instances' twice"),
    ('{"instances": ' + "[" * 100_000 + "]" * 100_000 + "}", "too deep"),
    ('{"instances": [1e400]}', "too big a number"),
    ({}, "Missing 'inputs' or 'instances' key"),
    ({"instances": [1.0], "inputs": [1.0]}, "only one of 'inputs' or 'instances'"),
    ({"instances": 1.0}, "Expecting 'instances' to be a list/array"),
    ({"instances": []}, "No values in 'instances' array"),
    (predict(5, instances=[1.0]), "'signature_name' key must be a string value"),
    (predict("x", instances=[1.0]), 'Serving signature name: "x" not found in signature def'),
    ({"instances": ["1"]}, "JSON Value: '1' is not of expected type: float32"),
    ({"instances": [True]}, "True is not of expected type: float32"),
    ({"instances": [None]}, "None is not of expected type: float32"),
    ({"instances": [{"b64": "AA=="}]}, "not of expected type: float32"),
    # What float32 doesn't hold.
    ({"instances": [2**24 + 1]}, "16777217 is not of expected type: float32"),
    ({"instances": [1e39]}, "1e+39 is not of expected type: float32"),
    ({"instances": [1.0, [2.0]]}, "[2.0] is not of expected type: float32"),
    ({"instances": [[1.0], 2.0]}, "a value where a list is"),
    ({"instances": [[1.0], [2.0]]}, "must have the shape [?]. Received: [2, 1]"),
    ({"instances": [1.0, {"x": 2.0}]}, "Expecting value/list but got object at item 1"),
    ({"instances": [{"x": 2.0}, 1.0]}, "Expecting object but got value/list at item 1"),
    ({"instances": [{"z": 2.0}]}, "keys must be equal to: x"),
    ({"inputs": {"z": [2.0]}}, "Missing named input: x"),
    ({"inputs": {"x": [1.0], "z": [2.0]}}, "Received others: ['z']"),
    ({"inputs": 1.0}, "must have the shape [?]. Received: []"),
    ({"instances": [1.0] * 9}, "at most 8 rows. Received: 9"),
    (predict("several", instances=[1.0]), "expecting list of objects"),
    (predict("several", inputs=[1.0]), "expecting an object"),
    (predict("several", instances=[SEVERAL[0], {"tag": "bar"}]), "element: 1 of 'instances'"),
    # Ragged.
    (predict("several", instances=[SEVERAL[0], {**SEVERAL[1], "signal": [1, 2, 3]}]),
     "unexpected size: 3 at level: 1 expected size: 2"),
    (predict("several", instances=[{**SEVERAL[0], "signal": [1, 2.5]}]), "2.5 is not of expected"),
    (predict("several", instances=[{**SEVERAL[0], "signal": [1, 2**63]}]), "is not of expected"),
    (predict("several", instances=[{**SEVERAL[0], "signal": [1, math.nan]}]), "is not of expected"),
    (predict("several", instances=[{**SEVERAL[0], "tag": 5}]), "5 is not of expected type: string"),
    (predict("several", instances=[{**SEVERAL[0], "signal": [1]}]), "must have the shape [?, 2]"),
    (predict("flags", instances=[{"flag": 1, "small": 0}]), "1 is not of expected type: bool"),
    (predict("flags", instances=[{"flag": True, "small": 256}]), "256 is not of expected"),
    (predict("flags", instances=[{"flag": True, "small": -1}]), "-1 is not of expected"),
    (predict("image", instances=[{"b64": "?"}]), "Unable to base64 decode"),
    (predict("image", instances=[{"b64": 5}]), "keys must be equal to: image"),
    ('{"signature_name": "image", "instances": ["\\ud800"]}', "half of a surrogate pair"),
    # What rows can't be made of, and what the model itself refuses.
    (predict("total", instances=[1.0]), "not one size of batch"),
    (predict("refuses", instances=[-1.0]), "x must be positive"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "message"), REFUSED)
def test_predict_refuses(half, body, message):
    answer = half.ask(f"{HALF}:predict", body)
    assert answer.status == 400
    assert list(answer.content) == ["error"] and message in answer.content["error"]
    assert "\n" not in answer.content["error"] and len(answer.content["error"]) < 1100


EXAMPLES = [
    ("regress", {"examples": [{"x": 1.0}, {"x": 2.0}, {}]}, [3.5, 4.0, 3.0]),
    ("regress", {"examples": [{"x": [1.0]}, {"n": 2}], "context": {"words": "w"}}, [3.5, 5.0]),
    ("regress", {"examples": [{"n": True}], "context": {"x": 1.0}}, [4.5]),
    ("classify", {"examples": [{"x": 1.5, "words": ["a", {"b64": "Yg=="}]}, {"words": "c"}]},
     [[["ab", 1.5], ["", -1.5]], [["c", 0.0], ["", 0.0]]]),
]  # fmt: skip


@pytest.mark.parametrize(("method", "body", "expected"), EXAMPLES)
def test_examples(half, method, body, expected):
    answer = half.ask(f"{HALF}:{method}", {"signature_name": method, **body})
    assert (answer.status, answer.content) == (200, {"results": expected})


BAD_EXAMPLES = [
    ("regress", {}, "Expecting 'examples'"),
    ("regress", {"examples": []}, "empty array"),
    ("regress", {"examples": [1]}, "must be JSON object"),
    ("regress", {"examples": [{"x": None}]}, "unexpected JSON type: None"),
    ("regress", {"examples": [{"x": [1, 2.5]}]}, "Unexpected element type in feature: x"),
    ("regress", {"examples": [{"n": 2**63}]}, "unexpected JSON type"),
    ("regress", {"examples": [{"x": [[1.0]]}]}, "unexpected JSON type"),
    ("regress", {"examples": [{"x": 1.0}], "context": {"x": 2.0}}, "must not be in examples"),
    ("regress", {"examples": [{}], "context": [1]}, "'context' must be a JSON object"),
    # The signature reads another type.
    ("regress", {"examples": [{"x": 1}]}, "x"),
    ("regress", {"signature_name": "classify", "examples": [{}]}, "regresses returns"),
    ("classify", {"signature_name": "regress", "examples": [{}]}, "classifies returns"),
    ("classify", {"signature_name": "several", "examples": [{}]}, "one input 'inputs'"),
]


@pytest.mark.parametrize(("method", "body", "message"), BAD_EXAMPLES)
def test_examples_refused(half, method, body, message):
    answer = half.ask(f"{HALF}:{method}", {"signature_name": method, **body})
    assert answer.status == 400 and message in answer.content["error"]


STATUS = {
    "model_version_status": [
        {
            "version": "123",
            "state": "AVAILABLE",
            "status": {"error_code": "OK", "error_message": ""},
        }
    ]
}


@pytest.mark.parametrize("path", [HALF, f"{HALF}/versions/123"])
def test_status(half, path):
    answer = half.ask(path)
    assert (answer.status, answer.content) == (200, STATUS)


def test_metadata(half):
    answer = half.ask(f"{HALF}/metadata")
    assert half.ask(f"{HALF}/versions/123/metadata") == answer and answer.status == 200
    assert answer.content["model_spec"] == {
        "name": "half",
        "signature_name": "",
        "version": "123",
    }
    definitions = answer.content["metadata"]["signature_def"]["signature_def"]
    found = definitions["several"]["inputs"]["sensor"]
    assert found == {
        "dtype": "DT_DOUBLE",
        "tensor_shape": {
            "dim": [{"size": size, "name": ""} for size in ("-1", "2", "1")],
            "unknown_rank": False,
        },
        "name": found["name"],
    }
    assert definitions["several"]["method_name"] == "tensorflow/serving/predict"


def test_answers_are_messages_of_tensorflow_serving(half):
    apis = pytest.importorskip("tensorflow_serving.apis", reason="no tensorflow-serving-api")
    from google.protobuf import json_format
    from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, model_pb2

    assert apis is not None
    status = json_format.ParseDict(
        half.ask(HALF).content, get_model_status_pb2.GetModelStatusResponse()
    )
    [version] = status.model_version_status
    assert (version.version, version.state, version.status.error_code) == (
        123,
        version.AVAILABLE,
        0,
    )
    content = half.ask(f"{HALF}/metadata").content
    spec = json_format.ParseDict(content["model_spec"], model_pb2.ModelSpec())
    assert (spec.name, spec.version.value) == ("half", 123)
    signatures = json_format.ParseDict(
        content["metadata"]["signature_def"], get_model_metadata_pb2.SignatureDefMap()
    )
    # What the message says again, with all its defaults, is what the server says.
    again = json_format.MessageToDict(
        signatures, always_print_fields_with_no_presence=True, preserving_proto_field_name=True
    )
    assert again == content["metadata"]["signature_def"]
    shape = signatures.signature_def["serving_default"].inputs["x"].tensor_shape
    assert [dim.size for dim in shape.dim] == [-1]


NOT_THERE = [
    ("POST", "/v1/models/other:predict", 404, "Servable not found for request: Latest(other)"),
    ("POST", "/v1/models/other/versions/7:predict", 404, "Specific(other, 7)"),
    ("POST", f"{HALF}/versions/7:predict", 404, "Specific(half, 7)"),
    ("POST", f"{HALF}/versions/{2**63}:predict", 400, "Failed to convert version"),
    ("POST", f"{HALF}/versions/x:predict", 400, "Malformed request: POST"),
    ("POST", f"{HALF}/labels/stable:predict", 400, "Unrecognized servable version label: stable"),
    ("POST", f"{HALF}:forecast", 400, "Malformed request: POST"),
    ("POST", HALF, 400, "Malformed request: POST"),
    ("GET", f"{HALF}:predict", 400, "Malformed request: GET"),
    ("PUT", f"{HALF}:predict", 400, "Malformed request: PUT"),
    ("GET", "/v1/models", 400, "Malformed request: GET"),
    ("GET", "/v1/models/other", 404, "Could not find any versions of model other"),
    ("GET", "/v1/models/other/metadata", 404, "Servable not found"),
    ("GET", f"{HALF}/versions/7", 404, "Could not find version 7 of model half"),
    ("GET", f"{HALF}/versions/7/metadata", 404, "Specific(half, 7)"),
    ("GET", "/other", 404, "Not Found: GET /other"),
    ("POST", "/", 405, "Method Not Allowed: POST /"),
]


@pytest.mark.parametrize(("method", "path", "status", "message"), NOT_THERE)
def test_what_is_not_there(half, method, path, status, message):
    body = json.dumps({"instances": [1.0]}) if method != "GET" else None
    answer = half.ask(path, body, method)
    assert answer.status == status and message in answer.content["error"]
    assert list(answer.content) == ["error"]
    assert answer.headers["content-type"] == "application/json"


def test_a_model_without_a_manifest_recommends_nothing(half):
    for path, body in (("/recommend", {"request": {}}), ("/about", None)):
        answer = half.ask(path, body)
        assert answer.status == 501 and "no manifest.json" in answer.content["error"]


def test_health_and_metrics(half):
    assert half.ask("/healthz").content == {"status": "ok", "version": "123"}
    half.ask(f"{HALF}:predict", {"instances": [1.0]})
    text = half.ask("/metrics").content
    assert half.ask("/monitoring/prometheus/metrics").status == 200
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")
    assert float(lines['tfrec_zoo_requests_total{path="predict",status="200"}']) >= 1
    assert lines["tfrec_zoo_model_version"] == "123.0"
    assert lines["tfrec_zoo_waiting"] == "0.0"
    assert float(lines["tfrec_zoo_batch_rows_count"]) >= 1
