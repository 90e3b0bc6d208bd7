"""Cards of models, and models given to the hub: a server here answers as the hub's API does."""

import base64
import json
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer

import huggingface_hub
import pytest
from claims import refused
from huggingface_hub import HfApi
from tiny import new_model, stylegan2

from graftlab.blending import interpolate
from graftlab.blending.blend import blend
from graftlab.checkpoints.catalogue import hub
from graftlab.checkpoints.catalogue.card import card
from graftlab.checkpoints.native import save_model
from graftlab.rendering.presentation import give

ABOUT = {"licence": "CC-BY-4.0", "trained_on": "lakes | rivers\nand more", "images_seen": 1234, "validation_psnr": 21.5}


class Hub(BaseHTTPRequestHandler):
    """Repositories can be made and written, by who has the right token."""

    def log_message(self, *args):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Authorization"] != "Bearer right":
            return self.answer(401, {"error": "Invalid credentials"})
        if self.path == "/api/repos/create":
            self.server.made.append(json.loads(body))
            return self.answer(200, {"url": f"{self.server.url}/a/lakes", "name": "a/lakes"})
        if "/preupload/" in self.path:
            files = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                for file in json.loads(body)["files"]
            ]
            return self.answer(200, {"files": files})
        if self.path == "/api/validate-yaml":  # of the card
            return self.answer(200, {"errors": [], "warnings": []})
        if not self.path.startswith("/api/models/a/lakes/"):
            return self.answer(403, {"error": "Forbidden"})
        for line in map(json.loads, body.splitlines()):
            if line["key"] == "file":
                self.server.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            else:
                self.server.messages.append(line["value"]["summary"])
        return self.answer(200, {"commitUrl": f"{self.server.url}/a/lakes/commit/1", "commitOid": "1"})

    def answer(self, status, found):
        body = json.dumps(found).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def server(monkeypatch):
    with HTTPServer(("127.0.0.1", 0), Hub) as served:
        served.url = f"http://127.0.0.1:{served.server_port}"
        served.made, served.files, served.messages = [], {}, []
        thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        login(monkeypatch, served, "right")
        yield served
        served.shutdown()
        thread.join()


def login(monkeypatch, served, token):
    monkeypatch.setattr(huggingface_hub, "HfApi", partial(HfApi, served.url, token))


def test_a_card_tells_what_a_model_is(tmp_path):
    a, b = stylegan2(0), stylegan2(0)
    mixed = blend(a, b, interpolate(0.5))
    save_model(tmp_path / "lakes.safetensors", mixed, {**mixed.about, **ABOUT, "parents": ["ab12" * 16]})
    text = card(tmp_path / "lakes.safetensors", repository="someone/lakes", pictures=["sheet.png"])
    head, body = text.removeprefix("---\n").split("\n---\n")
    told = {key: json.loads(value) for key, value in (line.split(": ", 1) for line in head.splitlines())}
    assert told["license"] == "cc-by-4.0"
    assert told["pipeline_tag"] == "unconditional-image-generation"
    for part in ("# lakes", "![lakes](sheet.png)", "lakes \\| rivers and more", "1,234 images", "psnr 21.5", "Blend"):
        assert part in body
    assert "ab12ab12ab12" in body
    assert "graft sample -m hf:someone/lakes" in body


def test_every_kind_has_a_use():
    from graftlab.checkpoints.catalogue.card import USES
    from graftlab.kinds import KINDS

    assert all(any(part in kind for part in USES) for kind in KINDS)


def test_a_model_is_given_with_its_card_and_what_lies_beside_it(server, tmp_path):
    path = tmp_path / "lakes.safetensors"
    save_model(path, new_model(), {})
    refused("does not say under which licence .*--licence", give, path, "a/lakes")
    (tmp_path / "lakes.directions.safetensors").write_bytes(b"beside")
    assert give(path, "a/lakes", "cc0-1.0", private=True) == f"{server.url}/a/lakes"
    assert server.files.keys() == {"README.md", "lakes.safetensors", "lakes.directions.safetensors", "sheet.png"}
    assert server.files["lakes.safetensors"] == path.read_bytes()
    assert b"![lakes](sheet.png)" in server.files["README.md"]
    assert server.files["sheet.png"].startswith(b"\x89PNG")
    assert (server.made[0]["name"], server.made[0]["visibility"]) == ("lakes", "private")
    assert server.messages == ["Model and card"]


def test_what_the_hub_refuses_is_a_sentence(server, monkeypatch):
    login(monkeypatch, server, "wrong")
    refused("a/lakes .* log in with 'hf auth login'", hub.push, "a/lakes", {"x": b"x"}, "m")
    login(monkeypatch, server, "right")
    refused("your token may not write there", hub.push, "a/other", {"x": b"x"}, "m")
    refused("no repository; write someone/some-model", hub.push, "a/lakes@v1", {}, "m")
    assert not server.files


@pytest.mark.connects
def test_commands(graft, server, bundle):
    file = bundle / "landscapes-128.safetensors"
    printed = graft("card", file)
    assert printed.out.startswith("---\nlicense:")
    assert graft("card", "landscapes-128", "-o", "README.md").code == 0
    assert server.url in graft("models", "push", file, "a/lakes").err
    assert "sheet.png" in server.files
    assert "log in" not in graft("models", "push", "photos/hill.png", "a/lakes").refusal()
