"""Samples of a StyleGAN2 beside photos: equal sets are at no distance, and the command says what it measured."""

import json

import pytest
import tiny
import torch
from claims import refused
from tiny import pictures

from graftlab.checkpoints.native import save_model
from graftlab.evaluation.compare import compare
from graftlab.evaluation.report import write_report
from graftlab.evaluation.samples import SIDE, samples
from graftlab.images import write
from graftlab.perception.efficientnet import JUDGE


class Album:
    """A model whose seeds are numbered pictures."""

    fingerprint = None

    def __init__(self, images: torch.Tensor) -> None:
        self.images, self.asked = images, []

    def sample(self, seeds, psi=1.0, labels=None):
        self.asked.append((list(seeds), psi, labels))
        return self.images[[seed % len(self.images) for seed in seeds]]


@pytest.fixture(scope="module")
def album(tmp_path_factory):
    folder = tmp_path_factory.mktemp("album")
    images = pictures(20, 32, 32)
    for i, image in enumerate(images.split(1)):
        write(image, folder / f"{i:02}.png")
    return folder, images


def test_other_pictures_of_a_kind_are_nearer_than_pictures_of_another(album):
    folder, images = album
    same, other = (samples(Album(made), folder, 32, count=20) for made in (images, -images.abs()))
    assert same.kernel.value < 1e-3 < other.kernel.low  # unbiased, so equal sets are a little below 0
    assert samples(Album(images), folder, 32, count=20).to_dict() == same.to_dict()
    assert (same.about["judge"], same.about["photos"], same.about["samples"]) == (JUDGE, 20, 20)


def test_seeds_follow_each_other(album):
    folder, images = album
    model, told = Album(images), []
    samples(model, folder, 32, count=18, psi=0.7, label=3, seed=5, progress=lambda *done: told.append(done))
    assert model.asked == [(list(range(5, 21)), 0.7, 3), ([21, 22], 0.7, 3)]
    assert told == [(done, 36, "") for done in (16, 18, 34, 36)]


def test_what_cannot_be_measured(album):
    folder, images = album
    refused("Two samples or more", samples, Album(images), folder, 32, count=1)
    narrow = Album(images[:, :, :16])
    refused("pictures are 32 x 16 pixels, and photos are cut to 32 x 32", samples, narrow, folder, 32, count=2)


def test_results_are_compared(album, tmp_path):
    folder, images = album
    for name, count in (("a", 8), ("b", 9)):
        write_report(samples(Album(images), folder, 32, count=count), tmp_path / name)
    result = compare(tmp_path / "a", tmp_path / "b")
    assert list(result.figures) == ["kernel"]
    assert "Not the same for both: samples (8 and 9)." in result.about["notes"]


def test_command(graft, tmp_path):
    save_model(tmp_path / "net.safetensors", tiny.stylegan2(), {})
    done = graft("eval", "samples", "net.safetensors", "photos", "--count", 4, "--json", "--out", "m")
    assert done.code == 0
    result = json.loads(done.out)
    assert result["kind"] == "samples"
    assert {"name": "net", "samples": 4, "photos": 3, "size": 32, "psi": 1.0}.items() <= result["about"].items()
    assert result["figures"]["kernel"].keys() == {"value", "low", "high"}
    page = (tmp_path / "m" / "report.html").read_text("utf-8")
    assert page.count("data:image/jpeg;base64,") == 2
    assert f"at {SIDE} pixels" in page
    done = graft("eval", "samples", "landscapes-128", "photos", "--count", 4)
    assert (done.code, "needs a StyleGAN." in done.err) == (2, True)
    done = graft("eval", "samples", "net.safetensors", "photos", "--count", 4, "--seed", 2**32 - 1)
    assert (done.code, "no room for 4 samples" in done.err) == (2, True)
