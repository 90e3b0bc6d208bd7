"""`graft sheet`: every cell is the blend that its row and column name, made at once or in parts; what is refused."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from claims import refused
from PIL import Image

from graftlab import blending
from graftlab.blending import Inputs, Switch, sheets
from graftlab.blending.axes import Cell, alphas, levels, one_by_one
from graftlab.blending.blend import adopt, blend
from graftlab.blending.inputs import photos_in, seeds_in
from graftlab.blending.sheets import Artist, Grid
from graftlab.blending.snapshots import snapshots_in
from graftlab.blending.weights import Rule, interpolate, layer_swap, only, reversed_
from graftlab.checkpoints.load import load
from graftlab.checkpoints.native import save_model
from graftlab.figures.sheets import Layout, block
from graftlab.images import read, read_recipe, to_uint8, write

A, B, C = "a.safetensors", "b.safetensors", "c.safetensors"
EDGE = 64  # of a cell: 32 pixels, four seeds
SEEDS = ("--seeds", "1-4", "--psi", 1)


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """A run's snapshots, of which one is missing."""
    folder = tmp_path_factory.mktemp("run")
    for number in (1, 2, 4, 5):
        network = tiny.tuned(tiny.stylegan2(), 3, 0.05 * number)
        save_model(folder / snapshot(number), network, {"images_seen": 1000 * number})
    return folder / "run"


def snapshot(number):
    return Path(f"run/models/{1000 * number:09d}.safetensors")


@pytest.fixture
def models(graft, kin, run_folder):
    shutil.copytree(run_folder, "run")
    return kin("stylegan2")


@pytest.fixture
def autoencoders(graft, kin):
    return kin("autoencoder")


def cells(path, rows, columns, edge=2 * EDGE, title="?"):
    """The cells of a sheet as uint8 (rows, columns, edge, edge, 3)."""
    layout = Layout(len(rows), len(columns), edge, edge, rows, columns, title)
    pixels = np.asarray(Image.open(path))
    assert pixels.shape[1::-1] == layout.size
    step = edge + layout.gap
    tops, lefts = (
        [start + i * step for i in range(n)] for start, n in ((layout.top, len(rows)), (layout.left, len(columns)))
    )
    return [[pixels[y : y + edge, x : x + edge] for x in lefts] for y in tops]


def shown(base, network, seeds=(1, 2, 3, 4), scale=2):
    """What a network makes of the base's codes, as a cell shows it."""
    pictures = network.decode(adopt(base.codes_of(list(seeds), 1), base, network))
    return to_uint8(block(pictures, 2 if len(seeds) == 4 else len(seeds), scale))[0]


def equal(cell, want):
    return np.abs(cell.astype(int) - want).max() <= 1


# -- what is drawn ----------------------------------------------------------------------------------------------------


def test_share_by_level(graft, models):
    a, b, _ = models
    result = graft("sheet", A, B, "--rows", "alpha:0,0.5,1", "--columns", "levels:8,16,32", *SEEDS, "-o", "s.png")
    assert result.code == 0
    found = cells("s.png", ["0", "0.5", "1"], ["8", "16", "32"])
    for i, alpha in enumerate((0, 0.5, 1)):
        for j, level in enumerate((8, 16, 32)):
            swap = layer_swap(level)
            want = blend(a, b, Rule(lambda layer, swap=swap, alpha=alpha: alpha * swap(layer), {}))
            assert equal(found[i][j], shown(a, want)), (alpha, level)
    assert equal(found[0][0], shown(a, a))
    assert equal(found[2][0], shown(a, blend(a, b, layer_swap(8))))
    assert equal(found[2][2], shown(a, a))
    assert not equal(found[2][0], shown(a, a))
    assert read_recipe("s.png")["models"] == [a.fingerprint, b.fingerprint]
    assert not list(Path().glob(".*"))


