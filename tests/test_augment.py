"""Differentiable augmentation: the same change for the same item, gradients, sane ranges."""

import pytest
import torch
from claims import refused

from graftlab.config import RECIPES, preset
from graftlab.networks.discriminators import Discriminators
from graftlab.networks.swapping import SwappingAutoencoder
from graftlab.objectives.swapping import objective, r1_penalty
from graftlab.training import augment

CPU = torch.device("cpu")
ALL = tuple(augment.CHANGES)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def pictures(count=6, size=16):
    return torch.rand(count, 3, size, size) * 2 - 1


@pytest.mark.parametrize("name", ALL)
def test_item_n_changes_alike_in_every_batch(name):
    images = pictures()
    change = augment.draw([name], 6, 16, CPU)
    changed = change(images)
    assert torch.equal(change(images), changed)
    assert torch.equal(change(images[:3]), changed[:3])  # reconstructions are half a batch
    assert not torch.equal(augment.draw([name], 6, 16, CPU)(images), changed)
    same = change(images[:1].expand(6, -1, -1, -1))
    assert any(not torch.equal(same[0], other) for other in same[1:])  # and each item differently


@pytest.mark.parametrize("name", ALL)
def test_gradients(name):
    change = augment.draw([name], 2, 8, CPU)
    images = pictures(2, 8).double().requires_grad_()
    assert torch.autograd.gradcheck(change, (images,), fast_mode=True)
    assert torch.autograd.gradgradcheck(change, (images,), fast_mode=True)  # R1 differentiates twice


def test_colour_in_closed_form(monkeypatch):
    images = pictures(2)
    brightness, saturation, contrast = torch.tensor([[0.9, 0.5], [0.25, 0.5], [0.1, 0.5]])
    numbers = torch.stack([brightness, saturation, contrast]).view(3, 2, 1, 1, 1)
    monkeypatch.setattr(torch, "rand", lambda *shape, device: numbers)
    first, second = augment.draw(["colour"], 2, 16, CPU)(images)
    torch.testing.assert_close(second, images[1])  # the middle of every range changes nothing
    lit = images[0] + 0.4
    grey = lit.mean(0, keepdim=True)
    faded = grey + 0.5 * (lit - grey)
    torch.testing.assert_close(first, faded.mean() + 0.6 * (faded - faded.mean()))


def test_colour_stays_near_the_range():
    change = augment.draw(["colour"], 500, 4, CPU)
    changed = change(torch.rand(500, 3, 4, 4) * 2 - 1)
    assert changed.abs().max() < 6  # brightness 1.5, twice the saturation, half as much contrast again
    assert changed.abs().mean() < 1


def test_translation_moves_whole_pixels_and_mirrors_the_border():
    images = pictures(200)
    changed = augment.draw(["translation"], 200, 16, CPU)(images)
    padded = torch.nn.functional.pad(images, (2, 2, 2, 2), mode="reflect")  # an eighth of 16 is 2
    places = [(y, x) for y in range(5) for x in range(5)]
    same = torch.stack([(padded[:, :, y : y + 16, x : x + 16] == changed).flatten(1).all(1) for y, x in places])
    assert same.sum(0).eq(1).all()
    assert same.any(1).all()


def test_cutout_is_a_grey_square_of_half_the_side():
    gone = augment.draw(["cutout"], 500, 16, CPU)(torch.ones(500, 3, 16, 16)) == 0
    rows, columns = gone.all(1).any(2), gone.all(1).any(1)
    assert torch.equal(gone, (rows[:, :, None] & columns[:, None])[:, None].expand_as(gone))
    assert rows.sum(1).max() == columns.sum(1).max() == 8
    assert rows.sum(1).min() >= 4  # at least half of it inside, as its centre is
    assert rows.any(0).all()


def test_hue_and_luma_keep_what_they_should():
    images = pictures(50)
    turned = augment.draw(["hue"], 50, 16, CPU)(images)
    torch.testing.assert_close(turned.mean(1), images.mean(1))  # grays are the axis
    torch.testing.assert_close(turned.square().sum(1), images.square().sum(1))
    flipped = augment.draw(["luma"], 50, 16, CPU)(images)
    mean = images.mean(1, keepdim=True)
    own = (flipped - images).abs().flatten(1).amax(1) < 1e-6
    other = (flipped - (images - 2 * mean)).abs().flatten(1).amax(1) < 1e-6
    assert (own ^ other).all()
    assert own.any()
    assert other.any()


def test_flips_and_quarter_turns_lose_no_pixel():
    image = pictures(1)
    ways = {"flip": [image, image.flip(3)], "quarter": [image.rot90(k, (2, 3)) for k in range(4)]}
    for name, wanted in ways.items():
        changed = augment.draw([name], 40, 16, CPU)(image.expand(40, -1, -1, -1))
        found = torch.stack([(changed == way).flatten(1).all(1) for way in wanted])
        assert found.sum(0).eq(1).all()
        assert found.any(1).all()


