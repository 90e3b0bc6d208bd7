"""Upscalers: the three networks against references, files of others in every spelling, tiles against the whole."""

import numpy as np
import pytest
import torch
from claims import refused
from safetensors.torch import save_file
from tiny import differ, pictures

from graftlab.checkpoints.formats.upscalers import authors, compact, endings, numbered, real
from graftlab.checkpoints.load import load
from graftlab.checkpoints.native import save_model
from graftlab.config import CompactConfig, RDNConfig, RRDBConfig
from graftlab.editing import upscaling
from graftlab.editing.upscaling import upscale
from graftlab.images import l1
from graftlab.networks.upscalers import CompactUpscaler, RDNUpscaler, RRDBUpscaler, Upscaler


def drawn(network, config, seed=0) -> Upscaler:
    """With weights at random that are large enough for every one to matter."""
    torch.manual_seed(seed)
    model = network(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=1.2 / parameter[0].numel() ** 0.5 if parameter.ndim == 4 else 0.1)
    torch.nn.init.constant_([*model.modules()][-1].bias, 0.4)  # around the middle of the range
    return model.eval().requires_grad_(False)


def esrgan(seed=0, **sizes) -> Upscaler:
    return drawn(RRDBUpscaler, RRDBConfig(**{"width": 6, "growth": 4, "blocks": 2, **sizes}), seed)


def small(seed=0, **sizes) -> Upscaler:
    return drawn(CompactUpscaler, CompactConfig(**{"width": 6, "convolutions": 3, **sizes}), seed)


def rdn(seed=0, **sizes) -> Upscaler:
    return drawn(RDNUpscaler, RDNConfig(**{"width": 6, "growth": 4, "blocks": 2, "convolutions": 2, **sizes}), seed)


MODELS = {
    "esrgan": esrgan,
    "esrgan x1": lambda: esrgan(doublings=2, unshuffle=4),
    "esrgan without doublings": lambda: esrgan(doublings=0),
    "esrgan x8": lambda: esrgan(doublings=3),
    "small": small,
    "rdn x3": lambda: rdn(factor=3),
}
each_model = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)


# -- the networks, in numpy -------------------------------------------------------------------------------------------


