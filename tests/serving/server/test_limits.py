"""What is malformed, too much, too slow or cut off is refused, and harms nobody else."""

import contextlib
import json
import threading

import pytest

pytest.importorskip("uvicorn", reason='the server needs pip install "tfrec_zoo[serve]"')

from running_server import received, running, until

from tfrec_zoo.serving import load
from tfrec_zoo.serving.server import ServerOptions

PREDICT = b"POST /v1/models/model:predict HTTP/1.1\r\nHost: x\r\n"
CLOSE = b"Connection: close\r\n"
BODY = b'{"instances": [1.0]}'


@pytest.fixture(scope="module")
def half(half_plus_three):
    limits = {"max_body": 2000, "read_timeout": 0.5, "max_requests": 3, "max_connections": 5}
    with running(half_plus_three, ServerOptions(**limits)) as client:
        yield client


def parsed(response):
    """The status, and the JSON of a response that is alone."""
    head, _, body = response.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def length(n):
    return b"Content-Length: %d\r\n\r\n" % n


MALFORMED = [
    b"nonsense\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",  # TLS.
    b"POST /recommend HTTP/1.1\r\n\r\n",  # No host.
    PREDICT + b"Content-Length: -1\r\n\r\n",
    PREDICT + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
    PREDICT + b"Content-Length: five\r\n\r\n",
    PREDICT + b"Transfer-Encoding: chunked\r\n\r\nnot a number\r\n",
    PREDICT + b"bad header\r\n\r\n",
    PREDICT + b"X: " + b"x" * 100_000,
]


@pytest.mark.parametrize("request_", MALFORMED, ids=range(len(MALFORMED)))
def test_malformed(half, request_):
    response = half.send(request_)
    assert parsed(response)[0] in (400, 431), response
    assert list(parsed(response)[1]) == ["error"]
    alive(half)


def alive(half):
    answer = half.ask("/v1/models/model:predict", BODY)
    assert (answer.status, answer.content) == (200, {"predictions": [3.5]})


def test_a_body_that_is_too_long(half):
    # Declared, and found out.
    assert parsed(half.send(PREDICT + length(2001)))[0] == 413
    chunk = b"3e8\r\n" + b" " * 1000 + b"\r\n"
    status, content = parsed(half.send(PREDICT + b"Transfer-Encoding: chunked\r\n\r\n", 3 * chunk))
    assert (status, content) == (413, {"error": "A body has at most 2000 bytes."})
    answer = half.ask("/v1/models/model:predict", BODY + b" " * (2000 - len(BODY)))
    assert answer.status == 200


def test_a_body_in_chunks(half):
    request = PREDICT + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    response = half.send(
        request, b"5\r\n" + BODY[:5] + b"\r\n", b"f\r\n" + BODY[5:] + b"\r\n0\r\n\r\n"
    )
    assert parsed(response) == (200, {"predictions": [3.5]})


def test_a_body_that_is_compressed(half):
    answer = half.ask("/v1/models/model:predict", BODY, **{"Content-Encoding": "gzip"})
    assert answer.status == 415 and "must not be compressed" in answer.content["error"]


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (b"", "The head took longer than 0.5 seconds."),
        (PREDICT, "The head took longer than 0.5 seconds."),
        (PREDICT + length(20) + BODY[:5], "The body took longer than 0.5 seconds."),
    ],
)
def test_what_is_too_slow(half, sent, message):
    assert parsed(half.send(sent)) == (408, {"error": message})
    alive(half)


def test_the_second_head_of_a_connection_has_a_deadline_too(half):
    with half.open() as opened:
        opened.sendall(PREDICT + length(len(BODY)) + BODY)
        first = b""
        while not first.endswith(b"}"):
            first += opened.recv(1 << 16)
        assert parsed(first) == (200, {"predictions": [3.5]})
        opened.sendall(PREDICT)
        assert parsed(received(opened))[0] == 408


def test_what_is_cut_off(half):
    for sent in (b"POST", PREDICT, PREDICT + length(20) + BODY[:5], PREDICT + length(20) + BODY):
        with half.open() as opened:
            opened.sendall(sent)
    alive(half)
    until(lambda: half.counts("tfrec_zoo_open_requests 1.0"))  # The one that asks.