def test_rotation_keeps_the_middle_and_noise_has_its_deviation():
    rings = torch.linspace(-1, 1, 33).square()
    disk = (rings[:, None] + rings).clamp(max=1).expand(20, 3, 33, 33)
    turned = augment.draw(["rotation"], 20, 33, CPU)(disk)
    assert (turned - disk)[:, :, 8:25, 8:25].abs().max() < 0.02
    grain = augment.draw(["noise"], 4000, 4, CPU)(torch.zeros(4000, 3, 4, 4))
    assert abs(grain.square().mean().sqrt() - 0.1) < 0.005
    assert grain.flatten(1).std(1).min() < 0.01  # of some hardly any


def test_several_changes_come_one_after_the_other():
    images, names = pictures(), ("colour", "luma", "cutout")
    torch.manual_seed(1)
    changed = augment.draw(names, 6, 16, CPU)(images)
    torch.manual_seed(1)
    for name in names:
        images = augment.draw([name], 6, 16, CPU)(images)
    assert torch.equal(changed, images)


def test_none_and_unknown():
    images = pictures()
    assert augment.draw((), 6, 16, CPU)(images) is images
    augment.check(ALL)
    refused(r"no augmentation 'color'; choose among colour, translation, cutout", augment.check, ["cutout", "color"])


def test_both_discriminators_see_it_and_the_reconstruction_loss_does_not():
    config, recipe = preset("tiny"), RECIPES["official"]
    model, net = SwappingAutoencoder(config), Discriminators(config)
    images = pictures(4, 32)
    seen = []

    def mark(pictures):
        seen.append(len(pictures))
        return pictures * 0

    black = torch.zeros(4, 3, 32, 32)
    for player in ("discriminators", "generator"):
        judged = {}
        watches = [
            net.image.register_forward_pre_hook(lambda module, inputs, judged=judged: judged.update(image=inputs[0])),
            net.patch.from_rgb.register_forward_pre_hook(
                lambda module, inputs, judged=judged: judged.update(patch=inputs[0])
            ),
        ]
        terms = objective(player, model, net, images, recipe, augment=mark)
        for watch in watches:
            watch.remove()
        assert seen == [4, 2, 4]
        assert not judged["image"].any()
        assert not judged["patch"].any()
        if "G_L1" in terms:
            assert terms["G_L1"].min() > 0.1
        seen.clear()
    torch.manual_seed(1)
    changed = r1_penalty(net, images, recipe, config.patch_size, mark)
    torch.manual_seed(1)
    assert seen == [4]
    for name, term in r1_penalty(net, black, recipe, config.patch_size).items():
        assert torch.equal(changed[name], term)


def test_turns_of_what_is_no_square_keep_its_shapes():
    rings = [torch.arange(-side / 2 + 0.5, side / 2).square() for side in (32, 64)]
    disk = (rings[0][:, None] + rings[1]).div(300).clamp(max=1).expand(20, 3, 32, 64)
    for name in ("rotation", "quarter"):
        turned = augment.draw([name], 20, (32, 64), CPU)(disk)
        assert (turned - disk)[:, :, 6:26, 22:42].abs().max() < 0.02, name  # a disk stays one
    for name in ALL:
        assert augment.draw([name], 20, (32, 64), CPU)(disk).shape == disk.shape
    gone = augment.draw(["cutout"], 200, (16, 32), CPU)(torch.ones(200, 3, 16, 32)) == 0
    assert (gone.any(1).any(2).sum(1).max(), gone.any(1).any(1).sum(1).max()) == (8, 16)


def test_filters_change_octaves_and_nothing_if_all_are_equal(monkeypatch):
    filters = augment.bands()
    whole = torch.zeros(43)
    whole[21] = 1
    torch.testing.assert_close(filters.sum(0), whole)
    heard = torch.fft.rfft(filters, 512).abs()  # at 257 frequencies up to half a cycle per pixel
    assert heard.argmax(0)[[0, 24, 48, 96, 200, 256]].tolist() == [0, 0, 1, 2, 3, 3]  # each is loudest in its octave
    monkeypatch.setattr(torch, "randn", lambda *shape, device: torch.tensor([[1.0] * 4, [0.0, 0, 0, -60]]))
    images = pictures(2)
    equal, dull = augment.draw(["filters"], 2, 16, CPU)(images)
    torch.testing.assert_close(equal, images[0])
    checks = (torch.arange(16) % 2 * 2.0 - 1).expand(2, 3, 16, 16)
    assert augment.draw(["filters"], 2, 16, CPU)(checks)[1].abs().max() < 0.01  # nothing but the finest band
    assert dull.mean((1, 2)).sub(images[1].mean((1, 2)) * (13 / 12) ** 0.5).abs().max() < 0.05
