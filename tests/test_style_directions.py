"""Directions of w: SeFa against singular values, GANSpace against its definition, and its files taken over."""

import numpy as np
import pytest
import torch
from claims import refused
from planted import cosine
from tiny import stylegan2

from graftlab.codes import StyleCodes
from graftlab.editing.directions import Directions, sweep
from graftlab.editing.style_directions import ganspace, read_directions, read_ganspace, sefa
from graftlab.networks.affines import affines


@pytest.fixture(scope="module")
def network():
    made = stylegan2()
    made.fingerprint = "a" * 64
    return made


# -- closed-form factorisation ----------------------------------------------------------------------------------------


def test_factors_are_the_singular_vectors_of_the_weights(network):
    matrices = affines(network, range(4))
    found = sefa(matrices, network.codes_of, 6, range(4), count=500)
    _, values, axes = torch.linalg.svd(torch.cat(matrices).double(), full_matrices=False)
    assert torch.allclose(cosine(found.vectors, axes[:6]).abs(), torch.ones(6).double(), atol=1e-5)
    assert found.about == {"seeds": 500, "strength": pytest.approx(values[:6].tolist(), rel=1e-5)}
    assert (found.names[0], found.part, found.layers, found.model) == ("factor 1", "w", (0, 1, 2, 3), "a" * 64)


def test_a_planted_factor_is_found():
    """Where styles listen to one direction of w alone, that is the first factor."""
    network = stylegan2()
    planted = torch.nn.functional.normalize(torch.randn(16, generator=torch.Generator().manual_seed(0)), dim=0)
    weight = network.synthesis.blocks[1].conv.conv.modulation.affine.weight
    weight.data = 0.01 * weight + 20 * torch.randn(len(weight), 1) * planted
    found = sefa(affines(network, [2]), network.codes_of, 2, [2], count=100)
    assert cosine(found.vectors[0], planted).abs() > 0.999


def test_factors_are_scaled_as_w_varies(network):
    found = sefa(affines(network, range(8)), network.codes_of, 3, count=700)
    w = network.codes_of(range(700)).w[:, 0]
    places = found.positions(w)
    assert torch.allclose(places.std(0, correction=0), torch.ones(3).double(), atol=1e-4)
    assert torch.allclose(places.mean(0), torch.zeros(3).double(), atol=1e-4)
    share = found.vectors.double().square().sum(1) / w.double().var(0, correction=0).sum()
    assert torch.allclose(found.explained.double(), share, atol=1e-5)
    assert found.layers is None


def test_affines_are_the_styles_the_layers_see(network):
    """One for every convolution; a step of w along a matrix's null space changes no style of that layer."""
    assert [len(affines(network, [layer])) for layer in range(8)] == [1] * 7 + [0]  # the last only colours
    assert [len(matrix) for matrix in affines(network, range(8))] == [16, 16, 16, 16, 8, 8, 8]
    block = network.synthesis.blocks[2]
    w = torch.randn(5, 16)
    for styled, row in ((block.up, 3), (block.conv, 4)):
        (matrix,) = affines(network, [row])
        layer = styled.conv.modulation.affine
        assert torch.allclose(layer(w) - layer.bias, w @ matrix.T, atol=1e-5)


def test_layers_without_sense_are_refused(network):
    refused("No convolution reads", sefa, affines(network, [7]), network.codes_of, 2, [7])
    says = "follow w in 8 ways; ask for as many directions or fewer, not 9"  # of 8 channels
    refused(says, sefa, affines(network, [6]), network.codes_of, 9, [6])
    refused("not 0", sefa, affines(network, [6]), network.codes_of, 0)
    refused("two seeds or more, not 1", sefa, affines(network, [6]), network.codes_of, 1, count=1)


# -- principal components of w ----------------------------------------------------------------------------------------


def test_components_of_w(network, monkeypatch):
    monkeypatch.setattr("graftlab.editing.style_directions.BATCH", 90)
    said = []
    found = ganspace(network.codes_of, 200, 4, progress=lambda *figures: said.append(figures))
    w = network.codes_of(range(200)).w[:, 0].double()
    _, values, axes = torch.linalg.svd(w - w.mean(0), full_matrices=False)
    assert torch.allclose(cosine(found.vectors, axes[:4]).abs(), torch.ones(4).double(), atol=1e-4)
    assert torch.allclose(found.vectors.norm(dim=1).double(), values[:4] / 200**0.5, rtol=1e-4)
    assert said == [(90, 200), (180, 200), (200, 200)]
    assert (found.part, found.model, found.about) == ("w", "a" * 64, {"seeds": 200, "components": 4})


def test_a_planted_direction_of_w_is_found():
    axis = torch.nn.functional.normalize(torch.arange(1.0, 7), dim=0)

    def codes_of(seeds):
        numbers = torch.tensor(np.array([np.random.RandomState(seed).randn(7) for seed in seeds])).float()
        return StyleCodes((3 * numbers[:, :1] * axis + 0.1 * numbers[:, 1:])[:, None].expand(-1, 4, -1))

    found = ganspace(codes_of, 300, 1)
    assert cosine(found.vectors[0], axis) > 0.999
    assert found.vectors.norm() == pytest.approx(3, rel=0.1)


# -- GANSpace's files -------------------------------------------------------------------------------------------------


