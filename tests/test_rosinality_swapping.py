"""rosinality's Swapping Autoencoder: its checkpoints, and its numbers computed with its own code."""

import json
import lzma
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from claims import refused
from safetensors.torch import load_file
from tiny import differ, pictures
from torch import Tensor

from graftlab.checkpoints.containers.contents import Contents, open_contents
from graftlab.checkpoints.containers.pickles import Name, Record
from graftlab.checkpoints.formats import rosinality_swapping, southampton
from graftlab.checkpoints.model_file import ModelFile
from graftlab.codes import SwapCodes
from graftlab.config import RosinalityConfig
from graftlab.networks.layers import StyleConv
from graftlab.networks.rosinality import RosinalityAutoencoder

ROOT = Path(__file__).parent / "fixtures" / "sae_rosinality"
TOLERANCE = 5e-5  # of the tensor's largest value, float32


@cache
def contents() -> Contents:
    return open_contents(ROOT / "checkpoint.pt")


@cache
def io() -> dict[str, Tensor]:
    return load_file(ROOT / "io.safetensors")


def made(file: ModelFile | None) -> RosinalityAutoencoder:
    assert file is not None
    assert isinstance(file.config, RosinalityConfig)
    assert file.kind == RosinalityAutoencoder.kind
    model = RosinalityAutoencoder(file.config)
    model.load_state_dict({name: tensor.clone() for name, tensor in file.tensors.items()})
    return model.eval().requires_grad_(False)


@cache
def model() -> RosinalityAutoencoder:
    return made(rosinality_swapping.read(contents()))


# -- the numbers of its own code --------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["", "_ns"])
def test_encoder(suffix: str) -> None:
    codes = model().encode(io()["x" + suffix])
    assert differ(codes.structure, io()["structure" + suffix]) < TOLERANCE
    assert differ(codes.texture, io()["texture" + suffix]) < TOLERANCE


def stored(layer: int, like: Tensor) -> Tensor:
    """The fixture's noise: one tensor for both layers of a block."""
    return io()[f"noise.{layer // 2}"]


def test_generator() -> None:
    structure, texture, generator = io()["structure"], io()["texture"], model().generator
    for name, source in (("nonoise", lambda layer, like: None), ("noise", stored)):
        assert differ(generator(structure, texture, source), io()[f"rec_{name}"]) < TOLERANCE
        assert differ(generator(structure[:1], texture[1:], source), io()[f"swap_{name}"]) < TOLERANCE


def test_pictures_to_features_and_to_pictures() -> None:
    codes, wide = model().encode(io()["x"]), model().encode(io()["x_ns"])
    assert differ(model().encoder.trunk(io()["x"]), io()["act.E.stem"]) < TOLERANCE
    assert differ(model().decode(codes, noise="none"), io()["rec_nonoise"]) < TOLERANCE
    assert differ(model().decode(codes[0].mix(codes[1], texture=1), noise="none"), io()["swap_nonoise"]) < TOLERANCE
    assert differ(model().decode(wide, noise="none"), io()["rec_ns_nonoise"]) < TOLERANCE


# -- encode and decode ------------------------------------------------------------------------------------------------


def test_any_size_comes_back() -> None:
    codes = model().encode(pictures(1, 71, 90))
    assert codes.structure.shape[2:] == (5, 6)
    assert model().decode(codes).shape == (1, 3, 71, 90)


def test_the_smallest_picture_is_as_large_as_it_must_be() -> None:
    refused("64 x 63 pixels is too small for .* which needs 64 a side", model().encode, torch.zeros(1, 3, 63, 64))
    with pytest.raises(RuntimeError):  # and is so for a reason
        model().encoder(torch.zeros(1, 3, 48, 64))


def test_textures_are_not_normalised_and_mix_linearly() -> None:
    a, b = model().encode(io()["x"])
    halfway = a.mix(b, texture=0.5)
    torch.testing.assert_close(halfway.texture, (a.texture + b.texture) / 2)
    torch.testing.assert_close((a + 2 * (b + -1 * a)).texture, 2 * b.texture - a.texture)
    assert abs(a.texture.norm() - 1) > 0.1
    assert differ(model().decode(2 * a, noise="none"), model().decode(a, noise="none")) > 1e-2


# -- textures that vary over the picture ------------------------------------------------------------------------------


def test_a_constant_texture_map_is_a_texture() -> None:
    texture = io()["texture"][:, :, None, None].expand(-1, -1, 3, 2)
    assert differ(model().decode(SwapCodes(io()["structure"], texture), noise="none"), io()["rec_nonoise"]) < TOLERANCE


