"""Blends in the studio: drawn as they are saved, told as lines to copy, and what blends with what."""

import shlex
import shutil
import time
from base64 import b64decode
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
import tiny
import torch
from PIL import Image, ImageSequence
from studio import MODEL, pixels
from test_studio_jobs import ended, rendered

from graftlab import cli, load
from graftlab.blending import blend_many, layers_of, matrix
from graftlab.blending import mixture as module
from graftlab.blending.inputs import Inputs
from graftlab.blending.mixture import Mixture
from graftlab.images import to_png

pytestmark = pytest.mark.usefixtures("small_features")

PARTS = {
    "others": ["b"],
    "weights": {},
    "clusters": [
        {"layer": "16", "count": 3, "amounts": {"0": 1, "2": 0.25}},
        {"layer": "synthesis.blocks.3.up", "count": 2, "amounts": {"1": 1}},
    ],
}
LEVELS = {"others": ["b"], "weights": {"4": [1]}}
LOCAL = {**PARTS, "clusters": [{"layer": "16", "count": 3, "amounts": {"0": 1, "2": 1}}], "local": True}
NONE = [{"layer": "16", "count": 3, "amounts": {"0": 0}}]
SHARES = {"4": [0, 0], "16": [0.25, 0.5], "32": [1, 0]}


@pytest.fixture(autouse=True)
def few_probes(monkeypatch):
    """Parts are looked for in a tenth of the pictures, by whomever."""
    whole = Inputs.probes
    monkeypatch.setattr(Inputs, "probes", lambda *given: whole(*given)[::-10])


@pytest.fixture(scope="module")
def kin(tmp_path_factory):
    """A StyleGAN2, two that were fine-tuned from it, and one apart."""
    folder = tmp_path_factory.mktemp("kin")
    base = tiny.stylegan2(mapping_layers=2)
    base.save(folder / "a.safetensors")
    for number, name in enumerate(("b", "c"), start=1):
        child = tiny.stylegan2()
        with torch.no_grad():
            for parameter in child.parameters():
                parameter += 0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number))
        child.save(folder / f"{name}.safetensors", {"parent": load(folder / "a.safetensors").fingerprint})
    tiny.stylegan2(seed=9).save(folder / "apart.safetensors")
    return folder


@pytest.fixture
def family(studio, kin):
    """A visitor of a studio that also knows these."""
    shutil.copytree(kin, Path(studio.server.networks.file("landscapes-128")).parent, dirs_exist_ok=True)
    return studio.visit()


def scene(**more):
    return {"kind": "blend", "model": "a", "others": ["b", "c"], "weights": SHARES, "seed": 7, "psi": 0.5, **more}


def searched(family, number):
    """A photo of the shelf whose codes have been found."""
    key = {"picture": family.photos[number], "steps": 3}
    job = ended(family, family.post("/api/jobs", json={"kind": "invert", "model": "a", **key}).json())
    return {**key, "found": job["found"]}


def carry_out(command):
    for line in command.splitlines():
        words = shlex.split(line)
        if words[0] == "echo":
            Path(words[-1]).write_text(words[1])
        else:
            assert cli.run(words[1:]) == 0, line


def frames(data):
    return [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(Image.open(BytesIO(data)))]


def test_parts_are_found_as_a_job_and_lie_in_the_picture(family):
    wanted = {"scene": scene(**PARTS), "layer": "16", "count": 3}
    assert "look for them first" in family.post("/api/regions", json=wanted).json()["error"]
    order = {"kind": "clusters", "model": "a", "layer": "16", "count": 3}
    job = ended(family, family.post("/api/jobs", json=order).json())
    assert (job["state"], job["file"]) == ("done", "parts-16.json")
    told = family.post("/api/regions", json=wanted).json()
    labels = np.frombuffer(b64decode(told["labels"]), np.uint8).reshape(told["height"], told["width"])
    assert (labels.shape, told["names"]) == ((16, 16), ["0", "1", "2"])
    assert set(labels.flat) <= {0, 1, 2}
    more = {**PARTS, "clusters": [{"layer": "16", "count": 4, "amounts": {"3": 1}}]}
    with family.live() as live:  # others are looked for while nobody waits
        live.ask(scene(**more))
        told = live.answer()[0]
        assert told["pending"] == ["parts"]
        while "ready" not in (told := live.answer()[0]):
            pass
        live.ask(scene(**more))
        assert "pending" not in live.answer()[0]


