"""Clusters of features, and blends of the channels that belong to them."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import tiny
import torch
from claims import refused
from PIL import Image
from test_blend_networks import moved, rosinality, same

from graftlab.blending.blend import blend
from graftlab.blending.channels import channels, features_at, features_of, together
from graftlab.blending.clusters import Clusters, fit, heat, observe
from graftlab.blending.inputs import probe_photos, probe_seeds
from graftlab.blending.weights import interpolate, reversed_
from graftlab.checkpoints.load import load
from graftlab.checkpoints.native import save_model

KINDS = {"stylegan2": tiny.stylegan2, "swapping": tiny.new_model, "rosinality": rosinality}
every_kind = pytest.mark.parametrize("make", KINDS.values(), ids=KINDS.keys())
every_features = pytest.mark.parametrize("layer", [each.name for each in features_of(tiny.stylegan2())])


def show(model):
    return model.sample([3, 5], noise="const")


def one_of(count, chosen):
    """Shares of `count` channels: 1 for the chosen ones."""
    return torch.tensor([float(channel in chosen) for channel in range(count)])


# -- channels ---------------------------------------------------------------------------------------------------------


@every_kind
def test_features_go_where_they_are_read(make):
    """What is taken from a channel is missed by its readers and by no other layer."""
    model = make()
    for features in features_of(model):
        made, seen = model.get_submodule(features.name), []
        readers = [model.get_submodule(reader) for reader in features.readers]
        made.register_forward_hook(lambda module, inputs, output, seen=seen: seen.append(output))
        for reader in readers:
            reader.register_forward_hook(lambda module, inputs, output, seen=seen: seen.append(inputs[0]))
        model.decode(model.codes_of([1]) if hasattr(model, "codes_of") else model.encode(tiny.pictures(1, 64, 64)))
        output, *inputs = seen
        assert len(inputs) == len(readers) > 0
        assert all(x is output for x in inputs)
        assert output.shape[1] == features.channels


def test_a_stylegan2_has_features_behind_every_convolution():
    found = [(each.name, each.resolution, each.channels, each.readers) for each in features_of(tiny.stylegan2())]
    assert found[0] == ("synthesis.blocks.0.conv", 4, 16, ("synthesis.blocks.0.to_rgb", "synthesis.blocks.1.up"))
    assert found[3] == ("synthesis.blocks.2.up", 16, 8, ("synthesis.blocks.2.conv",))
    assert found[-1] == ("synthesis.blocks.3.conv", 32, 8, ("synthesis.blocks.3.to_rgb",))
    assert len(found) == 7


@every_kind
def test_no_channel_is_a_and_all_channels_are_the_layer_and_what_reads_it(make):
    a = make()
    b = moved(a)
    for features in features_of(a):
        assert same(blend(a, b, channels(features, torch.zeros(features.channels))), a)
        mixed = blend(a, b, channels(features, torch.ones(features.channels))).state_dict()
        for name, tensor in mixed.items():
            made = name.startswith(f"{features.name}.")
            read = name.startswith(tuple(f"{reader}." for reader in features.readers))
            whole = made or (read and (".affine." in name or name.endswith(".weight")))
            assert torch.equal(tensor, (b if whole else a).state_dict()[name]), name


@every_features
def test_one_channel_is_all_that_differs(layer):
    """B is A but for one channel: its row, its bias, and how it is read. Blending that channel gives B, others A."""
    a, b = tiny.stylegan2(), tiny.stylegan2()
    features, state = features_at(a, layer), b.state_dict()
    state[f"{layer}.conv.weight"][2] += 0.5
    state[f"{layer}.bias"][2] -= 0.3
    for reader in features.readers:
        inner = reader if "to_rgb" in reader else f"{reader}.conv"
        state[f"{inner}.weight"][:, 2] *= -2
        state[f"{inner}.modulation.affine.weight"][2] += 0.2
        state[f"{inner}.modulation.affine.bias"][2] += 0.4
    assert not torch.allclose(show(a), show(b), atol=1e-3)
    alone = blend(a, b, channels(features, one_of(features.channels, [2])))
    assert same(alone, b)
    others = blend(a, b, channels(features, 1 - one_of(features.channels, [2])))
    assert same(others, a)


def test_skipped_channels_are_made_and_read_by_a():
    a = tiny.stylegan2()
    b = moved(a)
    features = features_at(a, "16")
    mixed = blend(a, b, channels(features, one_of(8, [1, 4]))).state_dict()
    mine, theirs = a.state_dict(), b.state_dict()
    for name, dimension in (
        ("synthesis.blocks.2.conv.conv.weight", 0),
        ("synthesis.blocks.2.conv.bias", 0),
        ("synthesis.blocks.2.to_rgb.weight", 1),
        ("synthesis.blocks.2.to_rgb.modulation.affine.weight", 0),
        ("synthesis.blocks.3.up.conv.weight", 1),
        ("synthesis.blocks.3.up.conv.modulation.affine.bias", 0),
    ):
        for channel in range(8):
            wanted = theirs if channel in (1, 4) else mine
            assert torch.equal(mixed[name].select(dimension, channel), wanted[name].select(dimension, channel)), name
    for name in ("conv.modulation.affine.weight", "noise_strength", "noise"):
        name = f"synthesis.blocks.2.conv.{name}"
        assert torch.equal(mixed[name], mine[name])


def test_equal_shares_are_the_line_between_the_two():
    a = tiny.stylegan2()
    b = moved(a)
    features = features_at(a, "16")
    mixed, line = blend(a, b, channels(features, torch.full((8,), 0.25))), blend(a, b, interpolate(0.25))
    for name, tensor in mixed.state_dict().items():
        if name.startswith("synthesis.blocks.2.conv."):
            torch.testing.assert_close(tensor, line.state_dict()[name])


def test_channels_of_two_layers_together():
    """A tensor between two layers is B's where it makes a chosen channel, or reads one."""
    a = tiny.stylegan2()
    b = moved(a)
    first, second = features_at(a, "synthesis.blocks.2.up"), features_at(a, "synthesis.blocks.2.conv")
    rule = together(channels(first, one_of(8, [0])), channels(second, one_of(8, [3])))
    mixed, name = blend(a, b, rule).state_dict(), "synthesis.blocks.2.conv.conv.weight"
    is_b = (mixed[name] == b.state_dict()[name]).all(-1).all(-1)
    is_a = (mixed[name] == a.state_dict()[name]).all(-1).all(-1)
    wanted = torch.zeros(8, 8, dtype=torch.bool)
    wanted[3] = wanted[:, 0] = True
    assert torch.equal(is_b, wanted)
    assert torch.equal(is_a, ~wanted)
    assert rule.about["channels"].keys() == {first.name, second.name}
    whole = together(*(channels(each, torch.ones(8)) for each in (first, second)))
    assert torch.equal(blend(a, b, whole).state_dict()[name], b.state_dict()[name])


