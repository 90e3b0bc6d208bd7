"""Blends of networks: against the authors' pictures, bit for bit at their ends, and with no tensor left behind."""

from collections import Counter
from functools import cache
from pathlib import Path

import pytest
import tiny
import torch
from claims import refused
from safetensors.torch import load_file
from tiny import differ
from torch import Tensor

from graftlab.blending.blend import adopt, blend, blend_many, lineage
from graftlab.blending.layers import ROLES, Layer, layers_of
from graftlab.blending.weights import held, interpolate, layer_swap, matrix, pinkney, reversed_
from graftlab.checkpoints.load import load
from graftlab.codes import StyleCodes
from graftlab.config import RosinalityConfig, SwappingConfig, preset
from graftlab.networks.alike import check_alike
from graftlab.networks.model import Network, fingerprint
from graftlab.networks.rosinality import RosinalityAutoencoder
from graftlab.networks.stylegan2 import StyleGAN2
from graftlab.networks.swapping import SwappingAutoencoder

FIXTURES = Path(__file__).parent / "fixtures" / "stylegan2"
NEAR = 5e-5  # of a tensor's largest value
MAPPING_OF_A = {"mapping": 0.0, "average": 0.0}


@cache
def fixture(name: str) -> StyleGAN2:
    return load(FIXTURES / {"A": "nvidia.pkl", "B": "nvidia_finetuned.pkl"}[name], StyleGAN2, device="cpu")


@cache
def values() -> dict[str, Tensor]:
    return load_file(FIXTURES / "io.safetensors")


def rosinality() -> RosinalityAutoencoder:
    torch.manual_seed(0)
    return RosinalityAutoencoder(RosinalityConfig(size=64, width=4)).eval().requires_grad_(False)


KINDS = {
    "stylegan2": tiny.stylegan2,
    "with classes": lambda: tiny.stylegan2(classes=3),
    "stylegan1": tiny.stylegan1,
    "stylegan3": tiny.stylegan3,
    "swapping": tiny.new_model,
    "deep swapping": lambda: SwappingAutoencoder(
        SwappingConfig(size=64, downsamplings=3, head_blocks=3, encoder_capacity=0.1, generator_capacity=0.05)
    ),
    "rosinality": rosinality,
}
every_kind = pytest.mark.parametrize("make", KINDS.values(), ids=KINDS.keys())


def moved(model: Network, seed: int = 9, far: float = 0.3) -> Network:
    """The same with every number of every tensor changed."""
    other = tiny.stylegan2(**model.config.to_dict()) if isinstance(model, StyleGAN2) else type(model)(model.config)  # type: ignore[call-arg]
    generator = torch.Generator().manual_seed(seed)
    state = {
        name: tensor + far * (torch.rand(tensor.shape, generator=generator) + 0.5)
        for name, tensor in model.state_dict().items()
    }
    other.load_state_dict(state)
    return other.eval().requires_grad_(False)


def same(a: Network, b: Network) -> bool:
    mine, theirs = a.state_dict(), b.state_dict()
    return mine.keys() == theirs.keys() and all(
        torch.equal(mine[name].view(torch.int32), theirs[name].view(torch.int32)) for name in mine
    )


# -- the authors' pictures --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "rule", "w"),
    [
        ("swap16_lowA_highB.mapA", layer_swap(16), "A"),
        ("swap16_lowB_highA.mapB", reversed_(layer_swap(16)), "B"),
        ("swap16_lowB_highA.mapA", held(reversed_(layer_swap(16)), **MAPPING_OF_A), "A"),
        ("interp0.5.mapA", held(interpolate(0.5), **MAPPING_OF_A), "A"),
        ("interp0.5", interpolate(0.5), "interp0.5"),
        ("formula_swap16_level0_width1.0.mapA", pinkney(16, 0, 1.0), "A"),
        ("formula_swap16_level0_widthNone.mapA", pinkney(16), "A"),
        ("formula_swap16_level1_width0.5.mapA", pinkney(16, 1, 0.5), "A"),
    ],
)
def test_pictures_of_blends(name: str, rule, w: str):
    blended = blend(fixture("A"), fixture("B"), rule)
    codes = blended.map(values()["z"])
    assert differ(codes.w, values()[f"{w}.w_psi1"]) < NEAR
    for noise in ("const", "none"):
        assert differ(blended.decode(codes, noise), values()[f"{name}.img_{noise}_psi1"]) < NEAR


