"""W latents and GANSpace's components, as other programs save them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from claims import refused
from safetensors.torch import save_file

from graftlab.checkpoints.formats.latents import read_components, read_latents
from graftlab.codes import StyleCodes

LAYERS, CHANNELS = 6, 5
W = torch.arange(LAYERS * CHANNELS * 3, dtype=torch.float32).reshape(3, LAYERS, CHANNELS)  # three W+ codes


def read(path: Path) -> torch.Tensor:
    w = read_latents(path, LAYERS, CHANNELS)
    assert StyleCodes(w).w.shape[1:] == (LAYERS, CHANNELS)
    assert w.dtype == torch.float32
    return w


def test_shapes(tmp_path: Path) -> None:
    for array, expected in (
        (W, W),
        (W[:1], W[:1]),
        (W[0], W[:1]),  # as many rows as layers
        (W[:, 0], W[:, :1].expand(-1, LAYERS, -1)),
        (W[:1, 0], W[:1, :1].expand(-1, LAYERS, -1)),
        (W[:, :1], W[:, :1].expand(-1, LAYERS, -1)),
        (W[0, 0], W[:1, :1].expand(-1, LAYERS, -1)),
        (W.double(), W),
        (W.half(), W),
    ):
        np.save(tmp_path / "w.npy", array.numpy())
        assert torch.equal(read(tmp_path / "w.npy"), expected)


def test_archives(tmp_path: Path) -> None:
    for name in ("w", "ws", "dlatents", "latent", "latents", "arr_0"):
        np.savez(tmp_path / "projected_w.npz", **{name: W.numpy()})
        assert torch.equal(read(tmp_path / "projected_w.npz"), W)
    np.savez_compressed(tmp_path / "both.npz", noise=np.zeros(3), w=W.numpy())
    assert torch.equal(read(tmp_path / "both.npz"), W)
    np.savez(tmp_path / "neither.npz", noise=np.zeros(3), picture=W.numpy())
    refused(r"neither.npz holds no W latents.*named w, ws", read, tmp_path / "neither.npz")


@pytest.mark.parametrize(
    "tree",
    [
        W,
        {"latent": W, "noise": [torch.zeros(1)]},
        {"w": W},
        {"latents": W, "names": ["a", "b", "c"]},
        {
            f"{name}.png": {"img": torch.zeros(3, 8, 8), "latent": w, "noise": []}
            for name, w in zip("abc", W, strict=True)
        },
        {"a.png": {"latent": W}},
        [W],
        [W[:1], W[1:2, None].squeeze(0), W[2]],
        {"latents": list(W)},
        {"a.png": W[0], "b.png": W[1], "c.png": W[2]},
        {"codes": list(W)},
    ],
)
def test_torch_files(tmp_path: Path, tree: Any) -> None:
    torch.save(tree, tmp_path / "photo.pt")
    assert torch.equal(read(tmp_path / "photo.pt"), W)


def test_passes_of_restyle(tmp_path: Path) -> None:
    """A dict in an array of objects; the last pass counts, and the array may be in an archive, too."""
    passes = {
        f"{name}.jpg": [np.zeros((LAYERS, CHANNELS), np.float32), w.numpy()] for name, w in zip("abc", W, strict=True)
    }
    np.save(tmp_path / "latents.npy", passes, allow_pickle=True)
    assert torch.equal(read(tmp_path / "latents.npy"), W)
    np.savez(tmp_path / "latents.npz", latents=np.array(passes, object))
    refused("holds no W latents", read, tmp_path / "latents.npz")
    several = np.empty(3, object)
    several[:] = list(W.numpy())
    np.save(tmp_path / "several.npy", several, allow_pickle=True)
    assert torch.equal(read(tmp_path / "several.npy"), W)


def test_rosinality_in_w(tmp_path: Path) -> None:
    """One vector for each picture, in the file's order."""
    torch.save({"z.png": {"latent": W[0, 0]}, "a.png": {"latent": W[1, 1]}}, tmp_path / "photo.pt")
    expected = torch.stack([W[0, 0], W[1, 1]])[:, None].expand(-1, LAYERS, -1)
    assert torch.equal(read(tmp_path / "photo.pt"), expected)


def test_safetensors_and_files_that_change_afterwards(tmp_path) -> None:
    save_file({"w": W}, tmp_path / "w.safetensors")
    assert torch.equal(read(tmp_path / "w.safetensors"), W)
    np.save(tmp_path / "w.npy", W.numpy())
    w = read(tmp_path / "w.npy")
    np.save(tmp_path / "w.npy", np.zeros_like(W.numpy()))
    assert torch.equal(w, W)