def test_the_other_way_round():
    a = tiny.stylegan2()
    b = moved(a)
    rule = channels(features_at(a, "16"), one_of(8, [1, 4]))
    assert same(blend(a, b, reversed_(rule)), blend(b, a, rule))


def test_wrong_channels_are_refused():
    features = features_at(tiny.stylegan2(), 16)
    refused(r"makes 8 channels, .* here are 16", channels, features, torch.ones(16))
    refused("finite", channels, features, torch.full((8,), float("nan")))
    for layer in (64, "synthesis.blocks.2", "synthesis.blocks.0.up", "mapping"):
        refused("choose a resolution among 4, 8, 16, 32, or a layer such as syn", features_at, tiny.stylegan2(), layer)


# -- clusters ---------------------------------------------------------------------------------------------------------


class Painter(torch.nn.Module):
    """Features whose left half is one part, right half another: channels 0 and 1 work left, 2 right, 3 never."""

    def forward(self, x):
        left = (torch.arange(8) < 6).float().expand(8, 8)
        noise = 0.02 * torch.randn(8, 8, generator=torch.Generator().manual_seed(int(x)))
        return torch.stack([left + noise, 5 * left, 1 - left - noise, torch.full((8, 8), 7.0)])[None]


@pytest.fixture
def painted():
    """Clusters of two parts that anybody can see, in a network of which only the features matter."""
    model = tiny.stylegan2()
    features = replace(features_at(model, 16), channels=4)
    painter = Painter()
    model.synthesis.blocks[2].conv = painter
    runs = [lambda model, seed=seed: painter(torch.tensor(seed)) for seed in range(6)]
    return fit(model, features, 2, runs)


def test_parts_are_found_with_their_channels(painted):
    assert painted.names == ("0", "1")
    assert painted.areas.tolist() == [0.75, 0.25]
    assert painted.labels(Painter()(torch.tensor(9)))[0].tolist() == [[0] * 6 + [1] * 2] * 8
    # a channel that is 1 on 3/4 and 0 on 1/4 deviates by 1/3 as much there as here: squares 1/3 * 3/4 and 3 * 1/4
    torch.testing.assert_close(painted.membership[1], torch.tensor([0.25, 0.75]))
    torch.testing.assert_close(painted.membership[3], painted.areas)  # what never changes belongs to all alike
    torch.testing.assert_close(painted.membership.sum(1), torch.ones(4))