def written(path, **changes):
    """A file of three components of a w of 16 channels, as GANSpace writes it; returns it and its arrays."""
    random = np.random.default_rng(3)
    axes = random.standard_normal((3, 1, 16)).astype(np.float32)
    axes /= np.linalg.norm(axes, axis=-1, keepdims=True)
    deviations, mean = np.array([3, 2, 0.5], np.float32), random.standard_normal((1, 16)).astype(np.float32)
    arrays = {"act_comp": axes, "act_mean": mean, "act_stdev": deviations, "var_ratio": deviations / 10}
    arrays |= {"lat_comp": axes, "lat_mean": mean, "lat_stdev": deviations, "random_stdevs": deviations, **changes}
    np.savez(path, **arrays)
    return path, arrays


def test_components_of_ganspace_move_w_as_it_says(network, tmp_path):
    path, arrays = written(tmp_path / "style.npz")
    found = read_ganspace(path, "a" * 64)
    before = network.codes_of([4])
    after = found.apply(before, {"component 2": 1.5})
    assert torch.allclose(after.w, before.w + 1.5 * 2 * torch.tensor(arrays["lat_comp"][1]), atol=1e-6)
    assert (found.part, found.model) == ("w", "a" * 64)
    assert np.array_equal(found.explained, arrays["var_ratio"])
    assert np.array_equal(found.mean, arrays["lat_mean"][0])


def test_components_without_sense_are_refused(tmp_path):
    many = {"lat_comp": np.ones((3, 4, 16), np.float32), "lat_mean": np.ones((4, 16), np.float32)}
    for changes, says in (
        (many, "differ from layer to layer"),
        ({"lat_stdev": np.zeros(3, np.float32)}, r"without sense \(A direction must have a length\)"),
        ({"var_ratio": np.full(3, np.nan, np.float32)}, r"without sense \(Directions must be finite numbers\)"),
    ):
        path, _ = written(tmp_path / "style.npz", **changes)
        refused(f"style.npz .*{says}", read_ganspace, path)


# -- other programs' vectors ------------------------------------------------------------------------------------------

AXES = torch.linalg.qr(torch.randn(16, 3, generator=torch.Generator().manual_seed(2)))[0].T
FOREIGN = {
    "age.npy": (5 * AXES[:1], ["age"]),
    "smile.pt": (AXES[0], ["smile"]),
    "both.npz": ({"age": AXES[:1], "pose": AXES[1]}, ["age", "pose"]),
    "factor.pt": ({"ckpt": "550000.pt", "eigvec": 2 * AXES.T}, ["factor 1", "factor 2", "factor 3"]),
    "pca.pt": (
        {"comp": AXES[:, None], "std": torch.ones(3), "mean": torch.zeros(1, 16)},
        ["component 1", "component 2"],
    ),
    "rows.npy": (AXES[:1].repeat(8, 1), ["rows"]),  # of all layers alike
}


@pytest.mark.parametrize("name", FOREIGN)
def test_vectors_of_other_programs(network, name, tmp_path):
    tree, names = FOREIGN[name]
    path = foreign(tmp_path / name, tree)
    found = read_directions(path, network.codes_of, 8, 16, count=300)
    w = network.codes_of(range(300)).w[:, 0].double()
    for i, called in enumerate(names):
        vector = found.vectors[found.index(called)].double()
        assert cosine(vector, AXES[i]) > 0.999999
        assert vector.norm().item() == pytest.approx(((w - w.mean(0)) @ AXES[i].double()).square().mean().sqrt().item())
    assert (found.part, found.model, found.layers) == ("w", "a" * 64, None)


def foreign(path, tree):
    if path.suffix == ".pt":
        torch.save(tree, path)
    elif path.suffix == ".npz":
        np.savez(path, **{name: axis.numpy() for name, axis in tree.items()})
    else:
        np.save(path, tree.numpy())
    return path


@pytest.mark.parametrize(
    ("tree", "says"),
    [
        (torch.randn(8, 16), r"shape \(8, 16\).*the same for all layers"),
        (torch.randn(1, 15), r"shape \(1, 15\); this model's are \(16,\) or \(k, 16\)"),
        (torch.zeros(16), r"no direction \(axis\)"),
        ({"age": torch.ones(16), "count": 3}, "no directions"),
        ({}, "no directions"),
    ],
)
def test_vectors_that_are_no_directions(network, tree, says, tmp_path):
    torch.save(tree, tmp_path / "axis.pt")
    refused(f"axis.pt .*{says}", read_directions, tmp_path / "axis.pt", network.codes_of, 8, 16, count=10)


# -- using them -------------------------------------------------------------------------------------------------------


def test_sweeps_of_w(network, tmp_path):
    found = sefa(affines(network, range(2)), network.codes_of, 2, range(2), count=100)
    found = Directions.load(found.save(tmp_path / "d"))
    codes = network.codes_of([7], psi=0.7)
    (row,) = sweep(network, found, codes, ["factor 2"], [0, 2])
    assert torch.equal(row[0], network.decode(codes))
    moved = codes.w.clone()
    moved[:, :2] += 2 * found.vectors[1]
    assert torch.allclose(row[1], network.decode(StyleCodes(moved)), atol=1e-5)
    assert not torch.allclose(row[1], row[0], atol=1e-2)
    (other,) = sweep(network, found, codes, ["factor 2"], [2], layers=[5])
    assert not torch.allclose(other[0], row[1], atol=1e-3)