def test_the_same_networks_of_another_format_give_the_same_blend():
    a, b = (load(FIXTURES / f"rosinality{name}.pt", StyleGAN2, device="cpu") for name in ("", "_finetuned"))
    blended = blend(a, b, layer_swap(16))
    picture = blended.decode(blended.map(values()["z"]))
    assert differ(picture, values()["swap16_lowA_highB.mapA.img_const_psi1"]) < NEAR


def test_no_picture_of_a_blend_is_left_out():
    ours = {"A", "B", "z", "interp0", "swap16_lowA_highB", "swap16_lowB_highA"}
    ours |= {f"formula_swap16_level{rest}" for rest in ("0_width1", "0_widthNone", "1_width0")}
    assert {name.partition(".")[0] for name in values()} == ours


# -- every tensor -----------------------------------------------------------------------------------------------------


@every_kind
def test_every_tensor_has_a_layer(make):
    model = make()
    layers = layers_of(model)
    assert [layer.name for layer in layers] == list(model.state_dict())
    for layer in layers:
        assert layer.role in ROLES
        assert 1 <= layer.resolution <= model.config.size
        assert 0 <= layer.position - 2 * torch.tensor(layer.resolution).log2().item() <= 1


def test_roles_and_positions_of_a_stylegan2():
    counts = Counter(layer.role for layer in layers_of(tiny.stylegan2(classes=3)))  # of 4 blocks: 7 convolutions
    assert counts == {
        **{"convolution": 7, "bias": 7, "strength": 7, "noise": 7, "affine": 14},
        **{"to-rgb": 16, "constant": 1, "average": 1, "mapping": 6},
    }
    places = {layer.name: (layer.resolution, layer.position) for layer in layers_of(tiny.stylegan2())}
    assert places["synthesis.constant"] == places["mapping.average"] == (4, 4)
    assert places["synthesis.blocks.0.conv.conv.weight"] == places["synthesis.blocks.0.rgb_bias"] == (4, 5)
    assert places["synthesis.blocks.1.up.noise"] == (8, 6)
    assert places["synthesis.blocks.3.to_rgb.modulation.affine.weight"] == (32, 11)


def test_positions_of_an_autoencoder_follow_the_network():
    model = KINDS["deep swapping"]()
    places = {layer.name: (layer.resolution, layer.position) for layer in layers_of(model)}
    assert places["encoder.from_rgb.weight"] == (64, 13)
    assert places["encoder.down.0.conv1.weight"] == (64, 12)
    assert places["encoder.down.0.conv2.weight"] == places["encoder.down.0.skip.weight"] == (32, 11)
    assert places["encoder.to_structure.1.weight"] == (8, 6)
    assert places["encoder.down_texture.1.bias"] == (2, 3)
    assert places["encoder.to_texture.weight"] == (1, 0)
    assert places["generator.modulation.scale.weight"] == (8, 6)
    head = [places[f"generator.head.{i}.{conv}.bias"][1] for i in range(3) for conv in ("conv1", "conv2")]
    assert head == pytest.approx([6, 6.2, 6.4, 6.6, 6.8, 7])
    assert places["generator.up.0.conv1.bias"] == (16, 8)
    assert places["generator.to_rgb.weight"] == (64, 13)
    part = [place for name, (_, place) in places.items() if name.startswith("encoder.down") and "texture" not in name]
    assert part == sorted(part, reverse=True)  # it coarsens all the way


@every_kind
def test_a_swap_leaves_nothing_behind(make):
    a = make()
    b = moved(a)
    low, *_, high = sorted({layer.resolution for layer in layers_of(a)})
    middle = sorted({layer.resolution for layer in layers_of(a)})[-2]
    mixed = blend(a, b, layer_swap(middle)).state_dict()
    for layer in layers_of(a):
        wanted = a if layer.resolution < high else b
        assert torch.equal(mixed[layer.name], wanted.state_dict()[layer.name]), layer.name
    assert low < middle < high