def test_shares_of_channels(painted):
    assert painted.share(["0", "1"]).tolist() == [1, 1, 1, 1]
    assert painted.share(["1", "0"], hard=True).tolist() == [1, 1, 1, 1]
    assert painted.share(["1"], hard=True)[:3].tolist() == [1, 1, 1]  # by position the few are the louder ones
    torch.testing.assert_close(painted.share(["1"]), painted.membership[:, 1])
    edited = replace(painted, names=("sky", "lake"), membership=torch.tensor([[3.0, 1], [0, 0], [0, 2], [7, 1]]))
    assert edited.share(["sky"]).tolist() == [0.75, 0, 0, 0.875]
    by_hand = replace(edited, areas=torch.tensor([0.8, 0.2]))  # 3 on 0.8 is less than 1 on 0.2, and 7 is more
    assert by_hand.share(["sky"], hard=True).tolist() == [0, 0, 0, 1]
    assert edited.share(["lake", "sky"]).tolist() == [1, 0, 1, 1]
    assert edited.share({"sky": 0.5, "lake": 2}).tolist() == [0.875, 0, 2, 0.6875]
    assert edited.share({"sky": 0}).tolist() == [0, 0, 0, 0]
    assert replace(edited, names=("sky", "sky")).share(["sky"]).tolist() == [1, 0, 1, 1]


def test_clusters_that_are_not_there_are_refused(painted):
    refused(r"no cluster 'eyes', only 0, 1 \(--clusters\)", painted.share, ["0", "eyes"])
    nobody = replace(painted, membership=torch.tensor([[1.0, 0]] * 4))
    refused("No channel belongs to 1", nobody.share, ["1"])
    refused("No channel belongs to no cluster", painted.share, [])
    refused("4 channels, and here are 8", painted.labels, torch.zeros(1, 8, 4, 4))


@pytest.mark.parametrize(
    ("make", "runs"),
    [
        (tiny.stylegan2, lambda: probe_seeds(range(3))),
        (tiny.new_model, lambda: probe_photos([tiny.pictures(), tiny.pictures()])),
    ],
)
def test_the_same_again_and_from_the_file(make, runs, tmp_path):
    model = make()
    features = features_at(model, 16)
    found, again = (fit(model, features, 3, runs(), seed=4) for _ in range(2))
    assert torch.equal(found.membership, again.membership)
    assert found.areas.tolist() == sorted(found.areas.tolist(), reverse=True)
    torch.testing.assert_close(found.membership.sum(1), torch.ones(features.channels))
    read = Clusters.load(found.save(tmp_path / "parts.json"))
    assert (read.layer, read.names, read.model) == (found.layer, found.names, found.model)
    for name in ("areas", "membership", "mean", "deviation", "centres"):
        torch.testing.assert_close(getattr(read, name), getattr(found, name), rtol=1e-4, atol=1e-6)
    picture, seen = observe(model, features, next(iter(runs())))
    assert picture.shape == (1, 3, 32, 32)
    assert torch.equal(read.labels(seen), found.labels(seen))


def test_finer_layers_are_not_asked():
    model, asked = tiny.stylegan2(), []
    for block in model.synthesis.blocks:
        block.conv.register_forward_hook(lambda module, inputs, output: asked.append(output.shape[-1]))
    fit(model, features_at(model, 8), 2, probe_seeds([0]))
    assert asked == [4, 8]
    model.sample([0])  # and nothing is left behind that would stop it
    assert asked == [4, 8, 4, 8, 16, 32]


def test_more_clusters_than_positions_are_refused():
    model = tiny.stylegan2()
    coarse = features_at(model, 4)
    refused("16 positions do not make 17 clusters", fit, model, coarse, 17, probe_seeds([0]))
    refused("not 0", fit, model, coarse, 0, probe_seeds([0]))


def test_features_that_are_not_finite_are_refused():
    model = tiny.stylegan2()
    features = features_at(model, 16)
    model.get_parameter("synthesis.blocks.1.conv.bias")[0] = 1e38
    refused(f"What {features.name} makes is too large", fit, model, features, 2, probe_seeds([0, 1]))