def test_other_shapes_and_no_latents(tmp_path: Path) -> None:
    others = [(), (4,), (3, 4), (LAYERS, 4), (3, LAYERS, 4), (3, 7, CHANNELS), (1, 3, LAYERS, CHANNELS), (0, CHANNELS)]
    for shape in others:
        np.save(tmp_path / "w.npy", np.zeros(shape, np.float32))
        sentence = refused("", read, tmp_path / "w.npy")
        assert f"w.npy holds latents of shape {shape}; this model's are (N, 5) or (N, 6, 5)." in sentence
    for tree in (None, [], {}, {"w": 3}, {"a.png": {"img": W, "x": W}}, {"latent": {"w": W}}, W.long()):
        torch.save(tree, tmp_path / "w.pt")
        refused(r"w.pt holds no W latents", read, tmp_path / "w.pt")
    np.savez(tmp_path / "z.npz", z=W[:, 0].numpy())
    refused(r"z.npz holds z, and codes are w", read, tmp_path / "z.npz")
    np.save(tmp_path / "w.npy", np.full((1, CHANNELS), np.nan, np.float32))
    refused(r"w.npy holds numbers that are not finite", read, tmp_path / "w.npy")


def ganspace(count: int = 4, place: tuple[int, ...] = (1, 3, 2, 2)) -> dict[str, np.ndarray]:
    """Arrays as GANSpace's decomposition writes them, for an analysed layer with activations of shape `place`."""
    random = np.random.default_rng(0)
    shapes = {
        "act_comp": (count, *place),
        "act_mean": place,
        "act_stdev": (count,),
        "lat_comp": (count, 1, CHANNELS),
        "lat_mean": (1, CHANNELS),
        "lat_stdev": (count,),
        "var_ratio": (count,),
        "random_stdevs": (count,),
    }
    return {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


def test_components(tmp_path: Path) -> None:
    arrays = ganspace()
    np.savez_compressed(tmp_path / "style.npz", **arrays, note=np.zeros(1))
    components = read_components(tmp_path / "style.npz")
    pairs = {
        "directions": "lat_comp",
        "mean": "lat_mean",
        "deviations": "lat_stdev",
        "activations": "act_comp",
        "activation_mean": "act_mean",
        "activation_deviations": "act_stdev",
        "explained": "var_ratio",
        "random_deviations": "random_stdevs",
    }
    for ours, theirs in pairs.items():
        assert np.array_equal(getattr(components, ours).numpy(), arrays[theirs])


def test_components_of_vectors(tmp_path: Path) -> None:
    arrays = ganspace(place=(CHANNELS,))
    arrays |= {"lat_comp": arrays["lat_comp"][:, 0], "lat_mean": arrays["lat_mean"][0]}
    np.savez(tmp_path / "w.npz", **arrays)
    components = read_components(tmp_path / "w.npz")
    assert components.directions.shape == (4, 1, CHANNELS)
    assert components.mean.shape == (1, CHANNELS)


@pytest.mark.parametrize(
    ("name", "shape", "told"),
    [
        ("lat_comp", None, "holds no components of GANSpace: lat_comp is missing."),
        ("lat_comp", (4,), "lat_comp is (4,), not (k, L, C)"),
        ("lat_comp", (0, 1, 5), "lat_comp is (0, 1, 5), not (k, L, C)"),
        ("lat_mean", (1, 6), "lat_mean is (1, 6), not (1, 5)"),
        ("lat_stdev", (3,), "lat_stdev is (3,), not (4,)"),
        ("act_comp", (3, 2), "act_comp is (3, 2), not (4, 2); act_mean is (1, 3, 2, 2), not (2,)"),
        ("act_mean", (), "act_mean is (), not (1, 3, 2, 2)"),
        ("var_ratio", (4, 1), "var_ratio is (4, 1), not (4,)"),
    ],
)
def test_components_that_do_not_fit(tmp_path: Path, name: str, shape: tuple[int, ...] | None, told: str) -> None:
    arrays = ganspace()
    if shape is None:
        del arrays[name]
    else:
        arrays[name] = np.zeros(shape, np.float32)
    np.savez(tmp_path / "style.npz", **arrays)
    sentence = refused("", read_components, tmp_path / "style.npz")
    assert sentence.startswith(f"{tmp_path / 'style.npz'} holds")
    assert told in sentence


def test_no_components(tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", W.numpy())
    refused(r"holds no components of GANSpace: lat_comp is missing; lat_mean", read_components, tmp_path / "w.npy")