def test_by_default_all_levels_and_five_shares(graft, models):
    assert graft("sheet", A, B, "-o", "s.png").code == 0
    assert len(cells("s.png", ["0", "0.25", "0.5", "0.75", "1"], ["4", "8", "16", "32"])) == 5


def test_snapshots_by_level_and_a_missing_one_is_told(graft, models):
    result = graft("sheet", A, "run", "--columns", "levels:4,8", "--width", 0.5, "--reverse", *SEEDS, "-o", "s.png")
    assert result.code == 0
    assert "between 2,000 and 4,000 images a snapshot seems to be missing" in result.err.replace("\n", " ")
    found = cells("s.png", ["1,000", "2,000", "4,000", "5,000"], ["4", "8"])
    for i, number in enumerate((1, 2, 4, 5)):
        want = blend(models[0], load(snapshot(number), device="cpu"), reversed_(layer_swap(8, width=0.5)))
        assert equal(found[i][1], shown(models[0], want))


def test_chosen_snapshots(graft, models):
    assert (
        graft("sheet", A, "run", "--rows", "snapshots:4000,1000", "--columns", "seeds", *SEEDS, "-o", "s.png").code == 0
    )
    found = cells("s.png", ["4,000", "1,000"], ["1", "2", "3", "4"], 128)
    assert equal(found[0][2], shown(models[0], load(snapshot(4), device="cpu"), [3], 4))  # alpha 1: the snapshot itself
    said = graft("sheet", A, "run", "--rows", "snapshots:1000,3000,6000", "-o", "s.png").refusal()
    assert "no snapshots at 3,000, 6,000 images, only at 1,000, 2,000, 4,000, 5,000" in said


def test_models_by_models(graft, models):
    axes = ("--rows", "models", "--columns", "models", "--swap-at", 8)
    assert graft("sheet", A, B, *axes, *SEEDS, "-o", "s.png").code == 0
    found = cells("s.png", ["a", "b"], ["a", "b"])
    for i in range(2):
        for j in range(2):
            assert equal(found[i][j], shown(models[0], blend(models[i], models[j], layer_swap(8))))


def test_own_codes(graft, models):
    axes = ("--rows", "alpha:1", "--columns", "levels:4", "--reverse", *SEEDS)  # B's mapping
    assert graft("sheet", A, B, *axes, "--codes", "own", "-o", "s.png").code == 0
    want = blend(*models[:2], reversed_(layer_swap(4))).sample([1, 2, 3, 4])
    assert equal(cells("s.png", ["1"], ["4"])[0][0], to_uint8(block(want, 2, 2))[0])


@pytest.mark.parametrize("part", [None, "generator"])
def test_photos_of_autoencoders(graft, autoencoders, part):
    options = ("--photo", "photos/hill.png", "--photo", "photos/lake at dusk.jpg", *(["--part", part] if part else []))
    result = graft("sheet", A, B, "--rows", "alpha:0.5", "--columns", "photos", *options, "-o", "s.png")
    assert result.code == 0
    found = cells("s.png", ["0.5"], ["hill", "lake at dusk"], 128)
    mixed = blend(*autoencoders, only(part, interpolate(0.5), 0.0) if part else interpolate(0.5))
    image = read("photos/lake at dusk.jpg", 32, square=True)
    want = mixed.decode(mixed.encode(image), noise="fixed", seed=0)
    assert equal(found[0][1], to_uint8(block(want, 1, 4))[0])


def test_the_bases_codes_of_photos(autoencoders):
    a, b = autoencoders
    images = [tiny.pictures(1, seed=seed) for seed in (0, 1)]
    assert torch.equal(photos_in(a, images, own=False)(b).structure[1:], a.encode(images[1]).structure)
    assert torch.equal(photos_in(a, images)(b).structure[1:], b.encode(images[1]).structure)
    assert photos_in(a, images, own=False)(b).model == b.fingerprint