def test_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    features = features_at(tiny.stylegan2(), 4)
    refused(r"pip install 'graftlab\[clusters\]'", fit, tiny.stylegan2(), features, 2, probe_seeds([0]))


def test_heat_lies_where_the_cluster_is():
    inside = torch.zeros(4, 4, dtype=torch.bool)
    inside[:, :2] = True
    drawn = heat(torch.zeros(1, 3, 16, 16), inside)
    warmth = drawn[:, 0] - drawn[:, 2]
    assert warmth[..., :6].min() > 0.5
    assert warmth[..., 10:].abs().max() == 0
    assert drawn.abs().max() <= 1


# -- commands ---------------------------------------------------------------------------------------------------------

A, B = "a.safetensors", "b.safetensors"
FIT = ("clusters", "fit", A, "--layer", 16, "--parts", 3, "--seeds", "0-3", "-o", "parts.json")


@pytest.fixture
def models(graft, kin):
    return kin("stylegan2")[:2]


@pytest.fixture
def parts(graft, models):
    assert graft(*FIT).code == 0
    return Path("parts.json")


def test_fit_and_show(graft, models):
    result = graft(*FIT, "--samples", "parts.png")
    assert result.code == 0
    assert "synthesis.blocks.2.conv, 16 px, 8 channels" in result.out
    assert Image.open("parts.png").width > 4 * 128
    told = json.loads(graft(*FIT, "--json").out)
    assert [each["name"] for each in told["clusters"]] == ["0", "1", "2"]
    assert sum(each["area"] for each in told["clusters"]) == pytest.approx(1)
    assert sum(each["channels"] for each in told["clusters"]) == pytest.approx(8)
    assert sum(each["hard_channels"] for each in told["clusters"]) == 8
    result = graft("clusters", "show", B, "parts.json", "--seeds", "7,9", "-o", "again.png")
    assert result.code == 0
    assert "made of another model" in result.err.replace("\n", " ")
    assert Image.open("again.png").height < Image.open("parts.png").height


def test_blends_of_clusters(graft, models, parts):
    Path("parts.json").write_text(parts.read_text().replace('"name": "1"', '"name": "sky"'))
    found, features = Clusters.load(parts), features_at(models[0], 16)
    for options, rule in (
        ([":sky"], channels(features, found.share(["sky"]))),
        ([":sky,0"], channels(features, found.share(["0", "sky"]))),
        ([":sky,0,2"], channels(features, torch.ones(8))),
        ([":sky", "--hard"], channels(features, found.share(["sky"], hard=True))),
        ([":sky=0.25, 0"], channels(features, found.share({"sky": 0.25, "0": 1}))),
        ([":sky", "--reverse"], reversed_(channels(features, found.share(["sky"])))),
    ):
        assert graft("blend", A, B, "--clusters", f"{parts}{options[0]}", *options[1:]).code == 0
        assert load("blend.safetensors", device="cpu").fingerprint == blend(*models, rule).fingerprint


def test_clusters_of_two_layers(graft, models, parts):
    assert graft(*FIT[:3], "--layer", 8, "--parts", 2, "--seeds", "0-3", "-o", "coarse.json").code == 0
    told = json.loads(graft("blend", A, B, "--clusters", "parts.json:0", "--clusters", "coarse.json:1", "--json").out)
    rule = together(
        *(
            channels(features_at(models[0], layer), Clusters.load(path).share([name]))
            for layer, path, name in ((16, "parts.json", "0"), (8, "coarse.json", "1"))
        )
    )
    assert told["fingerprint"] == blend(*models, rule).fingerprint
    shares = told["tensors"]["synthesis.blocks.2.conv.bias"]["shares"]
    assert shares == pytest.approx([1 - shares[1], Clusters.load("parts.json").share(["0"]).mean().item()])


def test_kin_of_the_clusters_are_told_apart(graft, models, parts):
    said = "made of another model"
    assert said not in graft("blend", A, B, "--clusters", "parts.json:0").err.replace("\n", " ")
    assert said not in graft("blend", B, A, "--clusters", "parts.json:0").err.replace("\n", " ")
    save_model(Path("c.safetensors"), moved(models[0], seed=2, far=0.1))
    result = graft("blend", B, "c.safetensors", "--clusters", "parts.json:0")
    assert result.code == 0
    assert said in result.err.replace("\n", " ")
    save_model(Path("c.safetensors"), moved(models[0], seed=2, far=0.1), {"parent": models[0].fingerprint})
    assert said not in graft("blend", B, "c.safetensors", "--clusters", "parts.json:0").err.replace("\n", " ")


