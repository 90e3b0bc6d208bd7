"""Measuring a tiny model: on a grid with known truth, on photos, two results beside each other."""

import json
import re
import shutil
from types import SimpleNamespace

import pytest
import torch
from claims import refused
from PIL import Image
from tiny import model, pictures

from graftlab.evaluation import compare as comparing
from graftlab.evaluation import metrics
from graftlab.evaluation.compare import compare
from graftlab.evaluation.folder import folder
from graftlab.evaluation.grid import draw, read_grid
from graftlab.evaluation.photos import draw as draw_photos
from graftlab.evaluation.report import html, text, write_report
from graftlab.evaluation.truth import BASELINES, CEILING, HYBRID, truth
from graftlab.figures.tables import Estimate, Table, plain, shown
from graftlab.images import read, write

pytestmark = pytest.mark.usefixtures("small_features")


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    """2 structures by 3 textures; a texture is a tint."""
    path = tmp_path_factory.mktemp("grid")
    for row in range(2):
        for column in range(3):
            layout = pictures(1, 32, 32, seed=row)
            layout = (layout - layout.mean((2, 3), keepdim=True)) * 0.4
            image = layout + torch.tensor([0.4, 0, -0.4]).roll(column).view(1, 3, 1, 1)
            write(image, path / f"s{row}_t{column}.png")
    return path


@pytest.fixture(scope="module")
def measured(grid):
    return truth(model(), grid, pairs=6)


@pytest.fixture(scope="module")
def of_another_seed(grid):
    return truth(model(), grid, pairs=6, seed=1)


@pytest.fixture(scope="module")
def on_photos(photo_folder):
    return folder(model(), photo_folder, size=32)


class Perfect:
    """A model whose codes are the picture without its mean colour, and the mean colour."""

    def encode(self, images):
        from graftlab.codes import SwapCodes

        mean = images.mean((2, 3))
        return SwapCodes(images - mean[:, :, None, None], mean)

    def decode(self, codes):
        return codes.structure + codes.texture[:, :, None, None]


# -- truth ------------------------------------------------------------------------------------------------------------


def test_a_perfect_model_is_right_and_nothing_leaks(grid):
    result = truth(Perfect(), grid, pairs=5)
    assert result.distances[HYBRID]["l1"] < 0.004  # rounding of the files
    assert result.distances[CEILING]["l1"] < 1e-6
    assert result.closer[BASELINES[0]] == dict.fromkeys(metrics.MEASURES, 1.0)
    assert max(share for code in result.leakage.values() for share in code.values()) < 0.01
    assert result.distances[BASELINES[0]]["l1"] > 0.1


def test_structure_kept_is_what_it_says(grid, measured):
    cells = read_grid(grid)
    pairs = draw(cells, 6, seed=0)
    kept = [metrics.l1(cells[pair.structure], cells[pair.truth]).item() for pair in pairs]
    assert measured.distances["structure kept"]["l1"] == pytest.approx(sum(kept) / 6)
    assert all(a != b for pair in pairs for a, b in zip(pair.structure, pair.texture, strict=True))


def test_the_same_call_gives_the_same_figures(grid, measured, of_another_seed):
    told = []
    again = truth(model(), grid, pairs=6, progress=lambda *done: told.append(done))
    assert again.to_dict() == measured.to_dict()
    assert told == [(i, 6) for i in range(1, 7)]
    assert of_another_seed.distances != measured.distances


def test_grids_that_cannot_be_used(grid, tmp_path):
    refused(r"no grid of pictures .*landscapes.py .* --cells 8x8 --seed 4'\.$", truth, model(), tmp_path / "nowhere")
    holes = shutil.copytree(grid, tmp_path / "holes")
    (holes / "s1_t1.png").unlink()
    refused(r"lacks s1_t1.png; render it", truth, model(), holes)
    (holes / "s0_t2.png").unlink()
    refused(r"lacks s0_t2.png and 1 more", read_grid, holes)
    write(pictures(1, 40, 40), holes / "s1_t1.png")
    write(pictures(1, 32, 32), holes / "s0_t2.png")
    refused("differ in size", read_grid, holes)
    for path in holes.glob("s1_*"):
        path.unlink()
    refused("nothing to swap", read_grid, holes)
    (holes / "s0_t0.png").write_bytes(b"no picture")
    refused("", read_grid, grid.parent / holes)
    refused("pair or more", draw, read_grid(grid), 0, 0)


