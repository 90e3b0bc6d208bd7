"""The Swapping Autoencoder's objective with a frozen network as the teacher.

The paper's terms stay (Park et al. 2020, section 3), with discriminators that see that network's features (Projected
GAN: Sauer et al. 2021). Beside them a hybrid is held to the texture's picture by the distribution of fine features
(Heitz et al. 2021), and to the structure's picture by how its parts resemble each other (Kolkin et al. 2019). Where the
picture that a hybrid should be is known, the two are told apart as a pair (R3GAN: Huang et al. 2024). The teacher sees
real and made pictures once, for all terms.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from graftlab.config import Recipe
from graftlab.networks.chance import normal_like
from graftlab.networks.layers import Noise, full
from graftlab.networks.projected import (
    PATCH,
    CooccurrenceDiscriminator,
    Maps,
    ProjectedDiscriminator,
    ProjectedDiscriminators,
)
from graftlab.networks.swapping import SwappingAutoencoder
from graftlab.objectives.swapping import Crops, average, per_patch, reconstruction, render, swap_pairs
from graftlab.objectives.terms import Augment, Player, Terms, absolute, hinge_fake, hinge_real, no_augment
from graftlab.perception.distances import alike, cosine, gathered, self_similarity, sliced_wasserstein

DIRECTIONS = 48  # along which textures are compared at every step

Teacher = Callable[[Tensor], Maps]
"""The frozen network: pictures (N, 3, H, W) in [-1, 1] to four maps, differentiable."""


def codes(
    model: SwappingAutoencoder, images: Tensor, recipe: Recipe, disguise: Augment = no_augment
) -> tuple[Tensor, Tensor]:
    """Structure and texture of pictures, the structure read from a disguise of them, and blurred by noise.

    What changes under the disguise, or is finer than the noise, cannot be relied on: it must come from the texture."""
    structure, texture = model.encoder(images)
    if recipe.recolour:
        structure, _ = model.encoder(disguise(images))
    if recipe.code_noise:
        deviation = recipe.code_noise / structure.shape[1] ** 0.5  # structures have unit length
        structure = structure + deviation * normal_like(structure)
    return structure, texture


@dataclass(frozen=True)
class Seen:
    """What the teacher sees of a batch: real pictures (N), reconstructions (N / 2) and hybrids (N)."""

    real: Maps
    made: Maps  # reconstructions first
    rec: int  # how many of them
    truths: Tensor | None = None  # (N,) which real picture each hybrid should be; -1: unknown

    @property
    def mix(self) -> Maps:
        return tuple(maps[self.rec :] for maps in self.made)

    def detach(self) -> "Seen":
        """The same pictures for the discriminators to learn from."""
        return replace(self, made=tuple(maps.detach() for maps in self.made))


# eq. 2 and 3
def adversarial(player: Player, discriminator: ProjectedDiscriminator, seen: Seen) -> Terms:
    """Reconstructions and hybrids look real to the discriminator, which tells them from pictures; hinge loss."""
    logits_rec, logits_mix = discriminator(seen.made).tensor_split([seen.rec])
    if player == "generator":
        return {"G_GAN_rec": -logits_rec.mean(1), "G_GAN_mix": -logits_mix.mean(1)}
    of_real = hinge_real(discriminator(seen.real))
    return {"D_real": of_real, "D_rec": hinge_fake(logits_rec), "D_mix": hinge_fake(logits_mix)}


# Huang et al. 2024, eq. 2
def relativistic(player: Player, discriminator: ProjectedDiscriminator, seen: Seen) -> Terms:
    """A hybrid looks as real as the picture that it should be, if that is known; the discriminator prefers the truth.

    Spectral normalisation takes the place of the paper's gradient penalties."""
    assert seen.truths is not None
    known, truth = (seen.truths >= 0).to(seen.real[0]), seen.truths.clamp(min=0)
    lead = discriminator(seen.real)[truth] - discriminator(seen.mix)
    if player == "generator":
        return {"G_pair": F.softplus(lead).mean(1) * known}
    return {"D_pair": F.softplus(-lead).mean(1) * known}


# eq. 4
def cooccurrence(player: Player, discriminator: CooccurrenceDiscriminator, seen: Seen, recipe: Recipe) -> Terms:
    """Patches of a hybrid seem cut from the picture that gave its texture to the discriminator, which tells them from
    patches that are; hinge loss."""
    if player == "generator":
        with torch.no_grad():
            reference = describe(discriminator, seen.real, recipe, recipe.aggregate)
        return {"G_mix": -discriminator(reference, describe(discriminator, seen.mix, recipe)).flatten()}
    reference = describe(discriminator, seen.real, recipe, recipe.aggregate)
    own = discriminator(reference, describe(discriminator, seen.real, recipe))
    other = discriminator(reference, describe(discriminator, seen.mix, recipe))
    return {"PatchD_real": per_patch(hinge_real, own), "PatchD_mix": per_patch(hinge_fake, other)}