@pytest.mark.parametrize(
    "change",
    [
        {"film": "walk", "seeds": [3, 5, 9], "loop": True, "psi_over": "0=0.2,0.4=1,1=0.2", "pace": "0=1,0.5=0.1,1=1"},
        {"film": "models", "loop": True},
        {"film": "levels", "ease": "0=0.1,0.3=0.9,1=0", **LEVELS},
        {"film": "walk", "keys": 2, "path": "spline", "pace": "0=0,1=2"},
        {"film": "models", "picture": 0, **LOCAL},
    ],
    ids=["walk", "models", "levels", "walk of photos", "photo in a place"],
)
def test_films_of_blends_are_what_their_lines_make(family, change, tmp_path, monkeypatch):
    told = scene(kind="blend-film", seconds=0.5, fps=8, **change)
    if "keys" in change:
        told["keys"] = [searched(family, number) for number in range(2)]
    if "picture" in change:
        told |= searched(family, 0)
    job = family.post("/api/jobs", json={"kind": "film", "scene": told, "format": "png"}).json()
    job = ended(family, job)
    assert (job["state"], job["file"]) == ("done", f"{change['film']}.png"), job
    saved = frames(family.get(f"/api/jobs/{job['id']}/result").content)
    assert len(saved) == 4
    shown = pixels(rendered(family, {**told, "moment": 0.25}))
    assert np.abs(shown - saved[2].astype(float)).max() <= 1, "drawn alone, not with others"
    command, python = (family.post(f"/api/{what}", json=told).json()["text"] for what in ("command", "python"))
    for kind in ("command", "python"):
        work = tmp_path / kind
        work.mkdir()
        monkeypatch.chdir(work)
        if kind == "python":
            exec(python.replace(".mp4", ".png"), {})
        else:
            carry_out(command.replace(".mp4", ".png"))
        again = frames(Path(f"{change['film']}.png").read_bytes())
        assert all(map(np.array_equal, again, saved)), (command, python)


def test_a_mixture_is_the_blend_that_is_made_anew():
    models = [tiny.stylegan2(seed) for seed in range(3)]
    mixture, layers = Mixture(models), len(layers_of(models[0]))
    for rows in ({4: (0.5, 0.5, 0)}, {4: (0.5, 0.5, 0), 32: (0, 0.25, 0.75)}, {4: (0, 0, 1)}, {4: (1, 0, 0)}):
        made, whole = mixture.take(matrix(rows)).state_dict(), blend_many(models, matrix(rows)).state_dict()
        assert len(made) == layers
        assert all(torch.equal(made[name], whole[name]) for name in whole), rows


def test_only_what_changed_is_mixed(monkeypatch):
    mixture = Mixture([tiny.stylegan2(0), tiny.stylegan2(1)])
    mixture.take(matrix({4: (1, 0), 16: (1, 0), 32: (0, 1)}))
    seen = []
    kept = module.mixed
    monkeypatch.setattr(module, "mixed", lambda layer, *rest: (seen.append(layer.resolution), kept(layer, *rest))[1])
    mixture.take(matrix({4: (1, 0), 16: (1, 0), 32: (0.5, 0.5)}))
    assert set(seen) == {32}


@pytest.mark.parametrize(
    "change",
    [
        {"others": ["b"], "weights": {"4": [0.125], "32": [0.75]}, "mapping": None},
        {"mapping": "c"},
        {**PARTS, "mapping": None, "reverse": True},
        {**LOCAL, "local": False, "hard": True},
        LOCAL,
        {"picture": True},
    ],
    ids=["two", "mapping", "parts", "hard", "local", "photo"],
)
def test_lines_to_copy_draw_what_is_saved(family, change, tmp_path, monkeypatch):
    told = scene(**change)
    if "picture" in change:
        with family.live() as live:
            live.ask({**told, "picture": family.photos[0]})
            assert "look for it first" in live.answer()[0]["error"]
        told |= searched(family, 0)
    saved = pixels(rendered(family, told))
    assert saved.shape == (32, 32, 3)
    if "clusters" in change:
        assert not np.array_equal(saved, pixels(rendered(family, {**told, "clusters": NONE})))
    command, python = (family.post(f"/api/{what}", json=told).json()["text"] for what in ("command", "python"))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    carry_out(command)
    made = Path("blend.png")
    assert np.array_equal(pixels(made.read_bytes()), saved), command
    made.unlink()
    exec(python, {})
    assert np.array_equal(pixels(made.read_bytes()), saved), python


