"""The encoders of pSp, e4e and ReStyle: as their formulas say, read from files of their programs."""

from argparse import Namespace
from math import sqrt
from pathlib import Path

import pytest
import tiny
import torch
import torch.nn.functional as F
from claims import refused
from torch import Tensor

from graftlab.checkpoints.containers.contents import Contents
from graftlab.checkpoints.describe import describe, summary
from graftlab.checkpoints.formats.fitting import shapes_of
from graftlab.checkpoints.formats.psp import read
from graftlab.checkpoints.formats.rosinality_stylegan2 import to_rosinality
from graftlab.checkpoints.load import load
from graftlab.checkpoints.native import save_model
from graftlab.codes import Codes
from graftlab.config import PSPConfig
from graftlab.images import read as read_image
from graftlab.images import write
from graftlab.inversion.photos import name_encoder
from graftlab.inversion.published import read_encoder
from graftlab.networks.psp import PSPEncoder

SMALL = {"blocks": (2, 1, 1, 1), "widths": (16, 32, 48, 64), "styles": 8, "w_channels": 16, "size": 64}
CLASSES = {  # the authors' names -> what they are made of
    "GradualStyleEncoder": {},
    "Encoder4Editing": {"differences": True},
    "SingleStyleCodeEncoder": {"head": "w", "styles": 1, "size": 256},
    "BackboneEncoderUsingLastLayerIntoWPlus": {"head": "w+", "w_channels": 64, "size": 256},
    "ResNetGradualStyleEncoder": {"backbone": "resnet", "inputs": 6},
    "BackboneEncoder": {"head": "last", "inputs": 6},
    "ResNetBackboneEncoder": {"backbone": "resnet", "head": "last", "inputs": 6},
    "ProgressiveBackboneEncoder": {"head": "last", "inputs": 6, "differences": True},
    "ResNetProgressiveBackboneEncoder": {"backbone": "resnet", "head": "last", "inputs": 6, "differences": True},
}


def config_of(name: str) -> PSPConfig:
    return PSPConfig(**{**SMALL, **CLASSES[name]})


def weights(config: PSPConfig) -> dict[str, Tensor]:
    """At random, with the variances and the scales of normalisations above zero."""
    torch.manual_seed(0)
    state = PSPEncoder(config).state_dict()
    for name, tensor in state.items():
        if name.endswith("num_batches_tracked"):
            continue
        if tensor.ndim == 1:
            tensor.uniform_(0.3, 1.2) if name.endswith(("var", "weight")) else tensor.normal_(0, 0.3)
        elif not name.endswith("linear.weight"):
            tensor.normal_(0, 1 / sqrt(tensor[0].numel()))
    return state


