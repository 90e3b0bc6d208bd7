"""The objective: crops, closed forms, and where gradients go. Parity with the authors is in test_official.py."""

from dataclasses import replace
from math import log

import pytest
import tiny
import torch
import torch.nn.functional as F

from graftlab.config import recipe
from graftlab.networks.noise import noise_source
from graftlab.objectives import swapping as objectives
from graftlab.objectives.swapping import Crops
from graftlab.objectives.terms import fake, no_augment, real, total

OFFICIAL = replace(recipe("official"), crops=4)
PATCH = 8


# -- crops ------------------------------------------------------------------------------------------------------------


def many(crop_scale=(1 / 8, 1 / 4), count=4000):
    torch.manual_seed(0)
    return Crops.draw(torch.zeros(count), replace(OFFICIAL, crops=4, crop_scale=crop_scale))


@pytest.mark.parametrize("crop_scale", [(1 / 8, 1 / 4), (0.5, 1.0), (1.0, 1.0), (0.25, 0.25)])
def test_crops_lie_inside(crop_scale):
    crops = many(crop_scale)
    assert (crops.scale >= crop_scale[0]).all()
    assert (crops.scale <= crop_scale[1]).all()
    assert (crops.offset.abs() + crops.scale <= 1 + 1e-6).all()


def test_crops_are_spread_evenly():
    crops = many()
    count = crops.flip.numel()
    assert set(crops.flip.unique().tolist()) == {-1.0, 1.0}
    assert abs(crops.flip.mean()) < 4 / count**0.5
    for axis in (0, 1):
        share = (crops.scale[..., axis] - 1 / 8) / (1 / 8)
        place = crops.offset[..., axis] / (1 - crops.scale[..., axis])
        assert abs(share.mean() - 0.5) < 4 * (1 / 12 / count) ** 0.5
        assert abs(place.mean()) < 4 * (1 / 3 / count) ** 0.5
        assert abs(place.var() - 1 / 3) < 0.02
        assert place.abs().max() > 0.99  # up to the border
    width, height = crops.scale.flatten(0, 1).T
    assert abs(torch.corrcoef(torch.stack([width, height]))[0, 1]) < 4 / count**0.5
    x, y = crops.offset.flatten(0, 1).T
    assert abs(torch.corrcoef(torch.stack([x, y]))[0, 1]) < 4 / count**0.5


@pytest.mark.parametrize("shape", [(32, 32), (20, 48), (48, 20)])
def test_a_batch_is_cut_as_its_pictures_are(shape):
    """Against the form with one grid per box."""
    pictures = tiny.pictures(3, *shape)
    torch.manual_seed(1)
    crops = Crops.draw(pictures, OFFICIAL)
    patches = crops.cut(pictures, PATCH)
    assert patches.shape == (3, 4, 3, PATCH, PATCH)
    for n in range(3):
        for t in range(4):
            (sx, sy), (ox, oy), flip = crops.scale[n, t], crops.offset[n, t], crops.flip[n, t]
            box = torch.stack([flip * sx, sx * 0, ox, sy * 0, sy, oy]).view(1, 2, 3)
            grid = F.affine_grid(box, (1, 3, PATCH, PATCH), align_corners=True)
            one = F.grid_sample(pictures[n : n + 1], grid, align_corners=False)
            torch.testing.assert_close(patches[n, t], one[0], rtol=1e-5, atol=1e-5)


def test_x_is_across_and_y_is_down():
    """A box in the upper right of a picture that brightens to the right and darkens downwards."""
    across, down = torch.linspace(-1, 1, 64), torch.linspace(-1, 1, 64)
    picture = torch.stack([across.expand(64, 64), down[:, None].expand(64, 64), torch.zeros(64, 64)])[None]
    for flip in (1.0, -1.0):
        crops = Crops(torch.tensor([[flip]]), torch.tensor([[[0.25, 0.125]]]), torch.tensor([[[0.5, -0.5]]]))
        patch = crops.cut(picture, 16)[0, 0]
        columns, rows = patch[0].mean(0), patch[1].mean(1)
        assert columns.mean() == pytest.approx(0.5, abs=0.03)
        assert rows.mean() == pytest.approx(-0.5, abs=0.03)
        assert ((columns[-1] - columns[0]) * flip).item() == pytest.approx(0.5, abs=0.03)
        assert (rows[-1] - rows[0]).item() == pytest.approx(0.25, abs=0.03)