def test_too_many_requests(half):
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(half.open()) for _ in range(3)]
        for one in opened:
            one.sendall(PREDICT + CLOSE + length(len(BODY)) + BODY[:5])
        until(lambda: half.counts("tfrec_zoo_open_requests 4.0"))
        answer = half.ask("/v1/models/model:predict", BODY)
        assert answer.status == 503 and answer.headers["retry-after"] == "1"
        assert "3 requests are being answered" in answer.content["error"]
        for one in opened:
            one.sendall(BODY[5:])
            assert parsed(received(one)) == (200, {"predictions": [3.5]})
    alive(half)


def test_too_many_connections(half):
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(half.open()) for _ in range(5)]
        for one in opened:
            one.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert one.recv(1 << 16).startswith(b"HTTP/1.1 200")
        status, content = parsed(half.send(b""))
        assert status == 503 and "too many connections" in content["error"]
    alive(half)


def test_too_many_bytes(half_plus_three):
    with running(half_plus_three, ServerOptions(max_bytes=100)) as client:
        body = BODY + b" " * 70
        with client.open() as opened:
            opened.sendall(PREDICT + CLOSE + length(len(body)) + body[:60])
            # 60 bytes are held, or will be.
            until(lambda: client.ask("/v1/models/model:predict", body).status != 200)
            answer = client.ask("/v1/models/model:predict", body)
            assert answer.status == 503 and "fill the memory" in answer.content["error"]
            opened.sendall(body[60:])
            assert parsed(received(opened)) == (200, {"predictions": [3.5]})
        assert client.ask("/v1/models/model:predict", body).status == 200


def test_an_answer_that_nobody_takes(half_plus_three):
    """It is dropped; who takes it, takes it whole."""
    text = "x" * 16_000_000
    body = json.dumps({"signature_name": "text", "instances": [text]}).encode()
    limits = {"max_body": 1 << 25, "read_timeout": 0.5}
    with running(half_plus_three, ServerOptions(**limits)) as client:
        with client.open() as opened:
            opened.sendall(PREDICT + CLOSE + length(len(body)) + body)
            # The answer has begun when the request is counted.
            until(lambda: client.counts('path="predict",status="200"} 1.0'))
            until(lambda: not client.server.server_state.connections)
            assert len(received(opened)) < len(text)
        answer = client.ask("/v1/models/model:predict", body)
        assert answer.content == {"predictions": [text]}


def test_no_answer_in_time(films):
    """A model that takes too long, and is asked again when it has come to its end."""
    is_open = threading.Event()

    def slow(folder):
        served = load(folder)
        recommend = served.recommend

        def wait(*args, **kwargs):
            assert is_open.wait(60)
            return recommend(*args, **kwargs)

        served.recommend = wait
        return served

    with running(films, ServerOptions(timeout=0.2), load=slow) as client:
        for _ in range(2):  # The second doesn't get as far as the model.
            answer = client.ask("/recommend", {"request": {"history": ["f0"]}})
            assert answer.status == 504
            assert answer.content == {"error": "There was no answer within 0.2 seconds."}
        is_open.set()
        until(lambda: client.ask("/recommend", {"request": {}}).status == 200)
        answer = client.ask("/recommend", {"request": {"history": ["f0"]}})
        assert answer.content["recommendations"][0]["id"] == "f1"


def test_a_fault_of_the_server_is_one_line_and_no_secret(films, caplog):
    def broken(folder):
        served = load(folder)

        def fail(*args, **kwargs):
            raise RuntimeError("/etc/secret")

        served.recommend = fail
        return served

    with running(films, load=broken) as client:
        answer = client.ask("/recommend", {"request": {}})
    assert (answer.status, answer.content) == (500, {"error": "Internal error: RuntimeError"})
    assert "/etc/secret" in caplog.text


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": ""}, "`name` must be"),
        ({"name": "a/b"}, "without slashes"),
        ({"workers": 0}, "`workers` must be positive. Received: 0"),
        ({"timeout": float("nan")}, "`timeout` must be positive"),
        ({"max_rows": 1.5}, "`max_rows` must be a whole number"),
    ],
)
def test_options(given, message):
    with pytest.raises(ValueError, match=message):
        ServerOptions(**given)