def test_a_page(graft, models):
    assert graft("sheet", A, B, "--columns", "levels:4,8", *SEEDS, "-o", "s.png").code == 0
    assert graft("sheet", A, B, "--columns", "levels:4,8", *SEEDS, "-o", "s.html").code == 0
    whole = Image.open("s.png")
    top = max(int(path.name) for path in Path("s_files").iterdir())
    corner = np.asarray(Image.open(f"s_files/{top}/0_1.jpg")).astype(int)
    assert np.abs(corner - np.asarray(whole)[256:512, :256]).mean() < 4  # JPEG
    text = Path("s.html").read_text()
    assert '"rows": ["share of B 0", "share of B 0.25"' in text
    assert models[1].fingerprint in text
    assert not list(Path().glob(".*"))


def test_large_sheets_are_pages(graft, models, monkeypatch):
    monkeypatch.setattr("graftlab.images.MAX_PIXELS", 150_000)
    assert graft("sheet", A, B, "--columns", "levels:4,8", *SEEDS, "-o", "s.png").code == 0
    assert len(cells("s.png", ["0", "0.25", "0.5", "0.75", "1"], ["4", "8"], EDGE)) == 5  # not enlarged
    monkeypatch.setattr("graftlab.images.MAX_PIXELS", 50_000)
    said = graft("sheet", A, B, "--columns", "levels:4,8", *SEEDS, "-o", "t.png").refusal()
    assert "too large for a picture; write a page" in said
    assert graft("sheet", A, B, "--columns", "levels:4,8", *SEEDS, "-o", "t.html").code == 0


# -- cut short --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("out", ["s.png", "s.html"])
def test_a_sheet_that_was_cut_short_goes_on(graft, models, monkeypatch, out):
    command = ("sheet", A, B, "--columns", "levels:4,8", *SEEDS, "-o", out)
    assert graft(*command).code == 0
    want = contents(out)
    Path(out).unlink()
    drawn, draw = [], Artist.draw

    def dying(self, cell):
        drawn.append(cell)
        if len(drawn) == 6:  # one to see the size, and two rows and a half
            raise KeyboardInterrupt
        return draw(self, cell)

    monkeypatch.setattr(Artist, "draw", dying)
    stopped = graft(*command)
    assert stopped.code == 130
    assert "the same command goes on at its row" in stopped.err
    assert not Path(out).exists()
    drawn[:] = [None] * 10
    result = graft(*command)
    assert "continued at row 3" in result.err
    assert {(cell.alpha, cell.swap_at) for cell in drawn[11:]} == {
        (alpha, level) for alpha in (0.5, 0.75, 1) for level in (4, 8)
    }
    assert contents(out) == want


def contents(out):
    paths = [Path(out), *Path().glob("*_files/*/*")]
    return {str(path): path.read_bytes() for path in paths}


def test_a_photo_that_was_edited_begins_anew(graft, autoencoders, monkeypatch):
    command = ("sheet", A, B, "--rows", "alpha:0.5", "--columns", "photos", "--photo", "photos/hill.png", "-o", "s.png")
    with monkeypatch.context() as patch:
        patch.setattr("graftlab.images.write", lambda *_: 1 / 0)
        assert graft(*command).code == 1
    write(tiny.pictures(1, 37, 50, seed=9), "photos/hill.png")
    result = graft(*command)
    assert result.code == 0
    assert "photos/hill.png changed" in result.err.replace("\n", " ")


