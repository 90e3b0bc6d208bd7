"""`graft studio` itself: what it refuses, and a real server that is there at once and leaves nothing behind."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from tiny import new_model
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from graftlab.checkpoints.native import save_model
from graftlab.errors import GraftError
from graftlab.studio import front
from graftlab.studio import serve as serving

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("options", "naming"),
    [
        (["--host", "0.0.0.0"], "--expose"),
        (["--public", "https://a.example"], "--expose"),
        (["--expose", "--public", "http://a.example/x"], "https address"),
        (["missing.jpg"], "missing.jpg"),
        (["-m", "missing.safetensors"], "missing.safetensors"),
        (["-m", "someone/some-model"], "someone/some-model"),
    ],
)
def test_what_cannot_be_served_is_refused(graft, monkeypatch, options, naming):
    monkeypatch.setattr(serving.uvicorn.Server, "run", lambda *given, **more: pytest.fail("it was served"))
    result = graft("studio", "--no-browser", *options)
    assert result.code == 2
    assert naming in result.err


@pytest.mark.connects
def test_a_port_that_is_taken_is_refused(graft):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = graft("studio", "--no-browser", "--port", port)
    assert result.code == 2
    assert f"Port {port}" in result.err


@pytest.mark.connects
def test_other_machines_are_warned_of_and_the_browser_is_opened(graft, monkeypatch):
    opened = []
    monkeypatch.setattr(serving.uvicorn.Server, "run", lambda server, sockets: hosts.append(server.config.app.hosts))
    monkeypatch.setattr(serving.webbrowser, "open", opened.append)
    hosts: list[set[str]] = []
    result = graft("studio", "--host", "0.0.0.0", "--expose")
    assert result.code == 0
    address = re.search(r"http://\S+:(\d+)/\?token=\S+", result.err)
    assert opened == [address[0]]
    assert "not encrypted" in result.err
    assert {f"127.0.0.1:{address[1]}", f"{socket.gethostname().lower()}:{address[1]}"} <= hosts[0]
    assert "not encrypted" not in graft("studio").err
    public = graft("studio", "--host", "0.0.0.0", "--expose", "--public", "https://A.example")
    assert "studio is at https://A.example" in public.err
    assert hosts[-1] == {"a.example"}


def test_the_page_does_not_wait_for_pytorch():
    code = "import sys, graftlab.cli.studio, graftlab.studio.serve; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.fixture
def address(tmp_path, photo_folder):
    """The address of a server in a process of its own, which is interrupted at the end."""
    model = tmp_path / "tiny.safetensors"
    save_model(model, new_model())
    (tmp_path / "broken.png").write_bytes(b"no picture")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    command = [sys.executable, "-m", "graftlab", "studio", "--no-browser", "--device", "cpu", "-m", str(model)]
    process = subprocess.Popen(
        [*command, str(photo_folder / "海.png"), str(tmp_path / "broken.png")],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    yield next(found[0] for line in process.stderr if (found := re.search(r"http://\S+", line)))
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert "broken.png" in told
    assert "Traceback" not in told
    assert process.returncode == 0
    assert list(temporary.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C is another there")
def test_a_server_answers_and_leaves_nothing_behind(address, tmp_path):
    host = address.split("/")[2]
    with pytest.raises(HTTPError, match="403"):
        urlopen(f"http://{host}/api/photos")
    (photo,) = json.load(urlopen(Request(f"http://{host}/api/photos", headers=bearer(address))))
    assert photo["name"] == "海.png"
    model, photo = str(tmp_path / "tiny.safetensors"), photo["id"]
    scene = {"kind": "swap", "model": model, "structure": photo, "texture": photo}

    async def picture():
        with pytest.raises(InvalidStatus, match="403"):
            async with connect(f"ws://{host}/api/live"):
                pass
        async with connect(f"ws://{host}/api/live", additional_headers=bearer(address)) as page:
            await page.send(json.dumps({"view": "v", "id": 1, "scene": scene}))
            return await page.recv()

    answer = asyncio.run(picture())
    assert isinstance(answer, bytes), answer
    assert b"WEBP" in answer


def test_a_checkout_without_the_libraries_says_what_to_run(tmp_path, monkeypatch):
    front.check()
    monkeypatch.setattr(front, "BUNDLED", tmp_path)
    with pytest.raises(GraftError, match="make javascript"):
        front.check()


def bearer(address):
    return {"Authorization": f"Bearer {address.partition('token=')[2]}"}
