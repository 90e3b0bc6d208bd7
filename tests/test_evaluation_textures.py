"""Textures or only colours: figures of hybrids that are known to be the one or the other."""

import json

import pytest
import torch
from claims import refused
from tiny import model, pictures

from graftlab.codes import SwapCodes
from graftlab.evaluation import textures
from graftlab.evaluation.compare import compare
from graftlab.evaluation.folder import folder
from graftlab.evaluation.report import write_report
from graftlab.evaluation.textures import (
    Textures,
    came_along,
    colour_map,
    detail,
    directions,
    energy,
    judge_network,
    surfaces_apart,
)
from graftlab.evaluation.truth import truth
from graftlab.images import write
from graftlab.perception.efficientnet import JUDGE

pytestmark = pytest.mark.usefixtures("small_features")


def wave(period: float, size: int = 64) -> torch.Tensor:
    """Grey stripes whose mean square is 1/8."""
    x = torch.arange(size) * 2 * torch.pi / period
    return (x.cos() / 2).expand(1, 3, size, size)


def noise(count: int = 1, size: int = 64, seed: int = 0, strength: float = 0.2) -> torch.Tensor:
    """Another grey value at every pixel."""
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(count, 1, size, size, generator=generator) * strength).expand(-1, 3, -1, -1)


def recoloured(images: torch.Tensor) -> torch.Tensor:
    """Every channel a quadratic function of the three."""
    r, g, b = images.unbind(1)
    return torch.stack([0.1 + 0.3 * r * r - 0.2 * g * b, 0.4 * b - 0.1 * r * g, 0.2 - 0.5 * g + 0.1 * b * b], 1)


# -- frequencies ------------------------------------------------------------------------------------------------------


def test_energy_is_that_of_the_frequencies_above():
    for period, above, expected in ((4, 3 / 16, 1 / 8), (8, 3 / 16, 0), (4, 0.25, 0), (16, 1 / 32, 1 / 8)):
        assert energy(wave(period), above).item() == pytest.approx(expected, abs=1e-7)
        assert energy(wave(period)[:, :, :32].mT, above).item() == pytest.approx(expected, abs=1e-7)  # 64 x 32
    some = pictures(3, 48, 32)
    torch.testing.assert_close(energy(some, 0), some.double().mean(1).flatten(1).var(1, correction=0))


def test_detail_is_lost_by_blur_and_gained_by_noise():
    photo = pictures(1, 64, 64) / 2 + noise()
    blurred = torch.nn.functional.avg_pool2d(photo, 3, 1, 1)
    assert detail(photo, photo).item() == pytest.approx(1)
    assert detail(blurred, photo) < 0.2
    assert detail(photo + noise(seed=1), photo).item() == pytest.approx(2, rel=0.1)
    assert detail(photo, torch.zeros(1, 3, 64, 64)).isfinite()


# -- colours ----------------------------------------------------------------------------------------------------------


def test_a_change_of_colours_is_a_colour_map_and_nothing_came_along():
    plain = pictures(2, 32, 48)
    share, rest = colour_map(recoloured(plain), plain)
    torch.testing.assert_close(share, torch.ones(2, dtype=torch.float64))
    assert rest.abs().max() < 1e-5
    assert came_along(rest, noise(2, 32)).max() < 1e-6


def test_what_is_added_to_the_colours_is_what_came_along():
    plain, added = pictures(1, 64, 64), noise(strength=0.1)
    share, rest = colour_map(recoloured(plain) + added, plain)
    torch.testing.assert_close(rest.float(), added, rtol=0, atol=0.03)
    whole = (recoloured(plain) + added).flatten(2).var(2, correction=0).sum().item()
    assert share.item() == pytest.approx(1 - 3 * 0.1**2 / whole, abs=0.01)
    assert came_along(rest, added).item() == pytest.approx(1, abs=0.01)
    assert came_along(rest, 2 * added).item() == pytest.approx(1 / 4, abs=0.01)


def test_pictures_without_colours_or_contrast_have_figures_too():
    flat = torch.full((1, 3, 32, 32), 0.3)
    assert colour_map(flat, pictures())[0].item() == pytest.approx(1)
    grey = pictures().mean(1, keepdim=True).expand(-1, 3, -1, -1)  # its terms depend on each other
    share, rest = colour_map(grey**2, grey)
    assert share.item() == pytest.approx(1)
    assert rest.isfinite().all()
    assert colour_map(pictures(), flat)[0].item() == pytest.approx(0, abs=1e-6)


# -- surfaces ---------------------------------------------------------------------------------------------------------