def adversaries(player: Player, discriminators: ProjectedDiscriminators, seen: Seen, recipe: Recipe) -> Terms:
    """The adversarial terms of a player; all that discriminators have."""
    terms = adversarial(player, discriminators.image, seen) if recipe.gan else {}
    if recipe.pair and seen.truths is not None:
        terms |= relativistic(player, discriminators.image, seen)
    return terms | (cooccurrence(player, discriminators.patch, seen, recipe) if recipe.patch else {})


# eq. 5
def objective(
    model: SwappingAutoencoder,
    discriminators: ProjectedDiscriminators,
    teacher: Teacher,
    images: Tensor,
    recipe: Recipe,
    noise: Noise | None = None,  # None: random
    augment: Augment = no_augment,
    disguise: Augment = no_augment,
    truths: Tensor | None = None,  # (N,) which picture of the batch each hybrid should be; -1: unknown
) -> tuple[Terms, Seen]:
    """What the generator minimises on pictures (N, 3, S, S), N even: be close, look real, have the texture's textures.

    Returns what the teacher saw, too: the discriminators learn from the same pictures, which saves drawing others."""
    structure, into = codes(model, images, recipe, disguise)
    rec, mix = map(full, render(model, structure, into, noise))
    half, terms = len(rec), reconstruction(rec, images)
    with torch.autocast(images.device.type, enabled=False):
        with torch.no_grad():
            real = teacher(images)
        made = teacher(torch.cat([rec, mix]))
        hybrids = tuple(maps[half:] for maps in made)
        terms["G_features"] = deep(made, real, slice(half), slice(half))
        if truths is not None:
            known, truth = (truths >= 0).to(images), truths.clamp(min=0)
            terms["G_views"] = absolute(mix, images[truth]) * known
            terms["G_view_features"] = deep(hybrids, real, slice(None), truth) * known
            if recipe.same:  # whose structure a hybrid has, and what it should be, show one scene
                terms["G_same"] = cosine(swap_pairs(structure), structure[truth]) * known
        if recipe.texture or recipe.structure:
            structures = tuple(swap_pairs(maps) for maps in real)
            terms["G_texture"] = texture(hybrids, structures, real)
            terms["G_structure"] = self_similarity(hybrids[2], structures[2])
        seen = Seen(real, made, half, truths)
        if augment is not no_augment:
            with torch.no_grad():
                real = teacher(augment(images))
            seen = replace(seen, real=real, made=teacher(torch.cat([augment(rec), augment(mix)])))
        return terms | adversaries("generator", discriminators, seen, recipe), seen


def describe(discriminator: CooccurrenceDiscriminator, maps: Maps, recipe: Recipe, aggregate: bool = False) -> Tensor:
    """Random patches of maps as the co-occurrence discriminator describes them (N, T, D), or the mean of these."""
    features = discriminator.features(patches(maps, recipe))
    return average(features) if aggregate else features


def deep(made: Maps, real: Maps, ours: slice, theirs: slice | Tensor) -> Tensor:
    """Deep-feature distance (see `perception.distances.deep`) of some made pictures to some real ones: (n,)."""
    return torch.stack([cosine(a[ours], b[theirs]) for a, b in zip(made, real, strict=True)]).mean(0)


def texture(hybrids: Maps, structures: Maps, textures: Maps) -> Tensor:
    """Difference of a hybrid's surfaces from those of the texture's picture, like with like: (N,).

    Sliced Wasserstein distance of the two finest maps. The texture's picture is first laid out anew, each of its cells
    where the structure's picture shows something similar: compared as they are, a texture with much ground would paint
    ground into skies."""
    places, grid = alike(structures[2], textures[2]), structures[2].shape[2:]
    distances = []
    for made, wanted in zip(hybrids[:2], textures[:2], strict=True):
        directions = F.normalize(torch.randn(DIRECTIONS, made.shape[1], device=made.device), dim=1)
        distances.append(sliced_wasserstein(made.flatten(2), gathered(wanted, places, (grid[0], grid[1])), directions))
    return torch.stack(distances).sum(0)


def patches(maps: Maps, recipe: Recipe) -> Tensor:
    """Random boxes of the two finest maps, each resampled to PATCH cells a side: (N, T, C, PATCH, PATCH)."""
    boxes = Crops.draw(maps[0], recipe)
    return torch.cat([boxes.cut(x, PATCH) for x in maps[:2]], 2)
