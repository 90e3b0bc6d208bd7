"""Networks and objectives against the authors' own numbers, within the tolerances measured with their code."""

import json
from functools import cache
from typing import Any

import pytest
import torch
from official_fixture import NAMES, ROOT, Fixture, config_of, load
from torch import Tensor

from graftlab.checkpoints.formats.official import COUNTER, KERNELS, names
from graftlab.config import PRESETS
from graftlab.networks.discriminators import Discriminators
from graftlab.networks.swapping import SwappingAutoencoder
from graftlab.objectives import swapping as objectives
from graftlab.objectives.terms import total

OUTPUT = 1e-4  # of the tensor's largest value, float32
ABSOLUTE = 1e-6  # beside it, for losses of large logits
GRADIENT = 1e-6  # of the parameter gradient's L2 norm, float64

fixture = cache(load)


@pytest.fixture(params=NAMES)
def ref(request: pytest.FixtureRequest) -> Fixture:
    return fixture(request.param)


def agree(ours: Tensor, theirs: Tensor, tolerance: float = OUTPUT) -> None:
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() <= tolerance * theirs.abs().max() + ABSOLUTE


@torch.no_grad()
def test_encoder(ref: Fixture) -> None:
    for suffix in ("", "_ns"):
        structure, texture = ref.model.encoder(ref.io["x" + suffix])
        agree(structure, ref.io["sp" + suffix])
        agree(texture, ref.io["gl" + suffix])
    agree(ref.model.encoder.features(ref.io["x"]), ref.io["E_feature"])


@torch.no_grad()
@pytest.mark.parametrize("noise", ["nonoise", "noise"])
def test_generator(ref: Fixture, noise: str) -> None:
    io, generator = ref.io, ref.model.generator
    source = {suffix: ref.noise("noise" + suffix if noise == "noise" else None) for suffix in ("", "_ns")}
    agree(generator(io["sp"], io["gl"], source[""]), io[f"rec_{noise}"])
    agree(generator(objectives.swap_pairs(io["sp"]), io["gl"], source[""]), io[f"mix_{noise}"])
    agree(generator(io["sp_ns"], io["gl_ns"], source["_ns"]), io[f"rec_ns_{noise}"])


@torch.no_grad()
def test_generator_with_mixed_and_mapped_textures(ref: Fixture) -> None:
    io, generator, silent = ref.io, ref.model.generator, ref.noise(None)
    mixed = 0.7 * io["gl"][:1] + 0.3 * io["gl"][1:2]
    agree(generator(io["sp"][:1], mixed, silent), io["texture_lerp_0.3_nonoise"])
    agree(generator(io["sp"][:1], io["texmap"], silent), io["rec_texmap_nonoise"])


@torch.no_grad()
def test_a_texture_map_works_for_any_batch(ref: Fixture) -> None:
    io, generator, silent = ref.io, ref.model.generator, ref.noise(None)
    both = generator(io["sp"][:2], torch.cat([io["texmap"], io["texmap"].flip(3)]), silent)
    agree(both[:1], io["rec_texmap_nonoise"])
    agree(both[1:], generator(io["sp"][1:2], io["texmap"].flip(3), silent))
    constant = io["gl"][:, :, None, None].expand(-1, -1, 3, 2)
    agree(generator(io["sp"], constant, silent), io["rec_nonoise"])


@torch.no_grad()
def test_discriminators(ref: Fixture) -> None:
    io, net = ref.io, ref.net
    agree(net.image.features(io["x"]), io["D_features_real"])
    for ours, theirs in (("x", "real"), ("rec_nonoise", "rec_nonoise"), ("mix_nonoise", "mix_nonoise")):
        agree(net.image(io[ours]), io[f"D_logits_{theirs}"])
    features = {name: net.patch.features(io[f"crop.{name}.pixels"]) for name in ("d0", "d1")}
    for name, feature in features.items():
        agree(feature.flatten(0, 1), io[f"Dpatch_feat_{name}"])
    mean = objectives.average(features["d0"])
    agree(mean.flatten(0, 1), io["Dpatch_feat_agg_d0"])
    agree(net.patch(features["d0"], features["d1"]).view(-1, 1), io["Dpatch_pair_logits_d0_d1"])
    agree(net.patch(mean, features["d1"]).view(-1, 1), io["Dpatch_pair_logits_aggd0_d1"])