# -- bit for bit ------------------------------------------------------------------------------------------------------


@every_kind
def test_the_ends_are_the_models_and_a_model_with_itself_is_itself(make):
    a = make().requires_grad_(False).eval()
    with torch.no_grad():
        next(iter(a.parameters())).view(-1)[0] = -0.0
    b = moved(a)
    before = fingerprint(a.state_dict()), fingerprint(b.state_dict())
    assert same(blend(a, b, interpolate(0)), a)
    assert same(blend(a, b, interpolate(1)), b)
    assert same(blend(b, a, reversed_(interpolate(0.0))), a)
    for rule in (interpolate(0.3), interpolate(-2.5), layer_swap(a.config.size, 1, 0.7)):
        assert same(blend(a, a, rule), a)
        assert not same(blend(a, b, rule), a)
    assert (fingerprint(a.state_dict()), fingerprint(b.state_dict())) == before


def test_shares_beyond_the_ends_exaggerate_and_a_blend_has_a_memory_of_its_own():
    a, b = tiny.stylegan2(), moved(tiny.stylegan2())
    name = "synthesis.blocks.1.up.conv.weight"
    x, y = a.state_dict()[name], b.state_dict()[name]
    for alpha in (-0.5, 0.3, 1.5):
        assert differ(blend(a, b, interpolate(alpha)).state_dict()[name], x + alpha * (y - x)) < 1e-6
    for tensor in blend(a, b, layer_swap(8)).state_dict().values():
        tensor.zero_()
    assert all(tensor.any() for model in (a, b) for tensor in model.state_dict().values())


# -- many models ------------------------------------------------------------------------------------------------------


def test_many_models_by_a_matrix():
    models = [tiny.stylegan2(), *(moved(tiny.stylegan2(), seed) for seed in (1, 2))]
    blended = blend_many(models, matrix({4: (1, 0, 0), 8: (0.2, 0.3, 0.5), 16: (0, 0, 1)}))
    mixed, states = blended.state_dict(), [model.state_dict() for model in models]
    for layer in layers_of(blended):
        shares = {4: (1, 0, 0), 8: (0.2, 0.3, 0.5)}.get(layer.resolution, (0, 0, 1))
        wanted = sum(share * state[layer.name] for share, state in zip(shares, states, strict=True))
        assert torch.allclose(mixed[layer.name], wanted, atol=1e-6)
        if 1 in shares:
            assert torch.equal(mixed[layer.name], states[shares.index(1)][layer.name])
    assert same(blend_many([models[0]] * 3, matrix({4: (0.1, 0.2, 0.7)})), models[0])


def test_shares_that_do_not_sum_to_one_and_too_many_are_refused():
    models = [tiny.stylegan2(), tiny.stylegan2(1)]
    for row in ((0.5, 0.4), (1, 1), (0, 0), (float("nan"), 1.0)):
        shares = {8: row}
        wrong = lambda layer, shares=shares: shares.get(layer.resolution, (1, 0))  # noqa: E731
        refused(r"At 8 pixels .* sum to .*; make every row sum to 1\.", blend_many, models, wrong)
    refused("2 models need as many shares at 4 pixels, not 3", blend_many, models, matrix({4: (1, 0, 0)}))
    refused("no models", blend_many, [], matrix({4: (1,)}))


# -- channels ---------------------------------------------------------------------------------------------------------


def test_a_share_may_be_one_number_per_channel():
    a, b = tiny.stylegan2(), moved(tiny.stylegan2())
    chosen = torch.tensor([0.0, 1.0]).repeat(8)

    def rule(layer: Layer) -> float | Tensor:
        return chosen if layer.resolution == 8 and layer.role in ("convolution", "bias") else 0.0

    mixed, mine, theirs = (model.state_dict() for model in (blend(a, b, rule), a, b))
    for name in ("synthesis.blocks.1.up.conv.weight", "synthesis.blocks.1.conv.bias"):
        assert torch.equal(mixed[name][::2], mine[name][::2])
        assert torch.equal(mixed[name][1::2], theirs[name][1::2])
    refused(r"cannot take \(3,\) shares", blend, a, b, lambda layer: torch.zeros(3))