def test_a_blend_is_saved_as_a_model(family, tmp_path):
    job = ended(family, family.post("/api/jobs", json={"kind": "blend", "scene": scene()}).json())
    assert job["state"] == "done", job
    path = tmp_path / job["file"]
    path.write_bytes(family.get(f"/api/jobs/{job['id']}/result").content)
    model = load(path, device="cpu")
    assert len(model.about["parents"]) == 3
    drawn = pixels(rendered(family, scene()))
    assert np.array_equal(pixels(to_png(model.sample([7], 0.5))), drawn)


def test_autoencoders_blend_their_generators(family, studio):
    folder = Path(studio.server.networks.file("landscapes-128")).parent
    one = load("landscapes-128", device="cpu")
    with torch.no_grad():
        for parameter in one.parameters():
            parameter *= 1.1
    one.save(folder / "more.safetensors")
    photo = family.photos[0]
    told = {"kind": "blend", "model": "landscapes-128", "others": ["more"], "weights": {"8": [0], "32": [1]}}
    with family.live() as live:
        live.ask(told)
        assert "choose a photo" in live.answer()[0]["error"]
        own = live.picture({**told, "weights": {"8": [0]}, "picture": photo})
        assert live.picture({**told, "picture": photo}) != own
        swap = {"kind": "swap", "model": "landscapes-128", "structure": photo, "texture": photo}
        assert live.picture(swap) == own, "nothing of the other is the first itself"


@pytest.mark.parametrize("rows", ["inputs", "alpha", "models"])
def test_a_sheet_of_levels(family, rows):
    models = ["a", "b"] if rows != "models" else ["a", "b", "c"]
    order = {"kind": "levels", "models": models, "rows": rows, "seeds": [1, 2]}
    job = ended(family, family.post("/api/jobs", json=order).json())
    assert job["state"] == "done", job
    assert pixels(family.get(f"/api/jobs/{job['id']}/result").content).shape[1] > 4 * 32


def test_what_cannot_be_blended_is_told_and_so_are_networks_that_are_no_kin(family):
    with family.live() as live:
        for change, words in (
            ({"others": ["landscapes-128"], "weights": {"4": [1]}}, "nothing in common"),
            ({"others": ["b"]}, "needs 1 shares"),
            ({"mapping": "h"}, "no model h"),
            ({"others": ["b", "nowhere"]}, "no model 'nowhere'"),
        ):
            live.ask(scene(**change))
            assert words in live.answer()[0]["error"]
        live.ask(scene(others=["apart"], weights={"4": [1]}))
        assert "trained apart" in live.answer()[0]["notice"]


def test_kin_is_told(family):
    told = family.get("/api/kin/a").json()
    assert (told["origin"], told["takes"], told["resolutions"]) == ("bundled", "seeds", [4, 8, 16, 32])
    verdicts = {each["name"]: each["verdict"] for each in told["relatives"]}
    assert verdicts == {"apart": "unrelated", "b": "kin", "c": "kin"}
    assert (told["parents"], told["children"]) == ([], ["b", "c"])
    assert family.get("/api/kin/b").json()["parents"] == ["a"]
    other = family.get("/api/kin/landscapes-128").json()
    assert [each["name"] for each in other["relatives"]] == ["landscapes-256"]
    assert family.get("/api/kin/%2Fetc%2Fpasswd").status_code == 404


def test_stylegan3s_blend(family, studio):
    folder = Path(studio.server.networks.file("a")).parent
    base = tiny.stylegan3()
    base.save(folder / "t.safetensors")
    tiny.tuned(base, 1).save(folder / "u.safetensors", {"parent": load(folder / "t.safetensors").fingerprint})
    told = family.get("/api/kin/t").json()
    assert (told["takes"], [each["name"] for each in told["relatives"]]) == ("seeds", ["u"])
    coarse, fine = told["resolutions"][0], told["resolutions"][-1]
    blend = scene(model="t", others=["u"], weights={coarse: [0], fine: [1]})
    assert not np.array_equal(pixels(rendered(family, blend)), pixels(rendered(family, {**blend, "weights": {4: [0]}})))
    with family.live() as live:
        live.picture({**blend, "kind": "blend-film", "film": "levels", "moment": 3})


