"""tfrec-zoo serve, as a process of its own."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys

import pytest

pytest.importorskip("uvicorn", reason='the server needs pip install "tfrec_zoo[serve]"')

from running_server import Client, received, until

from tfrec_zoo.cli import main
from tfrec_zoo.cli.serve import _LIMITS
from tfrec_zoo.serving.server import ServerOptions

ROOT = pathlib.Path(__file__).parents[3]


@pytest.fixture
def start():
    """Starts the command; returns the process and the first line that it prints, read."""
    started = []

    def start(*arguments):
        program = [sys.executable, "-m", "tfrec_zoo", "serve", *map(str, arguments)]
        process = subprocess.Popen(
            [*program, "--port", "0", "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        started.append(process)
        return process, json.loads(process.stdout.readline())

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
def test_a_version_is_taken_and_what_is_being_answered_is_answered_before_the_end(
    start, films, other_films, tmp_path
):
    shutil.copytree(films, tmp_path / "3")
    process, ready = start(tmp_path, "--name", "films", "--poll", "0.05")
    assert (ready["name"], ready["version"]) == ("films", 3)
    host, port = ready["url"].removeprefix("http://").split(":")
    assert host == "127.0.0.1"
    client = Client(int(port))
    body = json.dumps({"request": {"history": ["f0"]}, "k": 1}).encode()
    first = client.ask("/recommend", body).content
    assert (first["model_version"], first["recommendations"][0]["title"]) == ("3", "Film 1")
    shutil.copytree(other_films, tmp_path / ".4")
    os.replace(tmp_path / ".4", tmp_path / "4")
    answers = [client.ask("/recommend", body)]
    until(lambda: answers.append(client.ask("/recommend", body)) or answers[-1].content != first)
    assert {answer.status for answer in answers} == {200}
    assert answers[-1].content["model_version"] == "4"
    assert answers[-1].content["recommendations"][0]["title"] == "Other 1"
    with client.open() as opened:
        head = b"POST /recommend HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
        opened.sendall(head + body[:9])
        until(lambda: client.counts("tfrec_zoo_open_requests 2.0"))
        process.send_signal(signal.SIGTERM)
        until(lambda: not takes_connections(client))
        opened.sendall(body[9:])
        answered = received(opened)
    assert b'"title":"Other 1"' in answered and b"\r\nconnection: close\r\n" in answered
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "")
    assert "version 4 is served after 3" in err and len(err.splitlines()) == 1


def takes_connections(client):
    try:
        client.open().close()
    except OSError:
        return False
    return True


def fails(capsys, *arguments):
    code = main(["serve", *map(str, arguments)])
    printed = capsys.readouterr()
    assert (code, printed.out) == (2, "") and printed.err.count("\n") == 1
    return printed.err


def test_what_can_not_be_served_is_one_line(films, tmp_path, capsys):
    assert "no pretrained model of that name" in fails(capsys, tmp_path / "none", "--port", 0)
    assert "There is no model in" in fails(capsys, tmp_path, "--port", 0)
    assert "port must be in 0 … 65535. Received: 70000" in fails(capsys, films, "--port", 70000)
    assert "can't listen at no such host" in fails(capsys, films, "--host", "no such host")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"can't listen at 127.0.0.1, port {port}: " in fails(capsys, films, "--port", port)
    assert "`batch_rows` must be positive" in fails(capsys, films, "--batch-rows", 0)


def test_help_knows_the_defaults(capsys):
    """The help is text, so that it is fast: this compares it with the options."""
    with pytest.raises(SystemExit):
        main(["serve", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    for name in _LIMITS:
        default = getattr(ServerOptions, name)
        assert re.search(rf"--{name.replace('_', '-')} [^-]*\(default: {default:.10g}\)", text), (
            name
        )
    assert ServerOptions.name == "model" and "(default: model)" in text


def test_without_what_it_needs(films, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert 'pip install ".[serve]"' in fails(capsys, films)
