"""Blends of a part of the picture: A's bits outside, the blend's inside, and a place that follows the picture."""

import json
from functools import partial
from pathlib import Path

import pytest
import tiny
import torch
import torch.nn.functional as F
from claims import refused, shows
from test_blend_networks import moved, rosinality

import graftlab
from graftlab import films
from graftlab.blending.blend import blend, doubt_noise
from graftlab.blending.channels import channels, features_at
from graftlab.blending.clusters import Clusters, fit, observe
from graftlab.blending.inputs import probe_photos, probe_seeds
from graftlab.blending.local import confine
from graftlab.blending.weights import band, held, interpolate, layer_swap, pair
from graftlab.checkpoints.load import load
from graftlab.checkpoints.native import save_model
from graftlab.images import read_recipe, write
from graftlab.networks.model import fingerprint


def ready(model):
    model.fingerprint = fingerprint(model.state_dict())
    return model


@pytest.fixture(scope="module")
def pair_of_kin():
    a = ready(tiny.stylegan2())
    return a, ready(moved(a, far=0.1))


@pytest.fixture(scope="module")
def parts(pair_of_kin):
    a, _ = pair_of_kin
    return fit(a, features_at(a, 16), 3, probe_seeds(range(6)))


def half(side=32):
    """White on the right."""
    mask = torch.zeros(1, 1, side, side)
    mask[..., side // 2 :] = 1
    return mask


def places(a, clusters, names, codes):
    """Where they lie in A's pictures (N, 32, 32), by definition: of the nearest centre, between cells in proportion."""
    found = []
    for row in codes:
        _, features = observe(a, features_at(a, clusters.layer), lambda model, row=row: model.decode(row))
        standard = (features[0] - clusters.mean[:, None, None]) / clusters.deviation[:, None, None]
        near = torch.tensordot(clusters.centres, standard, dims=1)
        near = F.interpolate(near[None], (32, 32), mode="bilinear", align_corners=False)[0]
        found.append(sum((near.argmax(0) == clusters.names.index(name)) for name in names) > 0)
    return torch.stack(found)


# -- the place --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "noise"), [(1.0, "const"), (layer_swap(8), "fixed"), (band(8, 16), "const"), (interpolate(0.3), "none")]
)
def test_white_is_the_blend_and_black_is_a(pair_of_kin, rule, noise):
    a, b = pair_of_kin
    codes, blended = a.codes_of([3, 5]), blend(a, b, rule)
    everywhere = confine(a, blended, mask=torch.ones(1, 1, 32, 32), soft=0).decode(codes, noise=noise)
    assert torch.equal(everywhere, blended.decode(codes, noise=noise))
    nowhere = confine(a, blended, mask=torch.zeros(1, 1, 32, 32)).decode(codes, noise=noise)
    assert torch.equal(nowhere, a.decode(codes, noise=noise))
    assert not torch.equal(nowhere, everywhere)