def test_a_sheet_of_tiles_is_shown_before_it_is_taken_along(family, studio):
    folder = Path(studio.server.networks.file("a")).parent
    (folder / "b").mkdir()
    for seen, name in ((100, "b"), (200, "c")):
        shutil.copyfile(folder / f"{name}.safetensors", folder / "b" / f"{seen:09}.safetensors")
    assert [each["name"] for each in family.get("/api/models").json() if each["snapshots"]] == ["b"]
    order = {"kind": "levels", "models": ["a", "b"], "rows": "snapshots", "columns": "inputs", "seeds": [1, 2, 3]}
    job = ended(family, family.post("/api/jobs", json={**order, "format": "zoom"}).json())
    assert (job["state"], job["file"]) == ("done", "sheet.zip"), job
    tiles = f"/api/jobs/{job['id']}/tiles"
    told = family.get(tiles).json()
    assert (len(told["grid"]["rows"]), len(told["grid"]["columns"])) == (2, 3)
    whole = Image.new("RGB", (told["width"], told["height"]))
    for column in range(-(-told["width"] // told["tileSize"])):
        for row in range(-(-told["height"] // told["tileSize"])):
            tile = Image.open(BytesIO(family.get(f"{tiles}/{told['maxLevel']}/{column}/{row}").content))
            whole.paste(tile, (column * told["tileSize"], row * told["tileSize"]))
    assert np.asarray(whole)[-1].mean() > 250, "its foot is paper"
    for place in ("9/9/9", "0/-1/0", "0/0/..%2F..%2F..%2Fsheet.html", "..%2Fsheet.html/0/0"):
        assert family.get(f"{tiles}/{place}").status_code in (404, 422), place
    assert studio.visit().get(tiles).status_code == 404, "it is another's"
    packed = ZipFile(BytesIO(family.get(f"/api/jobs/{job['id']}/result").content))
    assert {"sheet.html", "sheet.dzi", "sheet_files/0/0_0.jpg"} <= set(packed.namelist())
    order |= {"models": ["a", "c"]}
    assert "without snapshots" in ended(family, family.post("/api/jobs", json=order).json())["error"]


def test_a_network_learns_from_words_and_is_b(family, studio):
    order = {"kind": "words", "model": "a", "text": "--snowy winter", "neutral": "summer", "iterations": 1}
    job = family.post("/api/jobs", json=order).json()
    order = {"kind": "clusters", "model": "a", "layer": "4", "count": 2}
    assert ended(family, family.post("/api/jobs", json=order).json())["state"] == "done"
    assert family.get(f"/api/jobs/{job['id']}").json()["state"] == "running", "nothing waits for it"
    job = ended(family, job, 120)
    assert (job["state"], job["error"], job["file"]) == ("done", None, "snowy-winter.safetensors")
    name = job["found"]
    assert Image.open(BytesIO(family.get(f"/api/jobs/{job['id']}/look").content)).format == "JPEG"
    kin = family.get(f"/api/kin/{name}").json()
    assert (kin["origin"], kin["parents"]) == ("made", ["a"])
    assert kin["relatives"][0]["name"] == "a"
    assert pixels(rendered(family, scene(others=[name], weights={"4": [1]}))).shape == (32, 32, 3)
    told = family.post("/api/command", json=scene(others=[name], weights={"4": [1]})).json()["text"].splitlines()
    learning = "graft finetune a --text '--snowy winter' --from summer --iterations 1 --run runs/snowy-winter"
    assert told[0] == learning
    assert told[1].startswith("graft blend a runs/snowy-winter/last.safetensors")
    others = studio.visit().get("/api/models").json()
    assert name not in [each["name"] for each in others], "it is this visitor's"
    assert studio.visit().get(f"/api/kin/{MODEL}").status_code == 200


def test_learning_is_stopped(family):
    order = {"kind": "words", "model": "a", "text": "night", "iterations": 5000}
    job = family.post("/api/jobs", json=order).json()
    while not family.get(f"/api/jobs/{job['id']}").json()["note"]:
        time.sleep(0.01)
    family.ask("DELETE", f"/api/jobs/{job['id']}")
    assert ended(family, job)["state"] == "cancelled"
    assert [each for each in family.get("/api/models").json() if each["made"]] == []