def test_a_damaged_row_is_drawn_again_and_another_model_of_the_name_begins_anew(graft, models, monkeypatch):
    command = ("sheet", A, B, "--rows", "alpha:0,0.5,1", "--columns", "levels:4,8", *SEEDS, "-o", "s.png")
    assert graft(*command).code == 0
    want = contents("s.png")

    def stopped_at_the_end():
        with monkeypatch.context() as patch:
            patch.setattr("graftlab.images.write", lambda *_: 1 / 0)
            assert graft(*command).code == 1

    stopped_at_the_end()
    (row,) = Path(".s.png.parts").glob("00000002.*")
    row.write_bytes(row.read_bytes()[:99] + b"?" + row.read_bytes()[100:])
    assert graft(*command).code == 0
    assert contents("s.png") == want
    stopped_at_the_end()
    save_model(Path(B), tiny.tuned(tiny.stylegan2(), 8))
    result = graft(*command)
    assert "begun again" in result.err.replace("\n", " ")
    want = blend(models[0], load(B, device="cpu"), layer_swap(4))
    assert equal(cells("s.png", ["0", "0.5", "1"], ["4", "8"])[2][0], shown(models[0], want))


# -- in Python --------------------------------------------------------------------------------------------------------


def test_the_call_and_the_command_make_the_same_sheet(graft, models):
    assert graft("sheet", A, B, "--rows", "alpha:0.5,1", "--columns", "levels:8,16", "--width", 1, *SEEDS).code == 0
    axes = {"rows": "alpha:0.5,1", "columns": "levels:8,16", "switch": Switch(width=1.0)}
    blending.sheet([A, B], "mine.png", **axes, inputs=Inputs(seeds="1-4", psi=1), device="cpu")
    assert np.array_equal(*(np.asarray(Image.open(path)) for path in ("sheet.png", "mine.png")))
    assert read_recipe("mine.png")["models"] == [model.fingerprint for model in models[:2]]
    refused("neither as a picture does", blending.sheet, [A, B], "mine.txt")


def test_the_artist_blends_only_where_the_network_changes(models, monkeypatch):
    made = []
    monkeypatch.setattr(sheets, "blend", lambda *given, **more: made.append(1) or blend(*given, **more))
    artist = Artist(lambda path: load(path, device="cpu"), seeds_in(models[0], range(5)))
    chosen = Grid(alphas([0, 1]), one_by_one("abcde", "seed"), Cell(a=A, b=B))
    pictures = [artist.draw(cell) for cell in chosen.cells()]
    assert len(pictures) == 10
    assert len(made) == 2
    assert tiny.differ(artist.draw(Cell(a=A, b=B)), torch.cat(pictures[5:])) < 1e-5
    assert pictures[0].shape == (1, 3, 32, 32)


def test_axes_that_change_the_same_are_refused():
    refused("change the same", Grid, levels([4]), levels([8]), Cell(a=A, b=B))
    refused("nothing along", levels, [])


def test_snapshots_are_in_the_order_of_training(models, tmp_path):
    save_model(tmp_path / "run" / "models" / "best.safetensors", tiny.stylegan2(), {"images_seen": 3000})
    save_model(tmp_path / "run" / "models" / "aaa.safetensors", tiny.stylegan2())
    (tmp_path / "run" / "models" / "best.textures.safetensors").write_bytes(b"beside a model, and none")
    labels = [each.label for each in snapshots_in(tmp_path / "run")]
    assert labels == ["1,000", "2,000", "3,000", "4,000", "5,000", "aaa"]
    assert [each.label for each in snapshots_in(tmp_path / "run" / "models")] == labels


def test_photos_of_a_folder_have_a_column_each(graft, autoencoders):
    Path("photos/._hill.png").write_bytes(b"no picture")
    axes = ("--rows", "alpha:1", "--columns", "photos")
    assert graft("sheet", A, B, *axes, "--photo", "photos", "-o", "s.png").code == 0
    found = cells("s.png", ["1"], ["hill", "lake at dusk", "海"], 128)
    second = autoencoders[1]
    codes = second.encode(read("photos/lake at dusk.jpg", 32, square=True))
    assert equal(found[0][1], to_uint8(block(second.decode(codes), 1, 4))[0])
    before = Path("photos/hill.png").read_bytes()
    assert graft("sheet", A, B, *axes, "--photo", "photos", "-o", "photos/hill.png").code == 2
    assert Path("photos/hill.png").read_bytes() == before


