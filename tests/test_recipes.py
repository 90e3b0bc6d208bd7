"""The recipes: crops of photographs, pictures rendered from a structure and a texture, prints, models that ship."""

import csv
import dataclasses
import importlib.util
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from PIL import Image

import graftlab
from graftlab.blending.kinship import kinship
from graftlab.checkpoints.build import build
from graftlab.checkpoints.load import BUNDLED
from graftlab.checkpoints.native import save_model
from graftlab.checkpoints.readers import open_model
from graftlab.config import CompactConfig, RDNConfig
from graftlab.data import open_source
from graftlab.data.views import Scenes
from graftlab.editing.distributions import Distribution
from graftlab.images import write
from graftlab.networks.upscalers import CompactUpscaler, RDNUpscaler

RECIPES = Path(__file__).parents[1] / "recipes"
RECIPE = RECIPES / "landscapes"


def load(name):
    """Import a script of the recipes, which is not part of the package."""
    spec = importlib.util.spec_from_file_location(f"recipe_{Path(name).name}", RECIPES / f"{name}.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


sys.path[:0] = [str(RECIPE), str(RECIPE.parent / "blending")]  # scripts that use the files beside them
scripts = ("photos", "landscapes", "textures", "hybrids")
photos, landscapes, textures, hybrids = (load(f"landscapes/{name}") for name in scripts)
prints, neon, upscaler = load("blending/prints"), load("blending/neon"), load("upscaler/convert")
bundle_script = load("bundle")

HILL = photos.Photo("Hill", "landscape", "backgrounds/hill.png", "some-backgrounds", "Ada", "CC-BY-4.0")
BUG = photos.Photo("Bug", "close-up", "wallpapers/Bug/bug.png", "other-wallpapers", "Bob, Eve", "CC0-1.0")
KEPT = photos.Photo("Kept", "held-out", "backgrounds/kept.png", "some-backgrounds", "Ann", "CC-BY-SA-4.0")


@pytest.fixture
def packages(tmp_path):
    """Three unpacked photographs, bright above and dark below, with noise so that no two crops agree."""
    rng = np.random.default_rng(0)
    for photo, (width, height) in ((HILL, (90, 60)), (BUG, (60, 80)), (KEPT, (75, 50))):
        path = tmp_path / "x" / "usr" / "share" / photo.file
        path.parent.mkdir(parents=True, exist_ok=True)
        light = np.linspace(220, 30, height)[:, None, None] + rng.uniform(-25, 25, (height, width, 3))
        Image.fromarray(light.astype(np.uint8)).save(path)
    return tmp_path / "x"


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_crops_depend_on_name_and_seed_alone(packages, tmp_path):
    def run(name, **options):
        photos.make_set(packages, tmp_path / name, crops=6, size=16, **options)
        return contents(tmp_path / name)

    first = run("first", photos=[HILL, BUG])
    assert run("again", photos=[HILL, BUG]) == first
    assert run("seed", photos=[HILL, BUG], seed=2)["Hill-000.jpg"] != first["Hill-000.jpg"]
    alone = run("alone", photos=[BUG])
    assert alone["Bug-001.jpg"] == first["Bug-001.jpg"]
    assert len({data for name, data in first.items() if name.startswith("Hill")}) == 6


def test_crops_sizes_counts_and_credits(packages, tmp_path):
    out = tmp_path / "crops"
    assert photos.make_set(packages, out, crops=6, size=16, photos=[HILL, BUG, KEPT]) == 8
    files = sorted(path.name for path in out.glob("*.jpg"))
    assert files == ["Bug-000.jpg", "Bug-001.jpg", *(f"Hill-{i:03d}.jpg" for i in range(6))]
    for file in files:
        with Image.open(out / file) as crop:
            assert (crop.size, crop.mode, crop.format) == ((16, 16), "RGB", "JPEG")
            rows = np.asarray(crop, float).mean((1, 2))
            assert rows[:4].mean() > rows[-4:].mean() + 20, "the sky is not above"
    with open(out / "credits.csv", newline="", encoding="utf-8") as f:
        credits = {row["file"]: row for row in csv.DictReader(f)}
    assert sorted(credits) == files
    assert credits["Bug-001.jpg"] == {
        "file": "Bug-001.jpg",
        "photo": "wallpapers/Bug/bug.png",
        "package": "other-wallpapers",
        "author": "Bob, Eve",
        "licence": "CC0-1.0",
    }


def test_held_out_photographs_are_written_apart(packages, tmp_path):
    assert photos.make_held_out(packages, tmp_path / "kept", size=16, photos=[HILL, BUG, KEPT]) == 1
    with Image.open(tmp_path / "kept" / "Kept.png") as kept:
        assert kept.size == (16, 16)


def test_crop_boxes_lie_inside_and_cover_the_scales():
    boxes = photos.crop_boxes(300, 200, 400, np.random.default_rng(0))
    left, top, side, mirror = (np.array(column) for column in zip(*boxes, strict=True))
    assert (left >= 0).all() and (left + side <= 300).all()  # noqa: PT018
    assert (top >= 0).all() and (top + side <= 200).all()  # noqa: PT018
    assert 70 <= side.min() < 76
    assert 190 < side.max() <= 200
    assert np.log(side).mean() == pytest.approx(np.log(200) + np.log(0.35) / 2, abs=0.05)
    assert 0.4 < mirror.mean() < 0.6


def test_mirror_reverses_the_columns(packages):
    picture = photos.read(packages, HILL)
    plain, mirrored = (np.asarray(photos.cut(picture, 10, 5, 40, 16, mirror)) for mirror in (False, True))
    assert (mirrored == plain[:, ::-1]).all()


def test_refuses_a_full_folder_and_a_missing_package(packages, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "old.jpg").touch()
    with pytest.raises(SystemExit, match="not empty"):
        photos.make_set(packages, tmp_path / "full", photos=[HILL])
    with pytest.raises(SystemExit, match="dpkg -x mate-backgrounds"):
        photos.make_set(packages, tmp_path / "new", photos=[photos.mate("Dune", "landscape", "somebody")])


def test_list_of_photographs():
    names = [photo.name for photo in photos.PHOTOS]
    assert len(set(names)) == len(names)
    assert {photo.use for photo in photos.PHOTOS} == set(photos.SHARE)
    assert sum(photo.use == "held-out" for photo in photos.PHOTOS) == 8
    assert all(photo.licence.startswith(("CC-BY-", "CC0", "GPL-2", "LGPL-3")) for photo in photos.PHOTOS)
    assert not any("-NC" in photo.licence or "-ND" in photo.licence for photo in photos.PHOTOS)


def test_textures_of_photographs_and_as_many_renderings(tmp_path, monkeypatch, capsys):
    pytest.importorskip("sklearn")
    save_model(tmp_path / "model", tiny.model())
    for i in range(30):
        picture = tiny.pictures(1, seed=i)
        write(picture, tmp_path / "pictures" / ("photos" if i < 10 else "alpine") / f"{i:02d}.png")
    out = tmp_path / "textures"
    textures.main([str(tmp_path / "model"), str(tmp_path / "pictures"), str(out), "--clusters", "2"])
    assert capsys.readouterr().out == f"{out}: 20 pictures, 4 of them held out\n"
    before = out.read_bytes()
    textures.main([str(tmp_path / "model"), str(tmp_path / "pictures"), str(out), "--clusters", "2"])
    assert out.read_bytes() == before
    again = tmp_path / "calibrated"
    textures.main([str(tmp_path / "model"), str(out), str(again), "--calibrate", str(tmp_path / "pictures" / "photos")])
    assert capsys.readouterr().out.endswith(f"{again}: percentiles of 10 photographs\n")
    assert Distribution.load(again).about["percentiles"] == {"photos": "photos", "pictures": 10}
    source = textures.Balanced(open_source(tmp_path / "pictures"), seed=1)
    assert sum(name.startswith("photos/") for name in source.names) == 10
    assert len(set(source.names)) == len(source) == 20
    with pytest.raises(SystemExit, match="needs photos/"):
        textures.main([str(tmp_path / "model"), str(tmp_path / "pictures" / "alpine"), str(out)])


def test_structure_and_texture_are_functions_of_their_seeds():
    a, b, structure, texture = landscapes.sample_pair(7, 3)
    assert landscapes.sample_pair(7, 3) == (a, b, structure, texture)
    assert landscapes.Structure.sample(np.random.default_rng(a)) == structure
    assert landscapes.Texture.sample(np.random.default_rng(b)) == texture
    assert landscapes.sample_pair(7, 4)[2] != structure
    assert landscapes.sample_pair(8, 3)[3] != texture


def test_structures_share_their_textures(tmp_path, monkeypatch):
    drawn = {}
    monkeypatch.setattr(landscapes, "save_all", lambda work, jobs: drawn.update({Path(p).name: w for p, *w in work}))
    landscapes.make_set(tmp_path, count=3, size=8, seed=7, jobs=1, views=2)
    assert list(drawn) == [f"00000{i}@00000{j}.jpg" for i, j in ((0, 0), (0, 1), (1, 0), (1, 1), (2, 2), (2, 3))]
    pairs = [landscapes.sample_pair(7, i) for i in range(4)]
    for name, (structure, texture, _) in drawn.items():
        assert (structure, texture) == (pairs[int(name[:6])][2], pairs[int(name[7:13])][3])
    rows = (tmp_path / "index.csv").read_text().splitlines()
    assert [row.split(",")[:3] for row in rows[1:3]] == [
        ["000000@000000.jpg", str(pairs[0][0]), str(pairs[0][1])],
        ["000000@000001.jpg", str(pairs[0][0]), str(pairs[1][1])],
    ]


def test_a_set_of_another_version_is_not_continued(tmp_path, monkeypatch):
    monkeypatch.setattr(landscapes, "save_all", lambda work, jobs: None)
    landscapes.make_set(tmp_path, count=1, size=8, seed=7, jobs=1, views=1)
    landscapes.make_set(tmp_path, count=2, size=8, seed=7, jobs=1, views=1)
    before = contents(tmp_path)
    monkeypatch.setattr(landscapes, "VERSION", landscapes.VERSION + 1)
    with pytest.raises(SystemExit, match=f"version {landscapes.VERSION - 1} of this renderer"):
        landscapes.make_set(tmp_path, count=2, size=8, seed=7, jobs=1, views=1)
    index = (tmp_path / "index.csv").read_text()
    (tmp_path / "index.csv").write_text(index.replace(",version,", ",other,"))  # the first version wrote none
    with pytest.raises(SystemExit, match="version 1 of this renderer"):
        landscapes.make_set(tmp_path, count=2, size=8, seed=7, jobs=1, views=1)
    assert before["index.csv"].decode().splitlines()[0] == index.splitlines()[0]


def test_index_has_a_column_for_every_factor(tmp_path, monkeypatch):
    monkeypatch.setattr(landscapes, "save_all", lambda work, jobs: None)
    landscapes.make_set(tmp_path, count=1, size=8, seed=7, jobs=1, views=1)
    with open(tmp_path / "index.csv", newline="", encoding="utf-8") as f:
        row = next(csv.DictReader(f))
    _, _, *pair = landscapes.sample_pair(7, 0)
    kept = [f for one in pair for f in dataclasses.fields(one) if f.name != "noise_seed"]
    assert len({f.name for f in kept}) == len(kept)  # no structure factor hides one of the texture
    for one in pair:
        for f in dataclasses.fields(one):
            if f.type in (int, float) and f.name != "noise_seed":
                assert float(row[f.name]) == pytest.approx(getattr(one, f.name), abs=1e-5)


@pytest.mark.parametrize("place", landscapes.PLACES)
def test_terrain_of_every_place_is_in_view(place):
    for seed in range(3):
        structure = landscapes.Structure.sample(np.random.default_rng(seed), place)
        land = landscapes.terrain(structure)
        assert np.isfinite(land.height).all()
        assert land.eye > land.water  # the camera is not under water
        assert land.height.max() > land.water


@pytest.mark.parametrize("archetype", landscapes.ARCHETYPES)
def test_texture_stays_within_its_archetype(archetype):
    texture = landscapes.Texture.sample(np.random.default_rng(5), archetype)
    assert texture.archetype == archetype
    for factor, (low, high) in landscapes.ARCHETYPES[archetype].items():
        if isinstance(low, str):  # a colour: linear RGB
            assert all(0 <= channel <= 1 for channel in getattr(texture, factor))
        elif factor == "sun_azimuth":  # either side of the view
            assert low <= abs(texture.sun_azimuth) <= high
        else:
            assert low <= getattr(texture, factor) <= high


@pytest.mark.skipif(not shutil.which("povray"), reason="needs the povray executable")
def test_render_is_repeatable_and_day_is_brighter_than_night():
    structure = landscapes.Structure.sample(np.random.default_rng(1))
    day, again, night = (
        np.asarray(landscapes.render(structure, landscapes.Texture.sample(np.random.default_rng(2), archetype), 32))
        for archetype in ("summer", "summer", "night")
    )
    assert day.shape == (32, 32, 3)
    assert (day == again).all()
    assert day.mean() > night.mean() + 40


# -- prints -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def lakes(tmp_path):
    """Three pictures of a hill below a bright sky, with a dark wood in a corner."""
    (tmp_path / "lakes").mkdir()
    down, across = np.mgrid[:64, :64] / 63
    for number in range(3):
        hill = down > 0.4 + 0.05 * number + 0.3 * np.abs(across - 0.5)
        picture = np.where(hill[..., None], [140, 150, 80], [190, 215, 245])
        picture[48:, 32:] = [40, 60, 30]
        Image.fromarray(picture.astype(np.uint8)).save(tmp_path / "lakes" / f"{number}.png")
    return tmp_path / "lakes"


def printed(lakes, out, monkeypatch, *options):
    monkeypatch.setattr(sys, "argv", ["prints.py", str(lakes), str(out), "--size", "32", *options])
    prints.main()
    return contents(out)


def test_prints_depend_on_the_seed_and_not_on_the_count(lakes, tmp_path, monkeypatch):
    three = printed(lakes, tmp_path / "three", monkeypatch, "--count", "3")
    two = printed(lakes, tmp_path / "two", monkeypatch, "--count", "2")
    assert sorted(three) == ["0000.png", "0001.png", "0002.png"]
    assert two == {name: three[name] for name in two}
    assert len(two) == 2
    other = printed(lakes, tmp_path / "other", monkeypatch, "--count", "1", "--seed", "2")
    assert other["0000.png"] != three["0000.png"]


def test_more_prints_than_pictures_are_refused(lakes, tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        printed(lakes, tmp_path / "out", monkeypatch, "--count", "4")
    assert "holds 3 pictures, which is less than 4" in capsys.readouterr().err


def test_a_print_has_dark_lines_between_flat_plates(lakes):
    picture = Image.open(lakes / "0.png")
    print_ = np.asarray(prints.woodblock(picture, np.random.default_rng(0), 64), float).mean(-1)
    sky, line, hill = print_[16:20].mean(), print_[20:32].min(0).mean(), print_[40:46]
    assert line < hill.mean() - 10 < sky - 40
    assert hill.std() < 8  # flat but for the grain


def test_neon_glows_where_the_hills_begin(lakes, tmp_path, monkeypatch):
    picture = Image.open(lakes / "0.png")
    flat = np.asarray(picture.resize((neon.SIDE, neon.SIDE)), float)
    sky = neon.above(flat)
    down, across = np.mgrid[: neon.SIDE, : neon.SIDE] / (neon.SIDE - 1)
    hill = down > 0.4 + 0.3 * np.abs(across - 0.5)
    assert (sky == ~hill).mean() > 0.97
    night = np.asarray(neon.neon(picture, np.random.default_rng(3), 64), float)
    brightness = night.mean((1, 2))
    assert night[:6].mean() < 60 > night[48:].mean() - 20
    assert brightness[25:33].max() > 2 * brightness[:6].mean()
    monkeypatch.setattr(sys, "argv", ["neon.py", str(lakes), str(tmp_path / "out"), "--count", "2", "--size", "16"])
    neon.main()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["0000.png", "0001.png"]


def test_suns_stand_behind_the_hills():
    plates = np.zeros((prints.PLATE, prints.PLATE), int)
    plates[prints.PLATE // 4 :] = 1
    discs = [prints.sun(plates, np.random.default_rng(seed)) for seed in range(20)]
    assert max(disc[prints.PLATE // 4 :].max() for disc in discs) == 0
    assert max(disc.max() for disc in discs) == 1


# -- models that ship -------------------------------------------------------------------------------------------------


def test_bundled_models_keep_their_story_and_judges_and_forget_where_their_data_lay(tmp_path, monkeypatch):
    model, judges = tiny.stylegan2(), {"weight": torch.randn(3)}
    about = {"training": {"data": "/home/ada/pictures", "images": 8}, "parent": "0" * 64}
    save_model(tmp_path / "last.safetensors", model, about, discriminators=judges)
    for options, names in (([], []), (["--discriminators"], ["weight"])):
        out = tmp_path / "bundled.safetensors"
        words = ["bundle.py", str(tmp_path / "last.safetensors"), str(out), "--trained-on", "lakes", *options]
        monkeypatch.setattr(sys, "argv", words)
        bundle_script.main()
        file = open_model(out)
        assert file.about["training"] == {"data": "pictures", "images": 8}
        assert (file.about["parent"], file.about["trained_on"]) == ("0" * 64, "lakes")
        assert list(file.discriminators) == names
        assert {tensor.dtype for tensor in file.tensors.values()} == {torch.float16}


@pytest.mark.parametrize(
    ("size", "names"),
    [(64, ("alpine-64", "woodblock-64")), (128, ("alpine-128", "woodblock-128")), (128, ("alpine-128", "neon-128"))],
)
def test_the_networks_that_ship_are_kin_and_small_and_can_be_trained_on(size, names):
    files = [open_model(BUNDLED / f"{name}.safetensors") for name in names]
    base, child = (graftlab.load(file.path, device="cpu") for file in files)
    found = kinship(base, child)
    assert found.verdict == "kin"
    assert found.cosine > 0.7
    for file in files:
        assert file.path.stat().st_size < 10e6
        assert file.discriminators
        assert (BUNDLED / f"{file.path.stem}.md").exists()
        assert "/" not in file.about["training"]["data"]
    pictures = base.sample(range(4))
    assert pictures.shape == (4, 3, size, size)
    assert min(picture.std() for picture in pictures) > 0.1  # neither is black nor of one colour


# -- upscalers ---------------------------------------------------------------------------------------------------------


def with_weights(model):
    """Random ones; halves of them are exact."""
    torch.manual_seed(0)
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape).half().float()
    return model.eval().requires_grad_(False)


def test_an_upscaler_of_ncnn_is_read_layer_by_layer(tmp_path):
    model = with_weights(CompactUpscaler(CompactConfig(factor=2, width=3, convolutions=1)))
    layers, data = ["Input input 0 1 data", "Split split 1 2 data a b"], b""
    for conv, slope in zip([*model.convs, model.to_pixels], [*model.slopes, None], strict=True):
        count = conv.weight.numel()
        layers.append(f"Convolution conv 1 1 x y 0={len(conv.weight)} 1=3 4=1 5=1 6={count}")
        data += np.uint32(upscaler.HALVES).tobytes() + conv.weight.half().numpy().tobytes() + bytes(2 * (count % 2))
        data += conv.bias.numpy().tobytes()
        if slope:
            layers.append("PReLU slope 1 1 x y 0=3")
            data += slope.weight.numpy().tobytes()
    layers += ["PixelShuffle shuffle 1 1 x y 0=2", "Interp larger 1 1 b c 0=1", "BinaryOp add 2 1 y c output"]
    (tmp_path / "x.param").write_text("\n".join(["7767517", "9 9", *layers]), encoding="utf-8")
    (tmp_path / "x.bin").write_bytes(data)
    found, about = upscaler.from_ncnn(tmp_path / "x.param")
    assert found.config == model.config
    assert all(torch.equal(tensor, model.state_dict()[name]) for name, tensor in found.state_dict().items())
    assert about["licence"].startswith("BSD-3-Clause")
    (tmp_path / "x.bin").write_bytes(data + bytes(4))
    with pytest.raises(SystemExit, match="do not belong together"):
        upscaler.from_ncnn(tmp_path / "x.param")


def test_an_upscaler_of_tensorflow_js_draws_what_it_did_from_0_to_255(tmp_path):
    model = with_weights(RDNUpscaler(RDNConfig(factor=2, width=3, growth=2, blocks=2, convolutions=2)))
    names = {"first": "F_m1", "second": "F_0", "fuse.0": "GFF_1", "fuse.1": "GFF_2", "to_rgb": "SR"}
    names |= {"before_up.0": "UPN1", "before_up.1": "UPN2", "before_up.2": "UPN3"}
    names |= {f"blocks.{b}.convs.{i}": f"F_{b + 1}_{i + 1}" for b in range(2) for i in range(2)}
    names |= {f"blocks.{b}.fuse": f"LFF_{b + 1}" for b in range(2)}
    entries, data = [], b""
    for ours, theirs in names.items():
        for ending, tensor in (
            ("kernel", model.get_submodule(ours).weight.permute(2, 3, 1, 0)),
            ("bias", model.get_submodule(ours).bias),
        ):
            entries.append({"name": f"{theirs}/{ending}", "shape": list(tensor.shape), "dtype": "float32"})
            data += tensor.contiguous().numpy().tobytes()
    half = len(data) // 8 * 4
    (tmp_path / "a.bin").write_bytes(data[:half])
    (tmp_path / "b.bin").write_bytes(data[half:])
    manifest = {"weightsManifest": [{"paths": ["a.bin", "b.bin"], "weights": entries}]}
    (tmp_path / "model.json").write_text(json.dumps(manifest), encoding="utf-8")
    found, _ = upscaler.from_tensorflow_js(tmp_path / "model.json")
    assert found.config == model.config
    levels = torch.rand(1, 3, 8, 8) * 255
    theirs = model(levels * 2 - 1) / 2 + 0.5  # ours takes 0 to 1 for -1 to 1, and so 0 to 255 for this
    ours = (found(levels / 127.5 - 1) + 1) * 127.5
    assert tiny.differ(ours, theirs) < 1e-4


def test_the_snapshots_that_ship_are_small_and_on_the_way():
    base = build(open_model(BUNDLED / "alpine-128.safetensors"))
    paths = sorted((BUNDLED / "woodblock-128").glob("*.safetensors"))
    assert len(paths) >= 4
    files = [open_model(path) for path in paths]
    halves = 2 * sum(tensor.numel() for tensor in base.state_dict().values())
    assert max(path.stat().st_size for path in paths) < 0.55 * halves
    assert {file.about["parent"] for file in files} == {base.fingerprint}
    moved = [(file.tensors["synthesis.constant"] - base.synthesis.constant).norm() for file in files]
    assert moved == sorted(moved) != [0] * len(moved)


def test_a_larger_models_hybrids_are_views_of_one_scene(model, bundle, photo_folder, tmp_path):
    out = tmp_path / "out"
    hybrids.main([str(bundle / "landscapes-256.safetensors"), str(photo_folder), str(out), "--size", "32"])
    names = sorted(path.name for path in out.iterdir())
    assert names == [f"k00000{scene}@k00000{light}.jpg" for scene in (0, 1) for light in (0, 1)], "the third is alone"
    mine, theirs = (model.encode(graftlab.read(out / names[number])) for number in (0, 3))
    drawn = graftlab.read(out / names[1])
    assert (drawn - model.decode(mine.mix(theirs, texture=1))).abs().mean() < 0.05, "but for what JPEG loses"
    block = Scenes(names, shared_lights=True).block([0, 0, 3, 3], np.random.default_rng(0))
    assert block.ranks == (0, 3, 1, 2), "training knows what their hybrids are"