def test_autoencoders(graft):
    assert graft("clusters", "fit", "landscapes-128", "--layer", 16, "--parts", 2, "--photo", "photos").code == 0
    own = load("landscapes-128", device="cpu")
    save_model(Path(B), moved(own, far=0.1))
    assert graft("blend", "landscapes-128", B, "--clusters", "clusters.json:1", "--part", "generator").code == 0
    wanted = channels(features_at(own, 16), Clusters.load("clusters.json").share(["1"]))
    assert load("blend.safetensors", device="cpu").fingerprint == blend(own, load(B, device="cpu"), wanted).fingerprint


def test_bad_input_is_one_sentence(refuses, models, parts):
    Path("empty").mkdir()
    mistakes = (
        (("fit", A, "--layer", "64"), "choose a resolution among 4, 8, 16, 32"),
        (("fit", A, "--layer", "sky"), "'sky' (--layer)"),
        (("fit", A, "--layer", "4", "--seeds", "0", "--parts", "17"), "--parts"),
        (("fit", A, "--layer", "4", "--seeds", "0", "--parts", "0"), "--parts"),
        (("fit", A, "--layer", "4", "-o", "parts.txt"), ".json"),
        (("fit", A, "--layer", "4", "--samples", "parts.txt"), "parts.txt"),
        (("fit", "landscapes-128", "--layer", "16", "--photo", "empty"), "empty holds no pictures"),
        (("fit", A, "--layer", "16", "--photo", "photos"), "--photo is for autoencoders"),
        (
            ("fit", "landscapes-128", "--layer", "16", "--photo", "photos", "--samples", "photos/hill.png"),
            "this command",
        ),
        (("show", A, "none.json"), "none.json"),
        (("show", A, "photos/hill.png"), "hill.png holds no clusters"),
        (("show", A, "parts.json", "--seeds", ""), "--seeds"),
        (("show", "landscapes-128", "parts.json"), "'synthesis.blocks.2.conv'"),
    )
    refuses(mistakes, "clusters")


def test_edited_files_that_do_not_fit(refuses, models, parts):
    whole = json.loads(parts.read_text())
    rows = whole["channels"]
    silent = [{**row, "membership": [1, 0, 1]} for row in rows]
    centres = [{**each, "centre": each["centre"][:7]} for each in whole["clusters"]]
    for name, changes in {
        "narrow": {"channels": rows[:7], "clusters": centres},
        "huge": {"channels": [{**rows[0], "mean": 10**400}, *rows[1:]]},
        "listed": {"model": [whole["model"]]},
        "lost": {"layer": "synthesis.blocks.9.conv"},
        "silent": {"channels": silent},
        "short": {"channels": [{**rows[0], "membership": [1, 2]}] * 8},
        "minus": {"channels": [{**rows[0], "membership": [1, -2, 1]}, *rows[1:]]},
    }.items():
        Path(f"{name}.json").write_text(json.dumps({**whole, **changes}))
    mistakes = (
        (("--clusters", "parts.json"), "such as parts.json:3,5"),
        (("--clusters", "parts.json:"), "such as parts.json:3,5"),
        (("--clusters", "parts.json:eyes"), "no cluster 'eyes', only 0, 1, 2"),
        (("--clusters", "parts.json:1=-1"), "a number from 0 to 10, as in sky=0.5, not '1=-1'"),
        (("--clusters", "none.json:1"), "none.json"),
        (("--clusters", "parts.json:1", "--alpha", "0.5"), "one of"),
        (("--clusters", "parts.json:1", "--level", "1"), "--swap-at"),
        (("--alpha", "0.5", "--hard"), "--hard"),
        (("--clusters", "parts.json:1", "-o", "parts.json"), "must end in"),
        (("--clusters", "narrow.json:1"), "makes 8 channels"),
        (("--clusters", "lost.json:1"), "'synthesis.blocks.9.conv'"),
        (("--clusters", "silent.json:1"), "No channel belongs to 1"),
        (("--clusters", "short.json:1"), "short.json holds no sensible clusters (With 3 clusters and 8 channels"),
        (("--clusters", "minus.json:1"), "Memberships are from 0 up"),
        (("--clusters", "huge.json:1"), "huge.json holds no clusters"),
        (
            ("--clusters", "listed.json:1"),
            "listed.json holds no sensible clusters (A layer and a model",
        ),
        (("--clusters", "parts.json:0", "--clusters", "parts.json:1"), "blocks.2.conv twice"),
    )
    refuses(mistakes, "blend", A, B)