def expected(config: PSPConfig, state: dict[str, Tensor], x: Tensor) -> Tensor:
    """The published formulas, one after the other: pSp section 3.1, e4e 5.1, ReStyle 3.2, ArcFace, ResNet."""

    def norm(name: str, x: Tensor) -> Tensor:
        mean, var, scale, shift = (
            state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return F.batch_norm(x, mean, var, scale, shift, eps=1e-5)

    def conv(name: str, x: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
        return F.conv2d(x, state[f"{name}.weight"], state.get(f"{name}.bias"), stride, padding)

    def equal_linear(name: str, x: Tensor) -> Tensor:
        return x @ (state[f"{name}.weight"] / sqrt(x.shape[1])).T + state[f"{name}.bias"]

    def face_unit(name: str, x: Tensor, stride: int) -> Tensor:
        around = x[:, :, ::stride, ::stride]
        if f"{name}.shortcut_layer.0.weight" in state:
            around = norm(f"{name}.shortcut_layer.1", conv(f"{name}.shortcut_layer.0", x, stride))
        y = conv(f"{name}.res_layer.1", norm(f"{name}.res_layer.0", x), 1, 1)
        y = torch.where(y > 0, y, y * state[f"{name}.res_layer.2.weight"][:, None, None])
        y = norm(f"{name}.res_layer.4", conv(f"{name}.res_layer.3", y, stride, 1))
        squeezed = conv(f"{name}.res_layer.5.fc1", y.mean((2, 3), keepdim=True)).clamp(min=0)
        return y / (1 + torch.exp(-conv(f"{name}.res_layer.5.fc2", squeezed))) + around

    def residual_unit(name: str, x: Tensor, stride: int) -> Tensor:
        around = x
        if f"{name}.downsample.0.weight" in state:
            around = norm(f"{name}.downsample.1", conv(f"{name}.downsample.0", x, stride))
        y = norm(f"{name}.bn1", conv(f"{name}.conv1", x, stride, 1)).clamp(min=0)
        return (norm(f"{name}.bn2", conv(f"{name}.conv2", y, 1, 1)) + around).clamp(min=0)

    def style(number: int, x: Tensor) -> Tensor:
        place = 0
        while f"styles.{number}.convs.{place}.weight" in state:
            x = F.leaky_relu(conv(f"styles.{number}.convs.{place}", x, 2, 1), 0.01)
            place += 2
        assert x.shape[2:] == (1, 1)
        return equal_linear(f"styles.{number}.linear", x[:, :, 0, 0])

    def laid_over(x: Tensor, y: Tensor) -> Tensor:
        return F.interpolate(x, y.shape[2:], mode="bilinear", align_corners=True) + y

    faces = config.backbone == "ir-se"
    x = norm("input_layer.1", conv("input_layer.0", x, 1, 1)) if faces else norm("bn1", conv("conv1", x, 2, 3))
    x = torch.where(x > 0, x, x * state["input_layer.2.weight" if faces else "relu.weight"][:, None, None])
    maps, number = [], 0
    for stage, blocks in enumerate(config.blocks):
        for block in range(blocks):
            stride = 1 if block or (stage == 0 and not faces) else 2
            x = (face_unit if faces else residual_unit)(f"body.{number}", x, stride)
            number += 1
        maps.append(x)
    if config.head == "w":
        return equal_linear("linear", x.mean((2, 3)))[:, None]
    if config.head == "w+":
        x = F.adaptive_avg_pool2d(norm("output_layer_2.0", x), 7).flatten(1)
        x = x @ state["output_layer_2.3.weight"].T + state["output_layer_2.3.bias"]
        return equal_linear("linear", x).reshape(len(x), config.styles, config.w_channels)
    if config.head == "last":
        rows = [style(i, x) for i in range(config.styles)]
    else:
        middle = laid_over(x, conv("latlayer1", maps[2]))
        fine = laid_over(middle, conv("latlayer2", maps[1]))
        rows = [style(i, x if i < 3 else middle if i < 7 else fine) for i in range(config.styles)]
    return torch.stack([row + rows[0] if config.differences and i else row for i, row in enumerate(rows)], 1)


@pytest.mark.parametrize("name", CLASSES)
def test_as_the_formulas_say(name: str) -> None:
    config = config_of(name)
    state, network = weights(config), PSPEncoder(config).eval()
    network.load_state_dict(state)
    x = torch.cat([tiny.pictures(2, 64, 64, seed) for seed in range(config.inputs // 3)], 1)
    with torch.no_grad():
        assert tiny.differ(network(x), expected(config, state, x)) < 1e-5


def test_the_real_ones_have_their_names_and_sizes() -> None:
    """As `state_dict` of the authors' classes lists them; sums as their papers' networks have."""

    def face_units() -> dict[str, tuple[int, ...]]:
        shapes = {"input_layer.0.weight": (64, 3, 3, 3), **bn("input_layer.1", 64), "input_layer.2.weight": (64,)}
        before = 64
        for i, wide in enumerate([64] * 3 + [128] * 4 + [256] * 14 + [512] * 3):
            unit = f"body.{i}.res_layer"
            shapes |= bn(f"{unit}.0", before) | {f"{unit}.1.weight": (wide, before, 3, 3), f"{unit}.2.weight": (wide,)}
            shapes |= {f"{unit}.3.weight": (wide, wide, 3, 3), **bn(f"{unit}.4", wide)}
            shapes |= {
                f"{unit}.5.fc1.weight": (wide // 16, wide, 1, 1),
                f"{unit}.5.fc2.weight": (wide, wide // 16, 1, 1),
            }
            if wide != before:
                around = f"body.{i}.shortcut_layer"
                shapes |= {f"{around}.0.weight": (wide, before, 1, 1), **bn(f"{around}.1", wide)}
            before = wide
        return shapes

    def residual_units() -> dict[str, tuple[int, ...]]:
        shapes = {"conv1.weight": (64, 6, 7, 7), **bn("bn1", 64), "relu.weight": (64,)}
        before = 64
        for i, wide in enumerate([64] * 3 + [128] * 4 + [256] * 6 + [512] * 3):
            unit = f"body.{i}"
            shapes |= {f"{unit}.conv1.weight": (wide, before, 3, 3), **bn(f"{unit}.bn1", wide)}
            shapes |= {f"{unit}.conv2.weight": (wide, wide, 3, 3), **bn(f"{unit}.bn2", wide)}
            if wide != before:
                shapes |= {f"{unit}.downsample.0.weight": (wide, before, 1, 1), **bn(f"{unit}.downsample.1", wide)}
            before = wide
        return shapes

    def bn(name: str, channels: int) -> dict[str, tuple[int, ...]]:
        parts = ("weight", "bias", "running_mean", "running_var")
        return {**{f"{name}.{part}": (channels,) for part in parts}, f"{name}.num_batches_tracked": ()}

    def styles(halvings: list[int]) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {}
        for i, count in enumerate(halvings):
            for place in range(0, 2 * count, 2):
                conv = f"styles.{i}.convs.{place}"
                shapes |= {f"{conv}.weight": (512, 512, 3, 3), f"{conv}.bias": (512,)}
            shapes |= {f"styles.{i}.linear.weight": (512, 512), f"styles.{i}.linear.bias": (512,)}
        return shapes

    lateral = {"latlayer1.weight": (512, 256, 1, 1), "latlayer1.bias": (512,)}
    lateral |= {"latlayer2.weight": (512, 128, 1, 1), "latlayer2.bias": (512,)}
    pyramid = styles([4] * 3 + [5] * 4 + [6] * 11)
    assert shapes_of(PSPEncoder, PSPConfig()) == face_units() | lateral | pyramid
    restyle = PSPConfig("resnet", (3, 4, 6, 3), inputs=6, head="last", styles=16)
    assert shapes_of(PSPEncoder, restyle) == residual_units() | styles([4] * 16)
    last = {"linear.weight": (18 * 512, 512), "linear.bias": (18 * 512,), **bn("output_layer_2.0", 512)}
    last |= {"output_layer_2.3.weight": (512, 512 * 49), "output_layer_2.3.bias": (512,)}
    assert shapes_of(PSPEncoder, PSPConfig(head="w+")) == face_units() | last
    one = {"linear.weight": (512, 512), "linear.bias": (512,)}
    assert shapes_of(PSPEncoder, PSPConfig(head="w", styles=1)) == face_units() | one


# -- files ------------------------------------------------------------------------------------------------------------


def checkpoint(name: str, generator: object = None, **changes: object) -> dict[str, object]:
    """What the authors' programs save."""
    config, model = config_of(name), generator or tiny.stylegan2(w_channels=config_of(name).w_channels)
    theirs = to_rosinality(model)
    state = {f"encoder.{key}": value for key, value in weights(config).items()}
    state |= {f"decoder.{key}": value for key, value in theirs["g_ema"].items()}
    opts = {"encoder_type": name, "start_from_latent_avg": True, "device": "cuda:0", "exp_dir": Path("out")}
    opts |= {"n_iters_per_batch": 2} if config.inputs == 6 else {}
    return {"state_dict": state, "opts": opts, "latent_avg": theirs["latent_avg"].repeat(8, 1), **changes}


def save(tree: object, name: str = "psp.pt") -> Path:
    torch.save(tree, name)
    return Path(name)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", CLASSES)
def test_sizes_are_told_by_shapes(name: str) -> None:
    tree = checkpoint(name)
    file = read(Contents(Path("psp.pt"), "torch zip", tree))
    assert (file.config, file.passes) == (config_of(name), 2 if file.config.inputs == 6 else 1)
    ours = "styles.0.linear.weight" if "styles.0.linear.weight" in file.tensors else "linear.weight"
    assert file.tensors[ours].data_ptr() == tree["state_dict"][f"encoder.{ours}"].data_ptr()


@pytest.mark.parametrize("name", ["Encoder4Editing", "SingleStyleCodeEncoder", "ResNetProgressiveBackboneEncoder"])
def test_w_are_counted_from_the_mean_and_by_restyle_again(name: str) -> None:
    path = save(checkpoint(name))
    generator = load(path, device="cpu")
    photos, average = tiny.pictures(2, 32, 32), generator.mapping.average
    found = read_encoder(path).fitting(generator).encode(photos)
    assert found.model == generator.fingerprint

    config, state = config_of(name), weights(config_of(name))
    large, w = F.interpolate(photos, (config.size,) * 2, mode="bilinear"), average.expand(2, 8, -1)
    for _ in range(2 if config.inputs == 6 else 1):
        drawn = F.adaptive_avg_pool2d(generator.decode(found.like(w.flatten(1))), config.size)
        w = w + expected(config, state, torch.cat([large, drawn], 1)[:, : config.inputs])
    assert tiny.differ(found.w, w) < 1e-4


def test_commands_take_both_parts_of_it(graft) -> None:
    path = save(checkpoint("GradualStyleEncoder"))
    write(tiny.pictures(1, 32, 32), "photo.png")
    assert graft("convert", "psp.pt", "own.safetensors").code == 0
    assert graft("invert", "photo.png", "-m", "own.safetensors", "--encoder", "psp.pt", "--features", "0").code == 0
    expected = read_encoder(path).fitting(load(path, device="cpu")).encode(read_image("photo.png"))
    assert torch.equal(Codes.load("codes.safetensors").w, expected.w)
    save_model(Path("other.safetensors"), tiny.stylegan2(seed=1))
    use = ("invert", "photo.png", "-m", "other.safetensors", "--encoder", "psp.pt", "--features", "0")
    assert "the encoder of another generator than other" in graft(*use).refusal()


def test_what_it_is_told_and_where_it_lies() -> None:
    tree = checkpoint("Encoder4Editing")
    plain = read_encoder(save(tree))
    tree["opts"] = Namespace(**tree["opts"])
    assert read_encoder(save(tree, "namespace.pt")).digest == plain.digest
    assert name_encoder(plain) == plain.digest != name_encoder("psp.pt")
    told = describe(Path("psp.pt"))
    assert (told["kind"], told["encoder"]) == ("stylegan2", "e4e's: 8 w of 16 numbers from pictures of 64 px (ir-se)")
    assert "e4e's" in summary(told)

    alone = {key: value for key, value in tree["state_dict"].items() if key.startswith("encoder.")}
    path = save({**tree, "state_dict": alone}, "alone.pt")
    assert "no model, it holds 3 entries (state_dict, opts, latent_avg)\n  encoder: e4e's: 8 w" in summary(
        describe(path)
    )
    kept = read_encoder(path).fitting(tiny.stylegan2()).encode(tiny.pictures(1))  # nothing tells that it is another's
    generator = load("psp.pt", device="cpu")
    assert torch.equal(kept.w, plain.fitting(generator).encode(tiny.pictures(1)).w)

    tree["opts"].start_from_latent_avg = False
    free = read_encoder(save(tree, "free.pt")).fitting(generator).encode(tiny.pictures(1))
    assert torch.allclose(free.w + generator.mapping.average, kept.w, atol=1e-5)


def test_cars_are_seen_through_a_wide_window() -> None:
    tree = checkpoint("Encoder4Editing")
    tree["opts"]["dataset_type"] = "cars_encode"
    path = save(tree)
    encoder, photos = read_encoder(path).fitting(load(path, device="cpu")), tiny.pictures(1, 64, 64)
    changed = photos.clone()
    changed[:, :, :8] = changed[:, :, 56:] = 1
    assert torch.equal(encoder.encode(photos).w, encoder.encode(changed).w)


def test_kin_of_its_generator_but_no_other() -> None:
    path = save(checkpoint("GradualStyleEncoder"))
    encoder, kin = read_encoder(path), tiny.stylegan2(seed=1)
    kin.fingerprint, kin.name = "b" * 64, "other"
    refused(
        r"psp\.pt is the encoder of another generator than other: use its own \('graft convert", encoder.fitting, kin
    )
    kin.about = {"parent": encoder.model}
    assert encoder.fitting(kin).encode(tiny.pictures(1)).model == kin.fingerprint
    wide = tiny.stylegan2(channels=(16, 16, 8, 8, 4))
    refused("it finds 8 w of 16 numbers, and this model draws 10 of 16", encoder.fitting, wide)


def without(tree: dict[str, object], *names: str) -> dict[str, object]:
    """A checkpoint that lacks some of its entries, or of its options."""
    opts = {key: value for key, value in tree["opts"].items() if key not in names}
    return {key: value for key, value in {**tree, "opts": opts}.items() if key not in names}


def test_what_is_refused() -> None:
    def tell(tree: object, words: str) -> None:
        refused(words, read_encoder, save(tree, "bad.pt"))

    psp, restyle = checkpoint("GradualStyleEncoder"), checkpoint("BackboneEncoder")
    state = psp["state_dict"]
    plain = {key.removeprefix("encoder."): value for key, value in state.items() if key.startswith("encoder.")}
    faces = {key: value for key, value in plain.items() if key.startswith(("input_layer", "body"))}
    tell({**faces, "output_layer.3.weight": torch.zeros(3, 3)}, "recognises things .* and none that finds codes")
    tell(plain, "names no class that is known")
    tell(without(psp, "encoder_type"), r"opts\.encoder_type: None")
    tell(without(psp, "latent_avg"), r"no mean of w \(latent_avg\); give the file as its program saved it")
    tell(without(restyle, "latent_avg", "start_from_latent_avg"), r"no picture to begin with \(latent_avg\)")
    tell({**psp, "latent_avg": torch.zeros(3, 16)}, "latent_avg is not 8 w of 16 numbers")
    tell({**restyle, "opts": {**restyle["opts"], "n_iters_per_batch": 10**9}}, "wants 1000000000 passes")
    for name, value, words in (
        ("input_layer.0.weight", torch.zeros(16, 19, 3, 3), "pictures of 19 channels"),
        ("body.1.res_layer.5.fc1.weight", torch.zeros(2, 16, 1, 1), r"fc1\.weight is \(2, 16, 1, 1\), not"),
        ("body.0.res_layer.1.weight", torch.zeros(3), r"body\.0\.res_layer\.1\.weight is \(3,\)"),
        ("body.2.res_layer.1.weight", torch.zeros(16, 16, 3, 3), "must be 4 whole numbers"),
        ("styles.0.linear.bias", torch.full((16,), torch.nan), "no finite numbers"),
        ("styles.0.linear.bias", 3, "is no tensor"),
    ):
        tell({**psp, "state_dict": {**state, f"encoder.{name}": value}}, words)
    tell(to_rosinality(tiny.stylegan2()), "holds no encoder, but 2 entries")
    save(psp)
    Path("cut.pt").write_bytes(Path("psp.pt").read_bytes()[:-5000])
    refused("cut.pt", read_encoder, "cut.pt")