def test_regions_have_the_texture_they_are_given() -> None:
    """Half of a wide picture has one texture, half another: far from the seam, each is as if alone."""
    cells, far = 48, 16 * 10  # pixels out of the seam's reach
    structure = torch.randn(1, 8, 4, cells, generator=torch.Generator().manual_seed(0))
    left, right = (texture[None, :, None, None].expand(-1, -1, 1, cells // 2) for texture in io()["texture"])
    both = model().decode(SwapCodes(structure, torch.cat([left, right], dim=3)))
    for texture, part in ((io()["texture"][:1], slice(None, far)), (io()["texture"][1:], slice(-far, None))):
        alone = model().decode(SwapCodes(structure, texture))
        assert differ(both[..., part], alone[..., part]) < 1e-5
    assert differ(both[..., :far], alone[..., :far]) > 1e-2


def test_every_position_is_demodulated_by_its_own_style() -> None:
    """With a kernel of one pixel there are no neighbours, and the map is exact."""
    torch.manual_seed(0)
    conv, x, texture, bias = StyleConv(6, 4, 1, 5), torch.randn(2, 6, 3, 2), torch.randn(2, 5, 3, 2), torch.randn(4)
    ours = conv(x, texture, bias, 1.5)
    for row in range(3):
        for column in range(2):
            style = conv.modulation.affine(texture[..., row, column])
            kernel = conv.weight[None, :, :, 0, 0] / 6**0.5 * style[:, None]
            kernel = kernel / kernel.square().sum(2, keepdim=True).sqrt()
            want = 1.5 * (torch.einsum("noc,nc->no", kernel, x[..., row, column]) + bias)
            assert differ(ours[..., row, column], want) < 1e-5


# -- reading ----------------------------------------------------------------------------------------------------------


def changed(**entries: object) -> Contents:
    """The checkpoint with some entries replaced; None leaves one out."""
    assert isinstance(contents().tree, dict)
    tree = {**contents().tree, **entries}
    return replace(contents(), tree={name: value for name, value in tree.items() if value is not None})


def state(part: str, **entries: Tensor | None) -> dict[str, Tensor]:
    """One of its state dicts with some tensors replaced; None leaves one out."""
    assert isinstance(contents().tree, dict)
    merged = {**contents().tree[part], **entries}
    return {name: tensor for name, tensor in merged.items() if tensor is not None}


def test_shapes_tell_the_configuration() -> None:
    file = rosinality_swapping.read(contents())
    assert file is not None
    assert file.config == RosinalityConfig(size=64, width=2, structure_channels=8)
    assert file.notes == ("Only the autoencoder is read, not cooccur.",)
    count = sum(tensor.numel() for tensor in file.tensors.values())
    assert count == sum(json.loads((ROOT / "options.json").read_text())["parameter_counts"][part] for part in "eg")


def test_plain_args() -> None:
    file = rosinality_swapping.read(open_contents(ROOT / "checkpoint_plain_args.pt"))
    assert file is not None
    assert (file.config.to_dict()["size"], file.notes) == (64, ())
    assert differ(made(file).decode(model().encode(io()["x"]), noise="none"), io()["rec_nonoise"]) < TOLERANCE


def test_the_training_script_s_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    with lzma.open(ROOT / "checkpoint_full.pt.xz") as packed, path.open("wb") as plain:
        shutil.copyfileobj(packed, plain)
    whole = open_contents(path)
    file = rosinality_swapping.read(whole)
    assert file is not None
    assert file.notes == ("Only the autoencoder is read, not e, g, d, cooccur, g_optim, d_optim.",)
    assert differ(made(file).decode(model().encode(io()["x"]), noise="none"), io()["rec_nonoise"]) < TOLERANCE
    assert isinstance(whole.tree, dict)
    last = rosinality_swapping.read(
        replace(whole, tree={name: value for name, value in whole.tree.items() if name[1:] not in ("_ema", "args")})
    )
    assert last is not None
    assert "averages, e_ema and g_ema: the weights of the last step" in " ".join(last.notes)
    assert last.config == file.config  # the size as the discriminator tells
    assert differ(made(last).encode(io()["x"]).texture, io()["texture"]) > 1e-2


@pytest.mark.parametrize(
    ("args", "note"),
    [
        (None, "does not tell the size of its training pictures; 256 px is a guess, use --size"),
        ("lost", "does not tell the size"),
        ({"size": 128}, ""),
        ({"size": 128, "channel": 32}, "Its args say channel 32, but its weights are of 2"),
        (Record(Name("argparse", "Namespace"), (), state={"size": 128, "channel": 2}), ""),
    ],
)
def test_args_are_a_check_and_tell_the_size(args: object, note: str) -> None:
    file = rosinality_swapping.read(changed(args=args, cooccur=None))
    assert file is not None
    assert note in " ".join(file.notes)
    assert bool(file.notes) == bool(note)
    assert file.config.to_dict() == {"size": 128 if "size" in repr(args) else 256, "width": 2, "structure_channels": 8}


def test_a_discriminator_knows_the_size_better_than_args() -> None:
    judge = {f"module.convs.{i}.conv2.1.weight": torch.zeros(1) for i in range(1, 6)}
    file = rosinality_swapping.read(changed(d=judge))
    assert file is not None
    assert file.config.to_dict()["size"] == 128
    assert "Its args say 64 px, but its discriminator judges 128 px." in file.notes


def test_wrapped_networks() -> None:
    wrapped = {part: {f"module.{name}": value for name, value in state(part).items()} for part in ("e_ema", "g_ema")}
    assert differ(made(rosinality_swapping.read(changed(**wrapped))).encode(io()["x"]).texture, io()["texture"]) < 1e-6


def test_what_does_not_fit_is_listed() -> None:
    extra = {"extra.weight": torch.zeros(1), "stem.1.skip.1.weight": torch.zeros(4, 2, 3, 3)}
    says = r"checkpoint\.pt does not fit .*: e_ema\.texture\.3\.1\.bias is missing; e_ema\.extra\.weight is unknown; "
    says += r"e_ema\.stem\.1\.skip\.1\.weight is \(4, 2, 3, 3\), not \(4, 2, 1, 1\)\."
    encoder = state("e_ema", **{"texture.3.1.bias": None, **extra})
    refused(says, rosinality_swapping.read, changed(e_ema=encoder))


@pytest.mark.parametrize(
    ("part", "name", "value", "words"),
    [
        ("e_ema", "stem.0.0.weight", None, "e_ema.stem.0.0.weight is missing"),
        ("e_ema", "stem.0.0.weight", torch.zeros(()), "e_ema.stem.0.0.weight is a number"),
        ("e_ema", "stem.0.0.weight", torch.zeros(1).expand(10**6), "width must be between 1 and 256, not 1000000"),
        ("e_ema", "structure.1.0.weight", "none", "e_ema.structure.1.0.weight is no tensor"),
        ("e_ema", "texture.0.0.kernel", torch.ones(4, 4) / 16, r"e_ema.texture.0.0.kernel is another filter than \(1"),
        ("e_ema", "texture.0.0.kernel", torch.ones(2, 2) / 4, "e_ema.texture.0.0.kernel is another filter"),
        ("g_ema", "layers.0.conv1.conv.blur.kernel", torch.ones(4, 4), "blur.kernel is unknown"),
        ("g_ema", "layers.5.skip.0.weight", torch.zeros(32, 32), r"layers.5.skip.0.weight is \(32, 32\), not"),
        ("g_ema", "layers.7.skip.0.weight", torch.zeros(8, 16, 1, 1), r"\(8, 16, 1, 1\), not \(16, 8, 1, 1\)"),
    ],
)
def test_refusals(part: str, name: str, value: Tensor | None, words: str) -> None:
    refused(words, rosinality_swapping.read, changed(**{part: state(part, **{name: value})}))


def test_the_doubling_filters_differ_in_gain() -> None:
    kernel = state("g_ema")["layers.4.skip.1.kernel"]
    assert torch.equal(4 * kernel, state("g_ema")["layers.4.conv1.conv.blur.kernel"])
    strong = changed(g_ema=state("g_ema", **{"layers.4.skip.1.kernel": 4 * kernel}))
    refused(r"layers\.4\.skip\.1\.kernel is another filter", rosinality_swapping.read, strong)


def test_an_encoder_alone_and_other_sizes_are_refused() -> None:
    for size in (48, 100, 0):
        refused(r"size must be", RosinalityConfig, size=size)
    refused("an encoder, e_ema, without its generator, g_ema", rosinality_swapping.read, changed(g_ema=None))


@pytest.mark.parametrize("tree", [[], {}, {"g_ema": {"conv1.conv.weight": torch.zeros(1)}}, {"e": 1, "g": 2}])
def test_other_files_are_left_to_other_readers(tree: object) -> None:
    assert rosinality_swapping.read(replace(contents(), tree=tree)) is None
    assert southampton.read(replace(contents(), tree=tree)) is None


def test_names_and_shapes_of_the_full_size() -> None:
    layout, config = json.loads((ROOT / "full_layout_256.json").read_text()), RosinalityConfig()
    with torch.device("meta"):
        shapes = {name: tuple(tensor.shape) for name, tensor in RosinalityAutoencoder(config).state_dict().items()}
    table = rosinality_swapping.names(config, average=False)
    assert table.keys() == shapes.keys()
    ours = {table[name]: rosinality_swapping.stored_shape(name, shape) for name, shape in shapes.items()}
    ours |= dict.fromkeys(rosinality_swapping.kernels(config, average=False), (4, 4))
    assert ours == {f"{part}.{name}": tuple(at["shape"]) for part in "eg" for name, at in layout[part]["keys"].items()}
    for part, counted in (("e", "encoder."), ("g", "generator.")):
        sizes = [torch.Size(shape).numel() for name, shape in shapes.items() if name.startswith(counted)]
        assert sum(sizes) == layout[part]["parameters"]


def test_the_southampton_reproduction_is_refused_with_the_reason() -> None:
    theirs = replace(contents(), tree=dict.fromkeys(southampton.THEIRS, torch.zeros(1)))
    refused(r"University of Southampton.* ends in a 1x1 convolution", southampton.read, theirs)
