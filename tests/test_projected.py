"""Training under a frozen teacher: distances of textures, terms, and a trainer that resumes bit for bit."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from claims import refused
from tiny import new_model, pictures

from graftlab.cli import run
from graftlab.config import Recipe, SwappingTrainConfig, preset, recipe
from graftlab.networks.noise import noise_source
from graftlab.networks.projected import ProjectedDiscriminators
from graftlab.objectives.projected import Seen, adversaries, codes, objective, relativistic, texture
from graftlab.perception.distances import alike, gathered, self_similarity, sliced_wasserstein
from graftlab.training.projected import ProjectedTrainer
from graftlab.training.trainers import new_trainer

pytestmark = pytest.mark.usefixtures("small_features")

CHANNELS = (3, 3, 3, 3)
CPU = torch.device("cpu")


def teacher(images):
    """What a feature network does, without one: the picture itself at strides of 4 to 32."""
    return tuple(F.avg_pool2d(images, stride) for stride in (4, 8, 16, 32))


def unit(directions):
    return F.normalize(directions, dim=1)


# -- distances --------------------------------------------------------------------------------------------------------


def test_sliced_wasserstein_minds_what_there_is_and_not_where():
    torch.manual_seed(0)
    columns, directions = torch.randn(2, 5, 64), unit(torch.randn(7, 5))
    shuffled = columns[:, :, torch.randperm(64)]
    assert sliced_wasserstein(columns, shuffled, directions).max() < 1e-6
    shift = torch.randn(5)
    moved = sliced_wasserstein(columns + shift[:, None], columns, directions)
    wanted = (directions @ shift).abs().mean() / (columns.std((1, 2)) + 1e-3)
    torch.testing.assert_close(moved, wanted)  # transport of a shifted copy is the shift, along every direction


def test_like_is_found_by_what_is_shown_not_by_its_colour():
    torch.manual_seed(0)
    maps = torch.randn(1, 6, 4, 5)
    under_another_light = 2 * maps + torch.randn(6, 1, 1)
    assert alike(maps, under_another_light)[0].tolist() == list(range(20))
    mirrored = maps.flip(3)
    assert alike(maps, mirrored)[0].view(4, 5)[1].tolist() == [9, 8, 7, 6, 5]


def test_skies_are_not_sought_in_the_ground():
    flat = torch.ones(1, 3, 4, 1)
    assert alike(flat, flat)[0].tolist() == [0, 1, 2, 3]  # all alike: the same height decides


def test_gathered_cells():
    maps = torch.arange(32.0).view(1, 1, 4, 8)
    same = gathered(maps, torch.arange(8)[None], (2, 4))  # a grid of cells of 2 x 2
    assert same[0, 0].sort().values.tolist() == list(range(32))
    third = gathered(maps, torch.full((1, 8), 2), (2, 4))
    assert third.view(8, 4).unique(dim=0).tolist() == [[4, 5, 12, 13]]


def test_texture_distance_compares_like_with_like():
    """Sky over ground, whose shares differ: the same surfaces at their own places are no distance."""

    def landscape(horizon):
        torch.manual_seed(0)
        image = torch.zeros(1, 3, 64, 64)
        image[:, :, :horizon] = torch.tensor([0.0, 0.5, 1.0])[:, None, None]
        image[:, :, horizon:] = torch.tensor([0.5, 0.2, -0.5])[:, None, None]
        return image

    high, low = teacher(landscape(16)), teacher(landscape(48))
    assert texture(low, low, high).item() < 1e-5
    assert texture(high, low, high).item() > 0.3


# -- terms ------------------------------------------------------------------------------------------------------------


def network():
    return new_model().train().requires_grad_(True)


def test_structures_cannot_hold_what_the_disguise_takes():
    model, images = network(), pictures(4)
    grey = replace(recipe("projected"), code_noise=0.0)

    def disguise(x):
        return x.mean(1, keepdim=True).expand_as(x)

    structure, texture_code = codes(model, images, grey, disguise)
    assert torch.equal(structure, model.encoder(disguise(images))[0])
    assert torch.equal(texture_code, model.encoder(images)[1])


def test_noise_on_structures_is_a_share_of_their_length():
    model, images = network(), pictures(4)
    plain, _ = model.encoder(images)
    noisy, _ = codes(model, images, replace(recipe("projected"), recolour=0.0, code_noise=0.3))
    length = (noisy - plain).square().sum(1).sqrt().mean().item()
    assert length == pytest.approx(0.3, rel=0.1)


def test_terms_of_a_perfect_autoencoder(monkeypatch):
    """One that draws the pictures that it should: what compares with them is zero, the rest says what is new."""
    images = pictures(4)
    truths = torch.tensor([1, 0, 3, 2])

    def drawn(model, structure, texture, noise):
        return images[:2], images[truths]

    monkeypatch.setattr("graftlab.objectives.projected.render", drawn)
    torch.manual_seed(0)
    terms, _ = objective(
        network(),
        ProjectedDiscriminators(CHANNELS),
        teacher,
        images,
        recipe("projected"),
        noise_source("none"),
        truths=truths,
    )
    for name in ("G_L1", "G_features", "G_views", "G_view_features", "G_structure"):
        assert terms[name].abs().max() < 1e-5, name
    assert terms["G_texture"].min() > 0.01  # the neighbour's picture is made of other things
    assert {"G_GAN_rec", "G_GAN_mix", "G_mix"} <= set(terms)
    assert terms["G_mix"].shape == (4 * recipe("projected").crops,)  # each patch of a hybrid by itself


def test_every_term_moves_what_it_should():
    torch.manual_seed(0)
    model, net, images = network(), ProjectedDiscriminators(CHANNELS), pictures(4)
    terms, seen = objective(model, net, teacher, images, recipe("projected"), truths=torch.tensor([-1, -1, 3, 2]))
    assert (terms["G_views"] > 0).tolist() == [False, False, True, True]
    for name, term in terms.items():
        gradient = torch.autograd.grad(term.mean(), model.generator.to_rgb.weight, retain_graph=True)[0]
        assert gradient.abs().max() > 0, name
    losses = adversaries("discriminators", net, seen.detach(), recipe("projected"))
    total = sum(term.mean() for term in losses.values())
    learning = [weight for weight in net.parameters() if weight.requires_grad and weight.ndim > 1]
    assert all(slope.abs().max() > 0 for slope in torch.autograd.grad(total, learning))
    assert not any(parameter.requires_grad for parameter in net.image.mix.parameters())


def test_structures_of_one_scene_agree():
    """Two scenes in two lights: codes that differ by scene alone are at no distance, those that differ by light are."""
    model, images = network(), pictures(4)
    by_scene, by_light = torch.tensor([0, 1, 0, 1]), torch.tensor([0, 1, 1, 0])  # of the four pictures
    truths = torch.tensor([3, 2, 1, 0])  # has the neighbour's scene and its own light
    shape = model.encoder(images)[0].shape
    towards = torch.eye(2).repeat_interleave(shape[1] // 2, 1)

    def distances(of):
        cells = towards[of][:, :, None, None].expand(shape)
        model.encoder.forward = lambda images: (cells, torch.zeros(4, model.config.texture_channels))
        plain = replace(recipe("projected"), recolour=0.0, code_noise=0.0, same=1.0)
        return objective(model, ProjectedDiscriminators(CHANNELS), teacher, images, plain, truths=truths)[0]["G_same"]

    assert distances(by_scene).abs().max() < 1e-6
    assert torch.allclose(distances(by_light), torch.ones(4))


def test_a_hybrid_and_the_picture_it_should_be_are_a_pair():
    """The logistic loss of how much more real the one is than the other; nothing where the truth is unknown."""
    real, made = teacher(pictures(4, seed=1)), teacher(pictures(6, seed=2))
    seen = Seen(real, made, 2, torch.tensor([3, -1, 1, 0]))

    def discriminator(maps):
        return maps[0].mean(1).flatten(1)

    lead = discriminator(real)[seen.truths] - discriminator(seen.mix)
    for player, of in (("generator", lead), ("discriminators", -lead)):
        (loss,) = relativistic(player, discriminator, seen).values()
        torch.testing.assert_close(loss, (1 + of.exp()).log().mean(1) * torch.tensor([1, 0, 1, 1]))
    alone = replace(recipe("projected"), gan=0.0, patch=0.0, pair=1.0)
    net = ProjectedDiscriminators(CHANNELS)
    assert set(adversaries("discriminators", net, seen, alone)) == {"D_pair"}
    assert adversaries("discriminators", net, replace(seen, truths=None), alone) == {}
    assert alone.adversarial
    assert not replace(alone, pair=0.0).adversarial


def test_a_term_that_is_switched_off_is_not_computed():
    off = Recipe(projected=True, gan=0, patch=0)
    terms, seen = objective(network(), ProjectedDiscriminators(CHANNELS), teacher, pictures(4), off)
    assert adversaries("discriminators", ProjectedDiscriminators(CHANNELS), seen, off) == {}
    assert set(terms) == {"G_L1", "G_features"}


def test_hybrids_keep_to_their_structure():
    a, b = torch.randn(2, 4, 3, 3, generator=torch.Generator().manual_seed(0)).unsqueeze(1)
    assert self_similarity(a, 3 * a).max() < 1e-5
    assert self_similarity(a, b).min() > 0.1


# -- training ---------------------------------------------------------------------------------------------------------


def settings(**changes):
    network = preset("tiny")
    given = {"recipe": recipe("projected"), "data": "", "batch": 4, "seed": 3, "precision": "float32", **changes}
    return SwappingTrainConfig(network=network, **given)


def test_restored_equals_continued():
    one = new_trainer(settings(), CPU)
    assert isinstance(one, ProjectedTrainer)
    batches = [pictures(4, seed=seed) for seed in range(4)]
    for batch in batches[:2]:
        one.step(batch)
    tensors, header = one.state()
    saved = {name: tensor.clone() for name, tensor in tensors.items()}
    two = new_trainer(settings(), CPU)
    two.restore(saved, header)
    for batch in batches[2:]:
        first, second = one.step(batch), two.step(batch)
        assert first == second
    continued, restored = one.state()[0], two.state()[0]
    assert all(torch.equal(continued[name], restored[name]) for name in continued)


def test_a_side_other_than_the_networks():
    assert settings(side=64).sampling()["size"] == 64
    assert settings(side=64).shape == (64, 64)
    refused("side must be a multiple of 32", settings, side=50)
    refused(
        "cells of 16 pixels, and 36 is no multiple of that; use 32", replace, settings(), network=preset("tiny", 36)
    )
    refused("projected", settings, side=64, recipe=recipe("official"))
    refused("texture needs projected", Recipe, texture=1.0)


def test_weights_by_name(tmp_path, capfd):
    pictures_of = tmp_path / "photos"
    pictures_of.mkdir()
    command = ["train", str(pictures_of), "--run", str(tmp_path / "run"), "--preset", "tiny", "--recipe", "projected"]
    for wrong, said in (("colour=1", "the names are l1"), ("texture=much", "takes a number"), ("texture", "a number")):
        assert run([*command, "--weight", wrong]) == 2
        assert said in capfd.readouterr().err.replace("\n", " ")