def test_cutting_is_differentiable():
    pictures = tiny.pictures(2).requires_grad_()
    (gradient,) = torch.autograd.grad(Crops.draw(pictures, OFFICIAL).cut(pictures, PATCH).sum(), pictures)
    assert (gradient.flatten(1).sum(1) > 0).all()


# -- terms ------------------------------------------------------------------------------------------------------------


def test_logistic_losses():
    zero = torch.zeros(2, 1)
    assert real(zero).tolist() == pytest.approx([log(2)] * 2)
    assert fake(zero).tolist() == pytest.approx([log(2)] * 2)
    logits = torch.tensor([[200.0], [-200.0], [3.0]])
    assert real(logits).tolist() == pytest.approx([0, 200, log(1 + 2.718281828**-3)], abs=1e-6)
    assert fake(logits).tolist() == pytest.approx([200, 0, log(1 + 2.718281828**3)], abs=1e-6)
    assert torch.equal(fake(logits), real(-logits))
    assert real(logits.bfloat16()).dtype == torch.float32
    for loss, sign in ((real, -1), (fake, 1)):
        large = torch.tensor([[1e4], [-1e4]], requires_grad=True)
        loss(large).sum().backward()
        assert large.grad.flatten().tolist() == ([0, -1] if sign < 0 else [1, 0])


def test_losses_are_one_value_per_item():
    logits = torch.randn(3, 5)
    assert real(logits).shape == (3,)
    torch.testing.assert_close(real(logits)[1], F.softplus(-logits[1]).mean())
    assert objectives.per_patch(fake, logits).shape == (15,)
    torch.testing.assert_close(objectives.per_patch(fake, logits), F.softplus(logits).flatten())


def test_total_is_the_weighted_sum_of_means():
    terms = {"a": torch.tensor([1.0, 3.0]), "b": torch.tensor([10.0])}
    assert total(terms, {"a": 2.0, "b": 0.5, "c": 7.0}) == 9
    with pytest.raises(KeyError):
        total(terms, {"a": 1.0})


def test_render_pairs_reconstructions_with_hybrids():
    model = tiny.model()
    structure, texture = model.encoder(tiny.pictures(4))
    rec, mix = objectives.render(model, structure, texture, noise_source("none"))
    assert (len(rec), len(mix)) == (2, 4)
    alone = model.generator(structure[:2], texture[:2], noise_source("none"))
    assert tiny.differ(rec, alone) < 1e-5
    for n, partner in enumerate((1, 0, 3, 2)):
        hybrid = model.generator(structure[partner : partner + 1], texture[n : n + 1], noise_source("none"))
        assert tiny.differ(mix[n : n + 1], hybrid) < 1e-5


# -- losses -----------------------------------------------------------------------------------------------------------

SILENT = noise_source("none")


def losses(which, options=OFFICIAL, model=None, images=None, **more):
    """Terms with the same crops whatever the recipe, and the networks they came from."""
    model, net = model or tiny.new_model().requires_grad_(True), tiny.discriminators()
    images = tiny.pictures(4) if images is None else images
    torch.manual_seed(7)
    if which == "r1":
        return objectives.r1_penalty(net, images, options, PATCH, **more), model, net
    player = "discriminators" if which == "D" else "generator"
    return objectives.objective(player, model, net, images, options, SILENT, **more), model, net


def test_names_and_shapes_of_the_terms():
    terms, *_ = losses("D")
    counts = {"D_real": 4, "D_rec": 2, "D_mix": 4, "PatchD_real": 16, "PatchD_mix": 16}
    assert {name: len(term) for name, term in terms.items()} == counts
    terms, *_ = losses("G")
    assert {name: len(term) for name, term in terms.items()} == {"G_L1": 2, "G_GAN_rec": 2, "G_GAN_mix": 4, "G_mix": 16}
    terms, *_ = losses("r1")
    assert {name: len(term) for name, term in terms.items()} == {"D_R1": 4, "PatchD_R1": 4}


def test_the_discriminators_loss_leaves_the_autoencoder_alone():
    terms, model, net = losses("D")
    total(terms, OFFICIAL.weights).backward()
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(parameter.grad is not None for parameter in net.parameters())


