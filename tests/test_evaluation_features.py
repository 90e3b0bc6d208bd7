"""EfficientNet-Lite0 and Inception: what they see repeats, is what others' code sees, from files that run nothing."""

import hashlib
import pickle
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from claims import refused
from tiny import pictures

from graftlab.perception import features, inception
from graftlab.perception.choice import DEFAULT, feature_network
from graftlab.perception.efficientnet import PATCH_SIDE


class Trap:
    """Something that leaves a trace when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return (Path.touch, (self.trace,))


# -- EfficientNet-Lite0 -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def seen():
    """Features of four pictures of 64 px."""
    return feature_network()(pictures(4, 64, 64))


def test_features_have_these_shapes_and_repeat(seen):
    shapes = [(4, 24, 56, 56), (4, 40, 28, 28), (4, 112, 14, 14), (4, 192, 7, 7)]
    assert [tuple(maps.shape) for maps in seen.maps] == shapes
    assert seen.pooled.shape == (4, 1280)
    again = feature_network()(pictures(4, 64, 64))
    assert torch.equal(again.pooled, seen.pooled)
    assert all(map(torch.equal, again.maps, seen.maps))


def test_features_of_a_batch_are_those_of_its_pictures(seen, monkeypatch):
    monkeypatch.setattr(features, "BATCH", 3)
    alone = feature_network()(pictures(4, 64, 64))
    torch.testing.assert_close(alone.pooled, seen.pooled, rtol=1e-4, atol=1e-4)


def test_patches_are_seen_each_for_itself():
    patches = pictures(6, 16, 16).unflatten(0, (2, 3))
    network = feature_network()
    pooled = network.patches(patches)
    assert pooled.shape == (2, 3, 1280)
    torch.testing.assert_close(network.patches(patches[1:, 2:])[0, 0], pooled[1, 2], rtol=1e-4, atol=1e-4)
    larger = torch.nn.functional.interpolate(patches[0], (PATCH_SIDE, PATCH_SIDE), mode="bilinear", antialias=True)
    torch.testing.assert_close(network.patches(larger[None])[0], pooled[0], rtol=1e-4, atol=1e-4)


def test_the_weights_are_trained():
    """A photograph of mountains is one to the classifier: ImageNet's class 970, alp."""
    from graftlab.checkpoints.load import BUNDLED
    from graftlab.images import read

    network = feature_network()
    pooled = network(read(BUNDLED / "photos" / "peaks.jpg", 224, square=True)).pooled
    assert network.module.classifier._fc(pooled).argmax().item() == 970


def test_a_missing_package_is_a_sentence(monkeypatch):
    feature_network.cache_clear()
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    refused(r"efficientnet_lite_pytorch: pip install 'graftlab\[metrics\]'", feature_network)


def test_names():
    refused(r"no feature network .vgg.; choose one of efficientnet-lite0, .*inception", feature_network, "vgg")
    refused("brings its weights", feature_network, f"{DEFAULT}:somewhere")


# -- Inception --------------------------------------------------------------------------------------------------------


def inception_weights() -> dict[str, torch.Tensor]:
    """Random, but the same for ever; normalised so that every layer matters."""
    rng = np.random.default_rng(0)
    weights = {}
    for name, value in sorted(inception.Inception().state_dict().items()):
        if not value.is_floating_point():
            weights[name] = value
            continue
        drawn = rng.standard_normal(value.shape, dtype=np.float32)
        if name.endswith("running_var"):
            drawn = 0.5 + np.abs(drawn)
        elif name.endswith("bn.weight"):
            drawn = 1 + 0.2 * drawn
        elif name.endswith("conv.weight"):
            drawn *= np.float32((2 / value[0].numel()) ** 0.5)
        weights[name] = torch.from_numpy(drawn)
    return weights


def byte_pictures() -> torch.Tensor:
    """Noise in patches of five pixels, and its darker half."""
    noise = np.random.default_rng(1).integers(0, 256, (1, 3, 8, 15), dtype=np.uint8).repeat(5, 2).repeat(5, 3)
    return torch.from_numpy(np.concatenate([noise, noise // 2]))


# What torch-fidelity 0.4.0 gives for these weights and pictures, features "64", "192", "768" and "2048": of either
# picture two at the beginning and three at the end, where the last block's pooling ends up.
SEEN = (
    (0.9641, 0, 3.4695, 0.6618, 2.5703, 0.7075, 0, 3.3179, 0.8178, 2.2275),
    (2.5802, 3.1082, 0, 0, 0.0150, 2.0975, 3.0193, 0, 0, 0.0822),
    (1.5157, 0.0056, 0, 0.2375, 4.9845, 1.4231, 0.0056, 0, 0.2004, 5.0203),
    (0, 19.1120, 5.7008, 2.1362, 0, 0, 18.7681, 5.6390, 2.1496, 0),
)


@pytest.fixture(scope="module")
def inception_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("inception") / "weights.pth"
    torch.save(inception_weights(), path)
    return path


def test_inception_sees_what_it_sees_in_torch_fidelity(inception_file):
    network = feature_network(f"inception:{inception_file}")
    assert network.name == "inception " + hashlib.sha256(inception_file.read_bytes()).hexdigest()[:8]
    made = network(byte_pictures() / 127.5 - 1)
    shapes = [(2, 64, 73, 73), (2, 192, 35, 35), (2, 768, 17, 17), (2, 2048, 8, 8)]
    assert [tuple(maps.shape) for maps in made.maps] == shapes
    for vectors, wanted in zip((*(maps.mean((2, 3)) for maps in made.maps[:3]), made.pooled), SEEN, strict=True):
        assert vectors[:, [0, 1, -3, -2, -1]].flatten().tolist() == pytest.approx(wanted, rel=1e-3, abs=1e-3)
    between = network(byte_pictures() / 127.5 - 1 + 0.3 / 127.5)
    assert torch.equal(between.pooled, made.pooled)  # as if the pictures had been saved
    assert network.patches(torch.zeros(1, 2, 3, 16, 16)).shape == (1, 2, 2048)


def test_inception_reads_no_pickles(tmp_path):
    (tmp_path / "trap.pth").write_bytes(pickle.dumps(Trap(tmp_path / "sprung"), 2))
    torch.save({"fc.weight": Trap(tmp_path / "sprung")}, tmp_path / "zipped.pth")
    torch.save({"fc.weight": torch.zeros(1)}, tmp_path / "other.pth")
    for name in ("trap.pth", "zipped.pth", "other.pth"):
        says = rf"{name} does not hold the weights of Inception: give the file pt_incep"
        refused(says, feature_network, f"inception:{tmp_path / name}")
    assert not (tmp_path / "sprung").exists()
    refused("There is no file", feature_network, f"inception:{tmp_path / 'nowhere.pth'}")


def test_inception_is_downloaded_once(inception_file, tmp_path, monkeypatch):
    def download(url, path, hash_prefix):
        calls.append((url, hash_prefix))
        shutil.copy(inception_file, path)

    def fail(*args, **kwargs):
        raise OSError("Name or service not known")

    calls: list = []
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    says = r"could not be downloaded: get https://.*\.pth .* --features inception:pt_"
    refused(says, inception.inception, "", torch.device("cpu"))
    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    inception._downloaded()
    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    assert inception._downloaded().read_bytes() == inception_file.read_bytes()
    assert calls == [(inception.URL, "6726825d")]