def convolved(x, weight, bias):
    """(C, H, W) by a convolution as a sum over its taps, in float64."""
    side = weight.shape[2]
    padded = np.pad(x, ((0, 0), *[(side // 2, side // 2)] * 2))
    taps = [(i, j) for i in range(side) for j in range(side)]
    shifted = [padded[:, i : i + x.shape[1], j : j + x.shape[2]] for i, j in taps]
    parts = (np.tensordot(weight[:, :, i, j], part, 1) for (i, j), part in zip(taps, shifted, strict=True))
    return sum(parts) + bias[:, None, None]


def repeated(x, factor):
    return x.repeat(factor, 1).repeat(factor, 2)


def leaky(x, slope=0.2):
    return np.where(x > 0, x, x * slope)


def reference_esrgan(conv, x, config):
    n = config.unshuffle
    height, width = x.shape[1] // n, x.shape[2] // n
    x = x.reshape(3, height, n, width, n).transpose(0, 2, 4, 1, 3).reshape(-1, height, width)
    first = y = conv("first", x)
    for i in range(config.blocks):
        z = y
        for j in range(3):
            seen = [z]
            for k in range(4):
                seen.append(leaky(conv(f"blocks.{i}.dense.{j}.convs.{k}", np.concatenate(seen))))
            z = z + 0.2 * conv(f"blocks.{i}.dense.{j}.convs.4", np.concatenate(seen))
        y = y + 0.2 * z
    y = first + conv("last_of_trunk", y)
    for i in range(config.doublings):
        y = leaky(conv(f"up.{i}", repeated(y, 2)))
    return conv("to_rgb", leaky(conv("fine", y)))


def reference_small(conv, x, config):
    y = x
    for i in range(config.convolutions + 1):
        y = conv(f"convs.{i}", y)
        y = leaky(y, conv.weights[f"slopes.{i}.weight"][:, None, None])
    y, n = conv("to_pixels", y), config.factor
    y = y.reshape(3, n, n, *x.shape[1:]).transpose(0, 3, 1, 4, 2).reshape(3, n * x.shape[1], n * x.shape[2])
    return y + repeated(x, n)


def reference_rdn(conv, x, config):
    first = conv("first", x)
    y, passed = conv("second", first), []
    for i in range(config.blocks):
        seen = [y]
        for j in range(config.convolutions):
            seen.append(np.maximum(conv(f"blocks.{i}.convs.{j}", np.concatenate(seen)), 0))
        y = y + conv(f"blocks.{i}.fuse", np.concatenate(seen))
        passed.append(y)
    y = first + conv("fuse.1", conv("fuse.0", np.concatenate(passed)))
    y = np.maximum(conv("before_up.1", np.maximum(conv("before_up.0", y), 0)), 0)
    return conv("to_rgb", repeated(conv("before_up.2", y), config.factor))


REFERENCES = {RRDBUpscaler: reference_esrgan, CompactUpscaler: reference_small, RDNUpscaler: reference_rdn}


@each_model
def test_networks_draw_what_their_papers_say(make):
    model = make()
    weights = {name: tensor.double().numpy() for name, tensor in model.state_dict().items()}

    def conv(name, x):
        return convolved(x, weights[f"{name}.weight"], weights[f"{name}.bias"])

    conv.weights = weights
    images = pictures(1, 12, 16)
    wanted = REFERENCES[type(model)](conv, (images[0].double().numpy() + 1) / 2, model.config) * 2 - 1
    found = model(images)
    assert found.shape == (1, 3, 12 * model.factor, 16 * model.factor)
    assert differ(found.double(), torch.from_numpy(wanted)[None]) < 1e-5
    assert l1(found, found.mean(dim=(2, 3), keepdim=True).expand_as(found)).item() > 0.02  # it is a picture


# -- tiles ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "batch"), [*((make, 1) for make in MODELS.values()), (small, 2)], ids=[*MODELS, "two pictures"]
)
def test_tiles_equal_the_whole(make, batch, monkeypatch):
    model = make()
    images = pictures(batch, 92, 68) * 0.5
    whole = model(images).clamp(-1, 1)
    monkeypatch.setattr(upscaling, "FINE_TILE", 12 * model.factor)  # many pieces in a tile
    seen = []
    trunk = model.trunk
    monkeypatch.setattr(model, "trunk", lambda x: seen.append(x.shape) or trunk(x))
    found = upscale(model, images, tile=24)
    assert differ(found, whole) < 5e-5
    assert len(seen) == 4 * 3
    assert max(shape[2] for shape in seen) <= 24 + 2 * model.cell * (model.trunk_reach + model.draw_reach)


@each_model
def test_a_network_sees_as_far_as_it_says(make):
    """By the gradient of one cell's pixels, in which no influence is rounded away."""
    model = make().double()
    side, middle = 72, 36
    x = torch.rand(1, 3, side * model.cell, side * model.cell, dtype=torch.float64, requires_grad=True)
    pixels = slice(middle * model.cell * model.factor, (middle + 1) * model.cell * model.factor)
    model._draw(model._trunk(x), x)[..., pixels, pixels].sum().backward()
    rows = x.grad.abs().sum((0, 1, 3)).reshape(side, model.cell).sum(1).nonzero().flatten()
    reach = model.trunk_reach + model.draw_reach
    assert reach - 1 <= max(middle - rows.min().item(), rows.max().item() - middle) <= reach


def test_sides_that_the_cell_does_not_divide_are_continued_and_cropped():
    model = esrgan(doublings=2, unshuffle=2)
    image = pictures(1, 31, 25)
    assert upscale(model, image).shape == (1, 3, 62, 50)
    even = torch.nn.functional.pad(image, (0, 1, 0, 1), mode="replicate")
    assert torch.equal(upscale(model, image), upscale(model, even)[..., :62, :50])


# -- factors and refusals ---------------------------------------------------------------------------------------------


def test_other_factors_than_the_network_has():
    model, image = rdn(factor=2), pictures(1, 16, 20) * 0.5
    twice = model(image)
    four = model(twice.clamp(-1, 1)).clamp(-1, 1)
    assert torch.allclose(upscale(model, image, 4), upscale(model, upscale(model, image)), atol=1e-6)
    assert upscale(model, image, 3).shape == (1, 3, 48, 60)
    assert l1(upscale(model, image, 3), torch.nn.functional.interpolate(four, size=(48, 60), mode="area")) < 0.05
    mends = esrgan(doublings=2, unshuffle=4)
    assert upscale(mends, image).shape == image.shape


def test_refusals(monkeypatch):
    model, image = rdn(), pictures(1, 16, 20)
    monkeypatch.setattr(upscaling, "MAX_PIXELS", 16 * 20 * 16)
    monkeypatch.setattr(model, "trunk", None)  # no work is done
    for factor, picture, says in (
        (5, image, "would have 0 million after upscaling by 16"),
        (None, pictures(1, 16, 21), "20 million|choose a smaller factor or a smaller picture"),
        (0, image, "not by 0"),
        (2, image[0], r"are \(N, 3, H, W\)"),
    ):
        refused(says, upscale, model, picture, factor)
    refused("keeps the size", upscale, esrgan(doublings=2, unshuffle=4), image, 2)
    refused("--tile", upscale, model, image, tile=0)


# -- files ------------------------------------------------------------------------------------------------------------

LAYOUTS = {
    "numbered": (numbered, lambda: esrgan(doublings=1)),
    "numbered x4": (numbered, esrgan),
    "numbered x1": (numbered, lambda: esrgan(doublings=0)),
    "authors": (authors, esrgan),
    "authors x2": (authors, lambda: esrgan(doublings=1)),
    "Real-ESRGAN": (real, esrgan),
    "Real-ESRGAN x2": (real, lambda: esrgan(doublings=2, unshuffle=2)),
    "Real-ESRGAN x1": (real, lambda: esrgan(doublings=2, unshuffle=4)),
    "small": (compact, small),
    "small x2": (compact, lambda: small(factor=2, convolutions=0)),
}


def theirs(model, names):
    """A state dict as others keep it, built from the table that is read with."""
    table = [(f"{a}.{end}", f"{b}.{end}") for a, b in names(model.config) for end in endings(a)]
    state = model.state_dict()
    assert sorted(a for a, _ in table) == sorted(state)
    return {b: state[a].clone() for a, b in table}


@pytest.mark.parametrize(("names", "make"), LAYOUTS.values(), ids=LAYOUTS)
def test_every_spelling_opens(names, make, tmp_path):
    model = make()
    state, path = theirs(model, names), tmp_path / "x.pth"
    worse = {name: torch.zeros_like(tensor) for name, tensor in state.items()}
    wrapped = {
        "plain": state,
        "params": {"params": state},
        "average": {"params": worse, "params_ema": state},
        "state_dict": {"state_dict": state, "epoch": 3},
        "module": {f"module.{name}": tensor for name, tensor in state.items()},
        "trainer": {
            "epoch": 3,
            "state_dict": {
                **{f"net_g.{name}": tensor for name, tensor in worse.items()},
                **{f"net_g_ema.module.{name}": tensor for name, tensor in state.items()},
            },
        },
    }
    image = pictures(1, 16, 16)
    for tree in wrapped.values():
        torch.save(tree, path)
        opened = load(path, device="cpu")
        assert opened.config == model.config
        assert torch.equal(opened(image), model(image))
    torch.save({name: tensor.half() for name, tensor in state.items()}, path)
    assert differ(load(path, device="cpu")(image), model(image)) < 0.01
    save_file(state, tmp_path / "x.safetensors")
    assert torch.equal(load(tmp_path / "x.safetensors", device="cpu")(image), model(image))


def test_the_spellings_are_those_of_the_published_files():
    """Names and numbers of ESRGAN's RRDB_ESRGAN_x4_old_arch.pth and RRDB_ESRGAN_x4.pth, RealESRGAN_x4plus.pth and
    realesr-general-x4v3.pth."""
    config = RRDBConfig()
    for names, told in (
        (numbered, "model.0 model.1.sub.22.RDB3.conv5.0 model.1.sub.23 model.3 model.6 model.8 model.10"),
        (authors, "conv_first RRDB_trunk.22.RDB3.conv5 trunk_conv upconv1 upconv2 HRconv conv_last"),
        (real, "conv_first body.22.rdb3.conv5 conv_body conv_up1 conv_up2 conv_hr conv_last"),
    ):
        modules = [name for _, name in names(config)]
        assert [name for name in modules if name in told.split()] == told.split()
        assert len(modules) == 23 * 15 + 6
    modules = [name for _, name in compact(CompactConfig())]
    assert (modules[0], modules[1], modules[-2], modules[-1]) == ("body.0", "body.1", "body.65", "body.66")


@pytest.mark.parametrize("make", [esrgan, small, rdn])
def test_our_own_files_keep_them(make, tmp_path):
    model, path = make(), tmp_path / "x.safetensors"
    save_model(path, model, half=True)
    image = pictures(1, 16, 16)
    assert differ(load(path, device="cpu")(image), model(image)) < 0.01


def damaged(state, how):
    first = next(name for name in state if state[name].ndim == 4)
    if how == "missing":
        del state[list(state)[-1]]
    elif how == "unknown":
        state["attention.weight"] = torch.zeros(3, 3, 1, 1)
    elif how == "no convolution":
        state[first] = torch.zeros(3)
    elif how == "no tensor":
        state[first] = "text"
    elif how == "another shape":
        state[list(state)[-1]] = torch.zeros(7)
    return state


@pytest.mark.parametrize("layout", ["numbered", "authors", "Real-ESRGAN", "small"])
def test_files_that_do_not_fit_are_refused(layout, tmp_path):
    (names, make), path = LAYOUTS[layout], tmp_path / "x.pth"
    for how in ("missing", "unknown", "no convolution", "no tensor", "another shape"):
        torch.save({"params": damaged(theirs(make(), names), how)}, path)
        refused(r"x\.pth (does not fit|is no upscaler|is an upscaler)", load, path, device="cpu")
    state = theirs(make(), names)
    *_, last = convolutions = [name for name in state if state[name].ndim == 4]
    gray = {last: state[last][:4]} if layout == "small" else {convolutions[0]: state[convolutions[0]][:, :1]}
    torch.save({"params": {**state, **gray}}, path)
    refused("pictures that are not in three colours", load, path, device="cpu")
    torch.save({"params": {"conv_first.weight": torch.zeros(4, 3, 3, 3), "layers.0.norm.weight": torch.zeros(4)}}, path)
    refused("of a kind that graftlab does not know; it reads those of ESRGAN", load, path, device="cpu")