def test_the_generators_loss_reaches_the_autoencoder():
    terms, model, _ = losses("G")
    total(terms, OFFICIAL.weights).backward()
    missing = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert all(name.endswith("noise_strength") for name in missing)  # there was no noise


def test_no_gradient_through_the_reference(monkeypatch):
    """The reference's features are given, as in eq. 5; only the hybrid's patches push the generator."""
    model, net = tiny.new_model().requires_grad_(True), tiny.discriminators()
    calls = []
    features = net.patch.features
    monkeypatch.setattr(net.patch, "features", lambda patches: calls.append(features(patches)) or calls[-1])
    objectives.objective("generator", model, net, tiny.pictures(4).requires_grad_(), OFFICIAL, SILENT)
    assert [call.requires_grad for call in calls] == [False, True]


def test_each_term_has_its_weight():
    """And only then: the terms themselves are the same, whatever the recipe weighs them with."""
    plain = replace(OFFICIAL, l1=1, gan=1, gan_rec=1, gan_mix=1, patch=1)
    heavy = replace(OFFICIAL, l1=2, gan=3, gan_rec=5, gan_mix=7, patch=11, r1=20.0, patch_r1=3.0)
    factors = {"G_L1": 2, "G_GAN_rec": 15, "G_GAN_mix": 21, "G_mix": 11}
    factors |= {"D_real": 3, "D_rec": 3, "D_mix": 3, "PatchD_real": 11, "PatchD_mix": 11, "D_R1": 2, "PatchD_R1": 3}
    for which in ("D", "G", "r1"):
        one, two = losses(which, plain)[0], losses(which, heavy)[0]
        for name in one:
            assert torch.equal(two[name], one[name])
            assert heavy.weights[name] / plain.weights[name] == factors.pop(name)
    assert not factors


def test_without_aggregation_patch_is_compared_with_patch():
    crops = Crops.draw(tiny.pictures(4), OFFICIAL)
    one, two = (losses("G", replace(OFFICIAL, aggregate=on), crops=(crops, crops))[0]["G_mix"] for on in (True, False))
    assert one.shape == two.shape
    assert tiny.differ(one, two) > 1e-4


def test_augment_changes_what_discriminators_see_but_not_l1():
    plain, changed = (losses("G", augment=augment)[0] for augment in (no_augment, torch.neg))
    assert torch.equal(plain["G_L1"], changed["G_L1"])
    assert all(tiny.differ(changed[name], plain[name]) > 1e-5 for name in plain if name != "G_L1")


def test_r1_of_a_linear_discriminator():
    """|grad|^2 of <w, x> is |w|^2 at every picture."""
    net = tiny.discriminators()
    weights = torch.randn(3, 32, 32)

    class Linear(torch.nn.Module):
        def forward(self, images):
            return (images * weights).sum((1, 2, 3))[:, None]

    class Patch(torch.nn.Module):
        def features(self, patches):
            return patches

        def forward(self, reference, target):
            return (2 * reference + 3 * target).sum((2, 3, 4))

    net.image, net.patch = Linear(), Patch()
    options = replace(OFFICIAL, aggregate=False)
    terms = objectives.r1_penalty(net, tiny.pictures(4), options, PATCH)
    torch.testing.assert_close(terms["D_R1"], torch.full((4,), weights.square().sum().item() / 2))
    patches = 4 * 3 * PATCH**2  # numbers in the patches of one picture
    torch.testing.assert_close(terms["PatchD_R1"], torch.full((4,), (2**2 + 3**2) * patches / 4.0))


def test_r1_is_the_slope_of_the_logit():
    terms, _, net = losses("r1")
    pictures, step = tiny.pictures(4).double().requires_grad_(), 1e-5
    net = net.double()
    (slope,) = torch.autograd.grad(net.image(pictures).sum(), pictures)
    moved = net.image(pictures + step * slope) - net.image(pictures - step * slope)
    torch.testing.assert_close(terms["D_R1"].double(), 0.5 * (moved / (2 * step))[:, 0], rtol=1e-3, atol=1e-8)


def test_r1_can_be_descended():
    terms, _, net = losses("r1")
    total(terms, OFFICIAL.weights).backward()
    assert sum(parameter.grad is not None for parameter in net.parameters()) > len(list(net.parameters())) / 2