def test_outside_stays_bit_for_bit(pair_of_kin):
    a, b = pair_of_kin
    codes = a.codes_of([3, 5])
    before = a.decode(codes)
    for soft in (0, 4, 8):
        changed = (confine(a, b, mask=half(), soft=soft).decode(codes) != before).any(1)
        assert not changed[..., : 16 - soft // 2].any()
        assert changed[..., 16:].float().mean() > 0.9
        assert changed[..., 16 - soft // 2 : 16].any() == (soft > 0)


def test_inside_follows_on_what_surrounds_it(pair_of_kin):
    """It is not a picture laid over another: near the border B reads A's features."""
    a, b = pair_of_kin
    codes = a.codes_of([3])
    local = confine(a, b, mask=half(), soft=0).decode(codes)
    assert not torch.allclose(local[..., 16:18], blend(a, b, 1.0).decode(codes)[..., 16:18], atol=1e-3)


def test_clusters_are_where_they_lie_in_the_picture(pair_of_kin, parts):
    a, b = pair_of_kin
    codes = a.codes_of([3, 5, 8])
    before = a.decode(codes)
    for names in (["1"], ["0", "2"]):
        where = places(a, parts, names, codes)
        assert 0 < where.float().mean() < 1
        changed = (confine(a, b, clusters=parts, names=names, soft=0).decode(codes) != before).any(1)
        assert not (changed & ~where).any()
        assert (changed & where).sum() > 0.9 * where.sum()
        both = (confine(a, b, half(), parts, names, soft=0).decode(codes) != before).any(1)
        assert torch.equal(both, changed & half()[0].bool())


def test_the_place_follows_a_film(pair_of_kin, parts):
    a, b = pair_of_kin
    keys = a.codes_of([3, 5, 8])
    local = confine(a, b, clusters=parts, names=["0"], soft=0)
    walk, plain = (films.walk(model, keys, seconds=2, fps=2) for model in (local, a))
    seen = []
    for number in range(walk.frames):
        changed = (walk.frame(number) != plain.frame(number)).any(1)
        seen.append(changed)
    for at, number in ((0, 0), (2, walk.frames - 1)):
        assert torch.equal(seen[number], (local.decode(keys[at]) != a.decode(keys[at])).any(1))
    assert len({changed.numpy().tobytes() for changed in seen}) >= 3


def test_a_film_of_a_blend_that_grows_in_a_place(pair_of_kin):
    a, b = pair_of_kin
    codes = a.codes_of([3])
    film = films.blend([a, b], codes, seconds=2, fps=2, confine=partial(confine, mask=half(), soft=0))
    first, last = film.frame(0), film.frame(film.frames - 1)
    assert torch.equal(first, a.decode(codes))
    assert torch.equal(last, confine(a, blend(a, b, 1.0), half(), soft=0).decode(codes))


@pytest.mark.parametrize("layer", ["generator.head.0.conv1", 16, 32])
def test_autoencoders(layer, tmp_path):
    a = ready(tiny.new_model())
    b = ready(moved(a, far=0.1))
    pictures, blended = tiny.pictures(3, 32, 48), blend(a, b, layer_swap(8))
    codes = a.encode(pictures)
    before, after = a.decode(codes), blended.decode(codes)
    assert torch.equal(confine(a, blended, torch.zeros(1, 1, 32, 32)).decode(codes), before)
    assert torch.equal(confine(a, blended, torch.ones(1, 1, 32, 32), soft=0).decode(codes), after)
    features = features_at(a, layer)
    found = fit(a, features, 3, probe_photos([*pictures.split(1)]))
    local = confine(a, blended, half(), found, ["0", "1"], soft=0)
    read = load(local.save(tmp_path / "local.safetensors"), device="cpu")
    assert torch.equal(read.decode(read.encode(pictures)), local.decode(codes))
    seen = torch.cat([observe(a, features, lambda model, each=each: model.decode(each))[1] for each in codes])
    cells = torch.zeros(seen.shape[0], 3, *seen.shape[2:])
    standard = (seen - found.mean[:, None, None]) / found.deviation[:, None, None]
    for cluster, centre in enumerate(found.centres):
        cells[:, cluster] = (standard * centre[:, None, None]).sum(1)
    near = F.interpolate(cells, (32, 48), mode="bilinear", align_corners=False)
    where = (near.argmax(1) < 2) & (torch.arange(48) >= 23)  # where the mask, stretched, is above 0
    changed = (local.decode(codes) != before).any(1)
    assert not (changed & ~where).any()
    assert (changed & where).sum() > 0.9 * where.sum() > 0


def test_half_precision(pair_of_kin, parts):
    a, b = pair_of_kin
    local = confine(a, b, clusters=parts, names=["1"], soft=4)
    want = local.decode(codes := a.codes_of([3, 5]))
    local.precision = torch.bfloat16
    made = local.decode(codes)
    assert made.dtype == torch.float32
    assert ((made - want).abs().mean() / want.abs().mean()).item() < 0.1


# -- a model like others ----------------------------------------------------------------------------------------------


def test_it_is_saved_with_its_place_and_its_parents(pair_of_kin, parts, tmp_path):
    a, b = pair_of_kin
    blended = blend(a, b, layer_swap(8))
    local = confine(a, blended, half(64), parts, ["1"], soft=3)
    read = load(local.save(tmp_path / "local.safetensors"), device="cpu")
    codes = a.codes_of([3])
    assert torch.equal(read.decode(codes), local.decode(codes))  # A's codes are its own
    assert read.fingerprint == local.fingerprint != blended.fingerprint
    assert read.about["parents"] == [a.fingerprint, b.fingerprint]
    assert read.about["blend"]["swap_at"] == 8
    assert (read.about["local"]["clusters"], read.about["local"]["soft"]) == (["1"], 3)
    assert torch.equal(read.sample([4], 0.7), local.decode(a.codes_of([4], 0.7)))
    for act in (lambda: blend(read, read, 0.5), lambda: confine(read, read, half())):
        refused("local blend", act)


def test_what_cannot_be_a_place_is_refused(pair_of_kin, parts):
    a, b = pair_of_kin
    refused(r"\(--mask\), or both", confine, a, b)
    refused("64 x 48 pixels and the pictures are 32 x 32", confine, a, b, torch.ones(1, 1, 48, 64))
    for mask in (torch.ones(32, 32), torch.ones(1, 3, 32, 32), torch.ones(2, 1, 32, 32), torch.ones(1, 1, 0, 0)):
        refused("one picture of one channel", confine, a, b, mask)
    for bad in (2.0, -0.1, float("nan")):
        refused("from 0 to 1", confine, a, b, torch.full((1, 1, 32, 32), bad))
    for soft in (-1, float("inf"), 5000):
        refused(r"\(--soft\)", confine, a, b, half(), soft=soft)
    refused("no cluster '7'", confine, a, b, clusters=parts, names=["7"])
    inner = fit(a, features_at(a, "synthesis.blocks.2.up"), 2, probe_seeds([0]))
    refused("clusters fit --layer 16", confine, a, b, clusters=inner, names=["0"])
    other = tiny.stylegan2(channels=(16, 16, 16, 8))
    refused("makes 16 channels, and these clusters are of 8", confine, other, other, clusters=parts, names=["0"])
    refused("made of StyleGAN2s or", confine, other := rosinality(), other, half(64))


def test_a_query_takes_the_clusters_own_channels_first(parts):
    rows = torch.tensor([[0.8, 0.1, 0.1], [0.5, 0.5, 0], [0.4, 0.3, 0.3], [0, 1.0, 0]])
    shares = [0.8, 0.5, 0.4, 0]
    known = Clusters(
        parts.layer, parts.names, torch.full((3,), 1 / 3), rows, *torch.ones(2, 4), torch.ones(3, 4), parts.model
    )
    for query, want in ((1.0, [1, 1, 1, 0]), (0.8 / 1.7, [1, 0, 0, 0]), (1.05 / 1.7, [1, 0.5, 0, 0])):
        torch.testing.assert_close(known.share(["0"], query=query), torch.tensor(want, dtype=torch.float32))
        assert query * sum(shares) == pytest.approx(sum(x * y for x, y in zip(want, shares, strict=True)))


def test_unlike_noise_is_told_of(pair_of_kin):
    a, _ = pair_of_kin
    other = moved(a, far=0.01)
    for block in other.synthesis.blocks:
        for layer in filter(None, (block.up, block.conv)):
            layer.noise.normal_(generator=torch.Generator().manual_seed(layer.layer))
    assert "noise" in doubt_noise([a, other], pair(interpolate(0.5)))
    for like, rule in (
        (moved(a, far=0.01), interpolate(0.5)),
        (other, layer_swap(8)),
        (other, held(interpolate(0.5), noise=0.0)),
    ):
        assert doubt_noise([a, like], pair(rule)) == ""


# -- commands ---------------------------------------------------------------------------------------------------------

A, B = "a.safetensors", "b.safetensors"
LOCAL = ("--clusters", "parts.json:1", "--local")


@pytest.fixture
def files(graft, pair_of_kin, parts):
    for path, model in zip((A, B), pair_of_kin, strict=True):
        save_model(Path(path), model)
    parts.save("parts.json")
    write((2 * half() - 1).expand(1, 3, 32, 32), "m.png")
    return [load(path, device="cpu") for path in (A, B)]


def test_blends_of_places(graft, files):
    a, b = files
    found = Clusters.load("parts.json")
    known = {"clusters": found, "names": ["1"]}
    chosen = channels(features_at(a, 16), found.share(["1"], query=0.5))
    for options, rule, place in (
        (LOCAL, 1.0, known),
        ((*LOCAL, "--soft", 6, "--swap-at", 8), layer_swap(8), {**known, "soft": 6}),
        ((*LOCAL, "--mask", "m.png", "--band", "8-16"), band(8, 16), {**known, "mask": half()}),
        (("--mask", "m.png", "--alpha", 0.5), interpolate(0.5), {"mask": half()}),
        ((*LOCAL, "--query", 0.5), chosen, known),
        (("--clusters", "parts.json:1", "--query", 0.5), chosen, None),
    ):
        assert graft("blend", A, B, *options, "-o", "local.safetensors", "--samples", "local.png").code == 0
        made = load("local.safetensors", device="cpu")
        blended = blend(a, b, held(rule, mapping=0.0, average=0.0) if callable(rule) else rule)
        want = blended if place is None else confine(a, blended, **place)
        assert torch.equal(made.decode(a.codes_of([7])), want.decode(a.codes_of([7])))
    assert graft("blend", A, B, *LOCAL, "-o", "local.safetensors").code == 0
    told = graft("inspect", "local.safetensors").out
    assert f"parents: a ({a.fingerprint[:12]}), b ({b.fingerprint[:12]})" in told
    assert "rule: alpha 1.0" in told
    assert 'clusters ["1"], soft 2.0' in told
    assert graft("models", "add", B, "--as", "cartoons").code == 0
    assert [name for _, name in json.loads(graft("inspect", "local.safetensors", "--json").out)["parents"]] == [
        "a",
        "cartoons",
    ]
    assert "is no StyleGAN2" in graft("convert", "local.safetensors", "local.pt").refusal()
    tuned = graft("finetune", "local.safetensors", "photos", "--run", "run").refusal()
    assert "is a local blend of StyleGAN2s, which graftlab uses as it is but does not train" in tuned
    assert "whose size cannot change" in graft("resize-model", "local.safetensors", "--size", 64).refusal()


def test_sheets_and_films_of_places(graft, files):
    a, b = files
    found = Clusters.load("parts.json")
    seeds = ("--seeds", 3, "--psi", 1)
    assert graft("sheet", A, B, "--rows", "alpha:1", "--columns", "levels:8", *seeds, *LOCAL, "-o", "s.png").code == 0
    made = read_recipe("s.png")["where"]
    assert made.keys() == {"parts.json"}
    size = ("--frames", 2, "-o", "frames/%02d.png")
    assert graft("film", "blend", A, B, "--alpha", "0:1", *seeds, "--mask", "m.png", "--soft", 0, *size).code == 0
    codes = a.codes_of([3])
    assert shows("frames/00.png", a.decode(codes))
    assert shows("frames/01.png", confine(a, b, half(), soft=0).decode(codes))
    assert graft("blend", A, B, *LOCAL, "-o", "l.safetensors").code == 0
    assert graft("film", "walk", "-m", "l.safetensors", "--seeds", "3,5", "--psi", "1", *size).code == 0
    want = confine(a, b, clusters=found, names=["1"]).decode(codes).clamp(-1, 1)
    assert (graftlab.read("frames/00.png") - want).abs().max() < 0.01  # which was drawn with the other frame


def test_places_in_photos(graft):
    a = ready(tiny.new_model())
    b = ready(moved(a, far=0.1))
    save_model(Path(A), a)
    save_model(Path(B), b)
    write((2 * half() - 1).expand(1, 3, 32, 32), "m.png")
    masked = ("--mask", "m.png", "--soft", 0)
    assert graft("blend", A, B, *masked, "-o", "l.safetensors", "--samples", "s.png", "--photo", "photos").code == 0
    local = load("l.safetensors", device="cpu")
    picture = graftlab.read("photos/hill.png", 32, square=True)
    want = confine(a, blend(a, b, held(interpolate(1.0))), half(), soft=0).decode(a.encode(picture))
    assert torch.equal(local.decode(local.encode(picture)), want)
    assert "generators are blended" in graft("blend", A, B, *masked, "--part", "both").refusal()
    axes = ("--rows", "alpha:1", "--columns", "photos", "--photo", "photos")
    assert graft("sheet", A, B, *axes, *masked, "-o", "sheet.png").code == 0
    film = ("--alpha", "0:1", "--photo", "photos/hill.png", "--frames", 2, "-o", "frames/%02d.png")
    assert graft("film", "blend", A, B, *film, *masked).code == 0
    assert shows("frames/01.png", want)


def test_bad_places_are_one_sentence(graft, files):
    write(torch.ones(1, 3, 32, 64), "wide.png")
    write(-torch.ones(1, 3, 32, 32), "black.png")
    for command, options, says in (
        ("blend", ("--local", "--alpha", 1), "--local belongs to --clusters"),
        ("blend", ("--soft", 4, "--alpha", 1), "--soft belongs to"),
        ("blend", (*LOCAL, "--alpha", 1, "--swap-at", 8), "one of --swap-at"),
        ("blend", (*LOCAL, "--mapping", "a"), "--mapping"),
        ("blend", (*LOCAL, "--reverse"), "another order"),
        ("blend", (*LOCAL, "--clusters", "parts.json:2"), "one file"),
        ("blend", ("--clusters", "parts.json:1", "--query", 0), "--query"),
        ("blend", ("--alpha", 1, "--query", 1), "belong to --clusters"),
        ("blend", ("--mask", "wide.png"), "64 x 32 pixels and the pictures are 32 x 32"),
        ("blend", ("--mask", "black.png"), "black all over"),
        ("blend", ("--mask", "none.png"), "none.png"),
        ("blend", ("--mask", "m.png", "-o", "m.png"), ".safetensors"),
        ("sheet", ("--clusters", "parts.json:1"), "add --local"),
        ("sheet", ("--mask", "m.png", "-o", "m.png"), "this command reads"),
        ("film", ("--clusters", "parts.json:1"), "add --local"),
    ):
        names = ("film", "blend") if command == "film" else (command,)
        assert says in graft(*names, A, B, *options).refusal()
