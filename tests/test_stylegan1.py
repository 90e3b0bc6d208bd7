"""The first StyleGAN, from a pickle of NVIDIA's TensorFlow code made here: no file of theirs is small enough.

What the pictures must be is computed apart, from the paper and from what TensorFlow's operations are documented to do.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
import torch.nn.functional as F
from claims import refused
from test_tensorflow import file_of, network, put
from tiny import differ
from torch import Tensor

from graftlab.blending.blend import blend
from graftlab.blending.channels import channels, features_at, features_of
from graftlab.blending.weights import layer_swap
from graftlab.checkpoints.build import build
from graftlab.checkpoints.load import load
from graftlab.checkpoints.native import save_model
from graftlab.checkpoints.readers import read_model
from graftlab.codes import StyleCodes
from graftlab.editing.style_directions import sefa
from graftlab.inversion.encoder import Encoder
from graftlab.inversion.photos import invert
from graftlab.inversion.search import Centre
from graftlab.networks.affines import affines
from graftlab.networks.stylegan1 import StyleGAN1

NEAR = 2e-5  # of a tensor's largest value
WIDTHS = (6, 5, 4, 4)  # of features of 4 to 32 pixels
Z, W, DEPTH = 5, 7, 2

State = dict[str, Any]


# -- a file of theirs, and its pictures -------------------------------------------------------------------------------


def states(**options: Any) -> State:
    """The averaged generator's state."""
    random = np.random.RandomState(0)

    def draw(*shape: int) -> np.ndarray:
        return random.standard_normal(shape).astype(np.float32)

    def layer(scope: str, inputs: int, width: int) -> State:
        kernel = {f"{scope}/weight": draw(3, 3, inputs, width)} if inputs else {}
        styles = {f"{scope}/StyleMod/weight": draw(W, 2 * width), f"{scope}/StyleMod/bias": draw(2 * width)}
        return kernel | {f"{scope}/Noise/weight": draw(width), f"{scope}/bias": draw(width)} | styles

    mapping: State = {}
    for index, inputs in enumerate([Z, *[W] * (DEPTH - 1)]):
        mapping |= {f"Dense{index}/weight": draw(inputs, W) / 0.01, f"Dense{index}/bias": draw(W) / 0.01}
    synthesis: State = {"lod": np.float32(0), "4x4/Const/const": draw(1, WIDTHS[0], 4, 4)}
    synthesis |= layer("4x4/Const", 0, WIDTHS[0]) | layer("4x4/Conv", WIDTHS[0], WIDTHS[0])
    for block, width in enumerate(WIDTHS[1:], 1):
        scope = f"{4 * 2**block}x{4 * 2**block}"
        synthesis |= layer(f"{scope}/Conv0_up", WIDTHS[block - 1], width) | layer(f"{scope}/Conv1", width, width)
    for block, width in enumerate(WIDTHS):
        lod = len(WIDTHS) - 1 - block
        synthesis |= {f"ToRGB_lod{lod}/weight": draw(1, 1, width, 3), f"ToRGB_lod{lod}/bias": draw(3)}
        for number in (2 * block, 2 * block + 1):
            synthesis[f"noise{number}"] = draw(1, 1, 4 * 2**block, 4 * 2**block)
    parts = {
        "mapping": network("G_mapping", "G_mapping", mapping),
        "synthesis": network("G_synthesis", "G_synthesis", synthesis),
    }
    own = {"lod": np.float32(0), "dlatent_avg": draw(W)}
    options = {"num_channels": 3, "resolution": 32, "label_size": 0} | options
    return network("Gs", "G_style", own, static_kwargs=options, components=parts)


def tensors(state: State, part: str) -> dict[str, Tensor]:
    return {name: torch.as_tensor(value).double() for name, value in state["components"][part]["variables"]}


def mapped(state: State, z: Tensor) -> Tensor:
    """w (N, Cw), without truncation."""
    x = z / z.square().mean(1, keepdim=True).add(1e-8).sqrt()
    known = tensors(state, "mapping")
    for index in range(DEPTH):
        weight, bias = known[f"Dense{index}/weight"], known[f"Dense{index}/bias"]
        x = F.leaky_relu(x @ weight * (2 / len(weight)) ** 0.5 * 0.01 + bias * 0.01, 0.2)
    return x