def test_more_rows_than_a_process_may_have_files_open(graft, models):
    resource = pytest.importorskip("resource")
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)
    in_use = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").is_dir() else 100
    resource.setrlimit(resource.RLIMIT_NOFILE, (in_use + 20, allowed[1]))
    try:
        shares = ",".join(str(i / 24) for i in range(24))
        options = ("--rows", f"alpha:{shares}", "--columns", "levels:8", "--seeds", 1, "-o", "s.png")
        result = graft("sheet", A, B, *options)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, allowed)
    assert result.code == 0, result.err


def test_axes_are_read_before_codes_of_photos_are_searched_for(graft, models, monkeypatch):
    monkeypatch.setattr(Inputs, "shown", None)
    assert "no layers of 7" in graft("sheet", A, B, "--columns", "levels:7", "--photo", "photos").refusal()


# -- what is refused --------------------------------------------------------------------------------------------------


def test_bad_input_is_one_sentence(refuses, models):
    save_model(Path("small.safetensors"), tiny.stylegan2(channels=(16, 16, 8)))
    Path("empty").mkdir()
    Path("mine_files").mkdir()
    Path("broken").mkdir()
    Path("broken/000001000.safetensors").write_bytes(snapshot(1).read_bytes()[:5000])
    mistakes = (
        ((A,), "two models"),
        ((A, B, C, "--rows", "alpha"), "make 'snapshots' or 'models' an axis"),
        ((A, B, "--rows", "nonsense"), "--rows is one of"),
        ((A, B, "--columns", "photos"), "what is shown, here seeds, is said by --seeds and --photo"),
        ((A, B, "--rows", "seeds:1-4"), "what is shown, here seeds, is said by --seeds and --photo"),
        ((A, B, "--rows", "levels"), "change the same"),
        ((A, B, "--columns", "levels:4,64"), "64 pixels"),
        ((A, B, "--columns", "levels:4,x"), "levels:4,x"),
        ((A, B, "--columns", "levels:"), "levels:"),
        ((A, B, "--rows", "alpha:nan"), "not at nan (--alpha)"),
        ((A, B, "--rows", "models"), "for both"),
        ((A, B, "--rows", "models", "--columns", "models"), "--swap-at, or --alpha"),
        ((A, B, "--alpha", "0.5"), "--alpha is for all cells"),
        ((A, B, "--swap-at", "8"), "--swap-at is for all cells"),
        ((A, B, "--columns", "seeds", "--width", "1"), "belong to a swap"),
        ((A, B, "--width", "0"), "--width"),
        ((A, B, "--level", "2"), "level"),
        ((A, B, "--part", "generator"), "--part"),
        ((A, B, "--seeds", "4-1"), "--seeds"),
        ((A, B, "--photo", "photos/hill.png", "--codes", "own"), "--codes own"),
        ((A, B, "--codes", "hers"), "--codes"),
        ((A, "empty"), "holds no models"),
        ((A, "broken"), "000001000.safetensors"),
        ((A, "other.safetensors"), "other.safetensors does not go with a.safetensors"),
        ((A, "small.safetensors"), "small.safetensors does not go with a.safetensors"),
        ((A, "none.safetensors"), "none.safetensors"),
        ((A, B, "-o", "mine.html"), "holds no tiles"),
        ((A, B, "-o", "s.mp4"), ".html"),
    )
    refuses(mistakes, "sheet")


def test_unrelated_models_by_force(graft, models):
    result = graft("sheet", A, "other.safetensors", "--force", "--columns", "levels:8", "-o", "s.png")
    assert result.code == 0
    assert "trained apart" in result.err.replace("\n", " ")


def test_seeds_are_not_for_autoencoders(graft, autoencoders):
    assert "--photo" in graft("sheet", A, B, "--seeds", "1-4").refusal()