# -- photos -----------------------------------------------------------------------------------------------------------


def test_photos(on_photos, photo_folder):
    assert (on_photos.about["photos"], on_photos.about["pairs"], on_photos.about["skipped"]) == (3, 6, 0)
    assert on_photos.about["features"] == "efficientnet-lite0"
    assert on_photos.determinism == 0
    assert "Fréchet distance is much too large" in on_photos.about["notes"][0]
    squares = torch.cat([read(path, 32, square=True) for path in sorted(photo_folder.iterdir())])
    decoded = model().decode(model().encode(squares))
    assert on_photos.reconstruction["l1"] == pytest.approx(metrics.l1(decoded, squares).mean().item(), abs=0.01)
    for estimate in on_photos.realism["hybrids"].values():
        assert estimate.low < estimate.value < estimate.high
    assert folder(model(), photo_folder, size=32).to_dict() == on_photos.to_dict()


def test_a_model_that_ignores_the_structure_has_no_diversity_and_the_photos_do(photo_folder):
    class Texture(Perfect):
        def decode(self, codes):
            return codes.structure

    figures = folder(Texture(), photo_folder, size=32).hybrids
    assert figures["diversity"]["hybrids"] == pytest.approx(0, abs=1e-5)
    assert figures["diversity"]["photos"] > 0.05
    assert figures["structure"]["hybrids"] < figures["structure"]["photos"]


def test_unreadable_photos_are_counted(photos):
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff broken")
    Image.new("RGB", (90, 30)).save(photos / "small.png")
    result = folder(model(), photos, size=32)
    assert result.about["skipped"] == 2
    assert "Note: 2 photos were skipped" in text(result)


def test_folders_that_cannot_be_used(photos, tmp_path):
    (tmp_path / "empty").mkdir()
    refused("no images", folder, model(), tmp_path / "empty", size=32)
    for path in sorted(photos.iterdir())[1:]:
        path.unlink()
    refused(
        "one readable photo of 32 x 32 pixels or more, and this needs two: give more, or measure at",
        folder,
        model(),
        photos,
        size=32,
    )
    next(photos.iterdir()).write_bytes(b"")
    refused("", folder, model(), photos, size=32)


def test_pairs_of_photos():
    every = draw_photos(5, 100, seed=0)
    assert sorted(every) == [(i, j) for i in range(5) for j in range(5) if i != j]
    some = draw_photos(50, 20, seed=0)
    assert len(set(some)) == 20
    assert all(i != j for i, j in some)


# -- reports ----------------------------------------------------------------------------------------------------------


def test_report(measured, on_photos, tmp_path):
    for result in (measured, on_photos):
        page = write_report(result, tmp_path / "a b").read_text("utf-8")
        results = json.loads((tmp_path / "a b" / "results.json").read_text("utf-8"))
        assert results == json.loads(json.dumps(result.to_dict()))
        assert results["about"]["features"] == "efficientnet-lite0"
        assert "efficientnet-lite0" in page
        assert page.count("data:image/jpeg;base64,") == len(result.pictures) == 3
        assert set(re.findall(r'(?:src|href)="(.{11})', page)) == {"data:image/"}
        assert "http" not in page.replace("http-equiv", "")
        assert "efficientnet-lite0" in text(result)


def test_tables():
    table = Table(
        "a < b",
        ["x", "y"],
        [("one", [0.5, None]), ("two", [float("inf"), Estimate(1.0, -2.0, 3.0)])],
        best=frozenset({(0, 0)}),
    )
    assert table.text().splitlines()[2].split() == ["one", "0.5000*", "–"]
    assert "1.000 [-2.000, 3.000]" in table.text()
    result = SimpleNamespace(kind="compare", about={"notes": ["<i>"]}, pictures={}, tables=lambda: [table])
    page = html(result)
    assert "a &lt; b" in page
    assert "&lt;i&gt;" in page
    assert re.findall("<td class=best>([^<]*)", page) == ["0.5000"]
    assert [shown(value) for value in (0.0, 1234.5, 12.3, 0.1, 0.00012345)] == [
        "0",
        "1,234",
        "12.30",
        "0.1000",
        "0.0001234",
    ]
    assert plain({"a": float("nan"), "b": [1]}) == {"a": None, "b": [1]}