def drawn(state: State, w: Tensor, least: int) -> Tensor:
    """The pictures of w (N, L, Cw) with the constant noise; `least` pixels a side are the first with fused scaling."""
    known = tensors(state, "synthesis")

    def kernel(scope: str) -> Tensor:
        weight = known[f"{scope}/weight"]
        return weight.permute(3, 2, 0, 1) * (2 / weight[..., 0].numel()) ** 0.5

    def ended(x: Tensor, scope: str, number: int) -> Tensor:
        strength, bias = (known[f"{scope}/{name}"][:, None, None] for name in ("Noise/weight", "bias"))
        x = F.leaky_relu(x + known[f"noise{number}"] * strength + bias, 0.2)
        x = x - x.mean((2, 3), keepdim=True)
        x = x / x.square().mean((2, 3), keepdim=True).add(1e-8).sqrt()
        style = w[:, number] @ known[f"{scope}/StyleMod/weight"] / W**0.5 + known[f"{scope}/StyleMod/bias"]
        scale, shift = style.reshape(len(w), 2, -1, 1, 1).unbind(1)
        return x * (scale + 1) + shift

    def doubled(x: Tensor, scope: str) -> Tensor:
        weight = kernel(scope)
        if 2 * x.shape[2] >= least:
            wide = torch.zeros(*weight.shape[:2], 4, 4, dtype=weight.dtype)
            for y in (0, 1):
                for across in (0, 1):
                    wide[:, :, y : y + 3, across : across + 3] += weight
            x = F.conv_transpose2d(x, wide.transpose(0, 1), stride=2, padding=1)
        else:
            x = F.conv2d(x.repeat_interleave(2, 2).repeat_interleave(2, 3), weight, padding=1)
        taps = torch.tensor([1.0, 2.0, 1.0], dtype=x.dtype) / 4
        return F.conv2d(x, torch.outer(taps, taps).expand(x.shape[1], 1, 3, 3), padding=1, groups=x.shape[1])

    x = ended(known["4x4/Const/const"].expand(len(w), -1, -1, -1), "4x4/Const", 0)
    x = ended(F.conv2d(x, kernel("4x4/Conv"), padding=1), "4x4/Conv", 1)
    for block in range(1, len(WIDTHS)):
        scope = f"{4 * 2**block}x{4 * 2**block}"
        x = ended(doubled(x, f"{scope}/Conv0_up"), f"{scope}/Conv0_up", 2 * block)
        x = ended(F.conv2d(x, kernel(f"{scope}/Conv1"), padding=1), f"{scope}/Conv1", 2 * block + 1)
    weight = known["ToRGB_lod0/weight"]
    rgb = F.conv2d(x, weight.permute(3, 2, 0, 1) / weight.shape[2] ** 0.5)
    return rgb + known["ToRGB_lod0/bias"][:, None, None]