def test_crops(ref: Fixture) -> None:
    sources = {"pixels": ref.io["x"], "pixels_of_mix_nonoise": ref.io["mix_nonoise"]}
    compared = 0
    for key, pixels in ref.io.items():
        if key.startswith("crop.") and (kind := key.split(".")[2]) in sources:
            agree(ref.crops(key.split(".")[1]).cut(sources[kind], ref.config.patch_size), pixels)
            compared += 1
    assert compared >= 5


PHASES = ("D_nonoise", "D_noise", "G_nonoise", "G_noise", "R1_times_R1_once_every")


def terms_of(ref: Fixture, phase: str) -> objectives.Terms:
    """The terms of a phase, given the noise and the crops the authors' code drew."""
    x, recipe = ref.io["x"], ref.recipe
    noise = ref.noise("noise" if phase.endswith("_noise") else None)
    if phase.startswith("D"):
        crops = (ref.crops("d0"), ref.crops("d1"), ref.crops("d2"))
        return objectives.objective("discriminators", ref.model, ref.net, x, recipe, noise, crops=crops)
    if phase.startswith("G"):
        crops2 = (ref.crops("g0"), ref.crops("g1"))
        return objectives.objective("generator", ref.model, ref.net, x, recipe, noise, crops=crops2)
    return objectives.r1_penalty(ref.net, x, recipe, ref.config.patch_size, crops=(ref.crops("r0"), ref.crops("r1")))


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("name", NAMES)
def test_losses_and_gradients(name: str, phase: str) -> None:
    """In float64, in which gradients are three thousand times as close as float32 would be."""
    ref = fixture(name).double()
    terms = terms_of(ref, phase)
    losses_agree(ref, phase, {term: values * ref.recipe.weights[term] for term, values in terms.items()})
    factor = ref.recipe.r1_interval if phase.startswith("R1") else 1
    (total(terms, ref.recipe.weights) * factor).backward()
    gradients_agree(ref, json.loads((ROOT / name / "grads_float64.json").read_text())[phase])


def losses_agree(ref: Fixture, phase: str, terms: objectives.Terms) -> None:
    if phase.startswith("R1"):
        agree(terms["D_R1"], ref.io["loss.R1.image_part"])
        agree(terms["PatchD_R1"], ref.io["loss.R1.patch_part"])
        agree(terms["D_R1"] + terms["PatchD_R1"], ref.io["loss.R1.D_R1"])
        return
    for name, term in terms.items():
        theirs = ref.io[f"loss.{phase}.{name}"]
        agree(term if theirs.ndim else term.mean(), theirs)  # the authors' L1 is one number
    agree(total(terms, dict.fromkeys(terms, 1.0)), ref.io[f"loss.{phase}.total"])


def gradients_agree(ref: Fixture, theirs: dict[str, Any]) -> None:
    ours = {names(ref.config)[name]: parameter for name, parameter in ref.parameters().items()}
    assert theirs
    for name, want in theirs.items():
        gradient = ours[name].grad
        if gradient is None:
            assert want["l2"] == 0, name
            continue
        norm = want["l2"]
        assert abs(gradient.norm().item() - norm) <= GRADIENT * norm + 1e-12, name
        first = gradient.flatten()[:8].tolist()
        assert max(abs(a - b) for a, b in zip(first, want["first8"], strict=True)) <= GRADIENT * norm + 1e-12, name


OFFICIAL_PRESETS = {"ffhq1024_smallerstructurecode": "ffhq1024-wide-structure"}


@pytest.mark.parametrize("path", sorted(ROOT.glob("full_layout_*.json")), ids=lambda path: path.stem)
def test_presets_match_the_full_size_layouts(path) -> None:  # type: ignore[no-untyped-def]
    layout = json.loads(path.read_text())
    key = path.stem.removeprefix("full_layout_")
    config = PRESETS[OFFICIAL_PRESETS.get(key, key)]
    assert config_of(layout["architecture_options"]) == config
    with torch.device("meta"):
        modules = SwappingAutoencoder(config), Discriminators(config)
    shapes = {name: tuple(tensor.shape) for module in modules for name, tensor in module.state_dict().items()}
    table = names(config)
    assert shapes.keys() == table.keys()
    theirs = {name: entry["shape"] for name, entry in layout["keys"].items() if not KERNELS.search(name)}
    theirs.pop(COUNTER, None)
    assert set(table.values()) == set(theirs)
    for ours, official in table.items():
        assert [n for n in shapes[ours] if n > 1] == [n for n in theirs[official] if n > 1], official
    counts = {
        part: sum(torch.Size(s).numel() for n, s in shapes.items() if table[n].startswith(part + ".")) for part in "EG"
    }
    assert counts == {part: layout["parameter_counts"][part] for part in "EG"}