# -- two results ------------------------------------------------------------------------------------------------------


def test_compare(measured, of_another_seed, on_photos, tmp_path):
    write_report(measured, tmp_path / "a")
    write_report(of_another_seed, tmp_path / "b")
    write_report(on_photos, tmp_path / "c")
    result = compare(tmp_path / "a", tmp_path / "b" / "results.json")
    assert result.figures["distances.hybrid.l1"][0] == measured.distances["hybrid"]["l1"]
    assert result.about["notes"] == ["Not the same for both: seed (0 and 1)."]
    assert "seed (0 and 1)" in text(result)
    assert "distances, hybrid, psnr" in html(result)
    (table,) = result.tables()
    for row, (_, (a, b, _)) in enumerate(table.rows[:3]):  # L1, PSNR, SSIM of the hybrids
        assert (row, int((a > b) == (row == 0))) in table.best
    assert "realism, hybrids, frechet" in text(compare(tmp_path / "c", tmp_path / "c"))
    refused("two of a kind", compare, tmp_path / "a", tmp_path / "c")


def test_only_what_depends_on_the_model_is_judged():
    figures = {f"hybrids.patches.{of}": (0.5, 0.6) for of in ("hybrids", "photos", "own")}
    figures |= {"hybrids.texture.hybrids": (2.0, 3.0), "hybrids.texture.photos": (2.0, 3.0)}
    (table,) = comparing.Comparison({"a": "a", "b": "b", "of": "folder", "notes": []}, figures).tables()
    assert table.best == {(0, 1), (3, 0)}  # more patches like the texture's, less distance to the texture


def test_results_that_cannot_be_compared(measured, tmp_path):
    write_report(measured, tmp_path / "a")
    results = json.loads((tmp_path / "a" / "results.json").read_text())
    results["about"]["features"] = "another"
    (tmp_path / "b.json").write_text(json.dumps(results))
    refused(r"efficientnet-lite0 and .* with another", compare, tmp_path / "a", tmp_path / "b.json")
    (tmp_path / "c.json").write_text(json.dumps(results | {"about": measured.about, "figures": {"x": "y"}}))
    refused("no figure in common", compare, tmp_path / "a", tmp_path / "c.json")
    for content in (
        "",
        "{",
        "[]",
        "3",
        '{"kind": "compare"}',
        '{"kind": "truth", "about": {}}',
        '{"kind": ["truth"], "about": {}, "figures": {}}',
        '{"kind": "truth", "about": {}, "figures": 3}',
    ):
        (tmp_path / "x.json").write_text(content)
        refused("holds no results", comparing.read_results, tmp_path / "x.json")
    refused("holds no results", comparing.read_results, tmp_path / "nowhere")


# -- the command line -------------------------------------------------------------------------------------------------


def test_commands(graft, grid, tmp_path):
    done = graft("eval", "truth", "landscapes-128", "--grid", grid, "--pairs", 2, "--json", "--out", "t")
    assert done.code == 0
    assert json.loads(done.out) == json.loads((tmp_path / "t" / "results.json").read_text("utf-8"))
    done = graft("eval", "folder", "photos", "--most", 3, "-o", "p")
    assert "Realism" in done.out
    assert (tmp_path / "p" / "report.html").is_file()
    done = graft("eval", "compare", "t", "t", "--json")
    assert json.loads(done.out)["kind"] == "compare"
    done = graft("eval", "truth", "landscapes-128", "--grid", "nowhere")
    assert done.code == 2
    assert "--cells 8x8" in done.err
    assert "is a file; name a folder" in graft("eval", "folder", "photos", "--out", "photos/hill.png").refusal()