@pytest.mark.parametrize(("fused", "least"), [("auto", 128), (True, 0), (False, 1024)])
def test_codes_and_pictures(fused: object, least: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = states(fused_scale=fused)
    check(state, tmp_path, least)
    if fused == "auto":  # 32 pixels are too few for the change of form; the rule is the same at any size
        monkeypatch.setattr("graftlab.checkpoints.formats.tensorflow_stylegan1.FUSED", 16)
        check(state, tmp_path, 16)


def check(state: State, folder: Path, least: int) -> None:
    file = read_model(file_of((None, None, state), folder / "network.pkl"))
    assert file is not None
    assert (file.kind, file.notes) == ("stylegan1", ())
    model = build(file)
    assert isinstance(model, StyleGAN1)
    z = torch.randn(2, Z, generator=torch.Generator().manual_seed(1))
    w, average = mapped(state, z.double()), torch.as_tensor(dict(state["variables"])["dlatent_avg"]).double()
    codes = model.map(z)
    assert differ(codes.w[:, 3].double(), w) < NEAR
    assert differ(model.map(z, psi=0.7).w[:, 0].double(), average + 0.7 * (w - average)) < NEAR
    rows = torch.linspace(0.5, 1.5, 8, dtype=torch.float64)[:, None] * w[:, None]  # of each layer another
    assert differ(model.decode(StyleCodes(rows.float())).double(), drawn(state, rows, least)) < NEAR


# -- our own use of it ------------------------------------------------------------------------------------------------


def test_our_file_holds_the_same(tmp_path: Path) -> None:
    model = tiny.stylegan1()
    save_model(tmp_path / "ours.safetensors", model)
    again = load(tmp_path / "ours.safetensors", StyleGAN1, device="cpu")
    assert again.config == model.config
    assert torch.equal(again.sample([7]), model.sample([7]))


def test_bfloat16_and_noise() -> None:
    model = tiny.stylegan1()
    exact = model.sample([7])
    assert not torch.equal(model.sample([7], noise="none"), exact)
    model.precision = torch.bfloat16
    assert 1e-6 < differ(model.sample([7]), exact) < 0.1


def test_inversion_directions_and_encoder() -> None:
    model = tiny.stylegan1()
    image = model.sample([5])
    found = invert(model, image, steps=40, features=0)
    assert (found.images - image).abs().mean() < 0.5 * (model.decode(model.codes_of([0], 0)) - image).abs().mean()
    assert [len(affines(model, [row])) for row in range(8)] == [2] * 8  # scales and shifts
    moved = sefa(affines(model, range(4)), model.codes_of, 2, range(4), count=100)
    assert not torch.equal(model.decode(moved.apply(model.codes_of([7]), {"factor 1": 2.0})), model.sample([7]))
    encoder = Encoder.of(model, Centre(model.mapping.average, 1.0), 8)
    assert encoder.encode(image).w.shape == (1, 8, 16)


def test_all_channels_of_a_layer_are_what_it_makes_and_who_reads_it() -> None:
    a, b = tiny.stylegan1(), tiny.stylegan1(1)
    features = features_at(a, 16)
    assert features.name == "synthesis.blocks.2.conv"
    assert len(features_of(a)) == 7  # all layers but the constant
    whole = blend(a, b, channels(features, torch.ones(features.channels))).state_dict()
    changed = {name for name, tensor in a.state_dict().items() if not torch.equal(whole[name], tensor)}
    mine = {name for name in whole if name.startswith(f"{features.name}.")}
    read = {name for name in whole if name.startswith("synthesis.blocks.3.up.") and name.count(".") > 4}
    assert changed == mine | read | {"synthesis.blocks.3.up.conv.weight"}
    assert not torch.equal(blend(a, b, layer_swap(16)).sample([3]), a.sample([3]))


# -- what is refused --------------------------------------------------------------------------------------------------


def part(name: str, **changes: Any) -> Callable[[State], None]:
    """Change variables of a component; "" is the network itself."""
    return lambda state: put(state["components"].get(name, state), **changes)


def options(**values: Any) -> Callable[[State], None]:
    return lambda state: state["static_kwargs"].update(values)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (options(use_instance_norm=False), "use_instance_norm=False, not True"),
        (options(blur_filter=None), r"blur_filter=None, not \[1, 2, 1\]"),
        (options(fused_scale="often"), "fused_scale='often'"),
        (options(num_channels=1), "num_channels=1, not 3"),
        (options(attention=True), "attention=True, which is unknown"),
        (part("mapping", LabelConcat__weight=np.zeros((3, Z))), "StyleGAN with classes"),
        (part("", lod=np.float32(2.5)), r"still grew \(lod 2.5\).*take a later snapshot"),
        (part("synthesis", **{"8x8/Conv1/StyleMod/bias": None}), "8x8/Conv1/StyleMod/scale/bias is missing"),
        (part("synthesis", **{"8x8/Conv1/extra": np.zeros(3)}), "8x8/Conv1/extra is unknown"),
        (part("synthesis", noise3=np.zeros((8, 7))), r"noise3 is \(8, 7\), not \(8, 8\)"),
        (part("synthesis", **{"8x8/Conv1/weight": np.float32(3)}), "other dimensions than StyleGAN's"),
    ],
)  # fmt: skip
def test_generators_that_do_not_fit(change: Callable[[State], None], told: str, tmp_path: Path) -> None:
    state = states()
    change(state)
    refused(told, read_model, file_of((None, None, state), tmp_path / "network.pkl"))