def test_the_distance_of_surfaces_forgets_places_and_counts_deviations():
    maps = torch.randn(2, 5, 4, 6, generator=torch.Generator().manual_seed(0))
    moved = maps.flatten(2)[:, :, torch.randperm(24, generator=torch.Generator().manual_seed(1))].view_as(maps)
    lines = directions([maps])
    assert (lines[0].norm(dim=1) - 1).abs().max() < 1e-6

    def distance(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return surfaces_apart([a], [b], lines)

    assert distance(maps, moved).max() < 1e-6
    shift = torch.tensor([1.0, 0, 2, 0, 0])
    expected = (lines[0] @ shift).abs().mean() / (maps.flatten(1).std(1) + 1e-3)
    torch.testing.assert_close(distance(maps + shift[:, None, None], maps), expected)


def test_a_hybrid_with_the_textures_surfaces_and_one_with_its_own():
    photo, other = (pictures(1, 64, 64, seed) / 2 + noise(seed=seed, strength=0.1 + seed / 4) for seed in (0, 1))
    for hybrid, ratio in ((other, 0), (photo, 1)):
        test = Textures(judge_network())
        test.add(hybrid, photo, photo, other.clamp(-1, 1))
        figures = test.figures()
        assert figures["grey texture"] == pytest.approx(ratio, abs=1e-5)
        assert (figures["structure"] < 1e-5) == (hybrid is photo)
        assert figures["detail"] == pytest.approx(detail(hybrid.clamp(-1, 1), photo).item())


def test_figures_do_not_depend_on_how_pictures_are_batched(monkeypatch):
    sets = [pictures(3, 64, 64, seed) for seed in range(4)]
    together, apart = (Textures(judge_network()) for _ in range(2))
    together.add(*sets)
    monkeypatch.setattr(textures, "AT_ONCE", 64 * 64)
    for i in range(3):
        apart.add(*(images[i : i + 1] for images in sets))
    assert apart.figures() == pytest.approx(together.figures(), rel=1e-3)


# -- as part of a measurement -----------------------------------------------------------------------------------------


class Painter:
    """A model whose texture code is the whole picture and whose hybrid is the texture's photo, in its place."""

    def encode(self, images):
        return SwapCodes(images, images.flatten(1))

    def decode(self, codes):
        return codes.texture.view_as(codes.structure)


class Tinter(Painter):
    """A model that changes nothing but colours."""

    def decode(self, codes):
        means = codes.texture.view_as(codes.structure).mean((2, 3), keepdim=True)
        return codes.structure * 0.7 + means * 0.2


def test_folders_tell_models_that_swap_textures_from_those_that_tint(photo_folder):
    painted, tinted = (folder(kind(), photo_folder, size=32).textures for kind in (Painter, Tinter))
    assert painted["grey texture"]["hybrids"] == pytest.approx(0, abs=1e-5)
    assert painted["colours"]["hybrids"] < 0.9
    assert tinted["colours"]["hybrids"] == pytest.approx(1, abs=1e-3)  # reconstructions are kept as 8 bits
    assert tinted["came along"]["hybrids"] < 1e-3
    assert tinted["detail"] == pytest.approx({"hybrids": 0.49, "reconstructions": 0.49}, rel=0.01)
    assert painted["structure"]["reconstructions"] < 1e-5 < painted["structure"]["hybrids"]


def test_the_truth_has_figures_too(tmp_path):
    surfaces = [noise(size=32, seed=seed, strength=0.1 + 0.1 * seed) for seed in range(2)]
    for row in range(2):
        for column in range(2):
            write(pictures(1, 32, 32, row) / 2 + surfaces[column], tmp_path / f"s{row}_t{column}.png")
    measured = truth(Tinter(), tmp_path, pairs=4).textures
    assert measured["came along"]["hybrids"] < 1e-6 < 0.1 < measured["came along"]["truth"]
    assert measured["grey texture"]["truth"] < measured["grey texture"]["hybrids"]


def test_results_without_these_figures_are_still_compared(photo_folder, tmp_path):
    write_report(folder(model(), photo_folder, size=32), tmp_path / "new")
    results = json.loads((tmp_path / "new" / "results.json").read_text("utf-8"))
    assert results["about"]["judge"] == JUDGE
    names = set(compare(tmp_path / "new", tmp_path / "new").figures)
    assert {"textures.grey texture.hybrids", "textures.detail.reconstructions"} <= names
    del results["figures"]["textures"], results["about"]["judge"]
    (tmp_path / "old.json").write_text(json.dumps(results))
    comparison = compare(tmp_path / "old.json", tmp_path / "new")
    assert comparison.about["notes"] == []
    assert comparison.figures.keys() == {name for name in names if not name.startswith("textures.")}
    results["about"]["judge"] = "another"
    (tmp_path / "other.json").write_text(json.dumps(results))
    refused(r"judged by another and .* by efficientnet-lite2", compare, tmp_path / "other.json", tmp_path / "new")


def test_judges(graft):
    done = graft("eval", "folder", "photos", "--judge", "efficientnet-lite0", "--json")
    assert json.loads(done.out)["about"]["judge"] == "efficientnet-lite0"
    done = graft("eval", "folder", "photos", "--judge", "clip")
    assert (done.code, "one of efficientnet-lite0" in done.err) == (2, True)