# -- into another model -----------------------------------------------------------------------------------------------


def test_a_blend_may_be_written_into_a_model_that_is_there():
    a, b, canvas = tiny.stylegan2(), moved(tiny.stylegan2()), tiny.stylegan2(5)
    for alpha in (0.2, 0.9):  # twice: layers keep what they made of their weights
        fresh = blend(a, b, interpolate(alpha))
        assert blend(a, b, interpolate(alpha), into=canvas) is canvas
        assert same(canvas, fresh)
        assert canvas.fingerprint == fresh.fingerprint
        assert torch.equal(canvas.sample([3]), fresh.sample([3]))
    refused("cannot be written into one of the models", blend, a, b, interpolate(0.5), into=a)


# -- codes and lineage ------------------------------------------------------------------------------------------------


def test_the_same_w_goes_into_a_blend_on_purpose():
    a, b = fixture("A"), fixture("B")
    blended = blend(a, b, layer_swap(16))
    codes = a.map(values()["z"])
    picture = blended.decode(adopt(codes, a, blended))
    assert differ(picture, values()["swap16_lowA_highB.mapA.img_const_psi1"]) < NEAR
    refused("another model than the base", adopt, codes, b, blended)
    assert adopt(StyleCodes(codes.w), a, blended).model == blended.fingerprint


def test_codes_go_down_the_family_and_no_other_way(tmp_path):
    a, b, other = tiny.stylegan2(), moved(tiny.stylegan2()), tiny.stylegan2(5)
    for model in (a, b, other):
        model.fingerprint = fingerprint(model.state_dict())
    codes, blended = a.codes_of([3]), blend(a, b, 0.5)
    reblended = blend(other, blended, layer_swap(8))
    for heir in (blended, reblended, load(reblended.save(tmp_path / "heir.safetensors"), device="cpu")):
        assert torch.equal(heir.decode(codes), heir.decode(StyleCodes(codes.w)))
    for model, foreign in ((a, blended.codes_of([3])), (blended, other.codes_of([3]))):
        refused(r"belong to another model .*graft invert", model.decode, foreign)


def test_lineage_tells_parents_and_rule():
    a, b = fixture("A"), fixture("B")
    told = lineage([a, b], held(layer_swap(16, 1), mapping=0.0))
    assert told["parents"] == [a.fingerprint, b.fingerprint]
    assert told["blend"] == {"swap_at": 16, "level": 1, "width": None, "held": {"mapping": 0.0}}
    assert blend(a, b, layer_swap(16)).fingerprint not in (None, a.fingerprint, b.fingerprint)


# -- what does not go together ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (lambda: tiny.stylegan2(channels=(16, 16, 8)), r"size \(32 and 16\), channels"),
        (lambda: tiny.stylegan2(classes=3), r"classes \(0 and 3\)"),
        (lambda: tiny.stylegan2(w_channels=8), r"w_channels \(16 and 8\)"),
        (lambda: "b.safetensors", "Models are needed, such as graftlab.load opens, not str"),
        (tiny.new_model, r"The layers of a StyleGAN2 and of a Swapping Autoencoder .*have nothing in common"),
    ],
)
def test_other_architectures_are_refused(other, says):
    sentence = refused(says, blend, tiny.stylegan2(), other(), interpolate(0.5))
    assert sentence.count(". ") == 0


def test_what_has_no_effect_on_a_blend_may_differ():
    check_alike(tiny.stylegan2(), tiny.stylegan2(clamp=256.0, discriminator_channels=(8, 8, 8, 8)))
    larger = preset("tiny").to_dict() | {"size": 64}
    refused(r"size \(32 and 64\)", check_alike, tiny.new_model(), SwappingAutoencoder(SwappingConfig.from_dict(larger)))


def test_a_level_outside_the_network_is_refused():
    for side in (2, 12, 64):
        says = f"no layers of {side} pixels, only of 4, 8, 16, 32; name one"
        refused(says, blend, tiny.stylegan2(), tiny.stylegan2(1), layer_swap(side))
