"""Classes by folder or by label, and conditional training: what is told apart, and what travels with the model."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from claims import refused
from training_fixture import CPU, photo

import graftlab
from graftlab.artifacts import read_tensors
from graftlab.checkpoints.native import save_model
from graftlab.config import StyleRecipe, style_preset
from graftlab.data import classes_of, open_source
from graftlab.networks.projected import WIDTH, ProjectedDiscriminator
from graftlab.training.run import Run
from graftlab.training.start import configure, configure_finetuning
from graftlab.training.stylegan2 import StyleGAN2Trainer

SHORT = {"images": 4, "batch": 4, "precision": "float32", "record_every": 4, "snapshot_every": 4, "augment": ()}


def folders(root: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo(number))
    return root


def labelled(root: Path, labels: object) -> Path:
    (root / "dataset.json").write_text(json.dumps({"labels": labels}))
    return root


def test_the_first_folders_that_differ_are_the_classes(tmp_path):
    names = ("all/tulip/1.png", "all/tulip/deep/2.png", "all/rose/1.png")
    root = folders(tmp_path / "flowers", *names)
    found = classes_of(open_source(root))
    assert found.names == ("rose", "tulip")
    assert found.labels.tolist() == [0, 1, 1]
    with zipfile.ZipFile(tmp_path / "flowers.zip", "w") as archive:
        for name in names:
            archive.write(root / name, name)
    assert classes_of(open_source(tmp_path / "flowers.zip")).names == ("rose", "tulip")
    counted = folders(tmp_path / "digits", *(f"{number}/a.png" for number in range(11)))
    assert classes_of(open_source(counted)).names == tuple(map(str, range(11)))  # 10 after 9


def test_labels_as_nvidia_writes_them(tmp_path):
    names = ("00000/a.png", "00000/b.png", "00001/c.png")
    root = labelled(folders(tmp_path / "set", *names), [["00000/b.png", 0], ["00000/a.png", 1], ["00001/c.png", 1]])
    assert classes_of(open_source(root)).labels.tolist() == [1, 0, 1]
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for name in (*names, "dataset.json"):
            archive.write(root / name, name)
    assert classes_of(open_source(tmp_path / "set.zip")).labels.tolist() == [1, 0, 1]
    with zipfile.ZipFile(tmp_path / "nested.zip", "w") as archive:  # as who packs the folder does
        for name in (*names, "dataset.json"):
            archive.write(root / name, f"a/set/{name}")
    assert classes_of(open_source(tmp_path / "nested.zip")).labels.tolist() == [1, 0, 1]
    labelled(root, None)
    assert classes_of(open_source(root)).names == ("00000", "00001")


@pytest.mark.parametrize(
    ("names", "labels", "says"),
    [
        (("a.png", "b.png"), None, "a.png is in no class's folder; put the photos of each class"),
        (("rose/a.png", "rose/b.png"), None, "rose/a.png is in no class's folder"),
        (("rose/a.png", "tulip/b.png", "c.png"), None, "c.png is in no class's folder"),
        (("Rose/a.png", "rose/b.png", "tulip/c.png"), None, "'Rose' and 'rose' differ in capitals alone"),
        (("a.png", "b.png"), [["a.png", 0]], "b.png has no label"),
        (("a.png", "b.png"), [["a.png", 0], ["b.png", [0.5, 0.5]]], "b.png is labelled"),
        (("a.png", "b.png"), [["a.png", 0], ["b.png", 2]], "no photo is labelled 1"),
        (("a.png", "b.png"), [["a.png", 0], ["b.png", 0]], "all photos have one label"),
        (("a.png", "b.png"), 3, "dataset.json holds no labels"),
        (("00000/img00000000.png", "00001/img00001000.png"), None, "numbers that NVIDIA's dataset tool gives"),
    ],
)
def test_what_has_no_classes(tmp_path, names, labels, says):
    root = folders(tmp_path / "set", *names)
    if labels is not None:
        labelled(root, labels)
    refused(says, classes_of, open_source(root))


def test_labels_in_the_only_folder_as_other_tools_write_them(tmp_path):
    root = folders(tmp_path / "set", "flowers/a/1.png", "flowers/b/2.png")
    labelled(root / "flowers", [["a\\1.png", 1.0], ["b\\2.png", 0.0]])
    assert classes_of(open_source(root)).labels.tolist() == [1, 0]
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for path in sorted(root.rglob("*.*")):
            archive.write(path, path.relative_to(root))
    assert classes_of(open_source(tmp_path / "set.zip")).labels.tolist() == [1, 0]
    labelled(root / "flowers", {"a/1.png": 0, "b/2.png": 1})
    assert classes_of(open_source(root)).labels.tolist() == [0, 1]


def test_parts_of_a_data_set_are_no_classes(tmp_path):
    root = folders(tmp_path / "set", "train/rose/a.png", "train/tulip/b.png", "Val/rose/c.png")
    found = classes_of(open_source(root))
    assert (found.names, found.labels.tolist()) == (("rose", "tulip"), [0, 0, 1])
    (root / "Val" / "lily").mkdir()
    refused("the class 'lily' has no photos", classes_of, open_source(root))
    refused("train/a.png is in no class", classes_of, open_source(folders(tmp_path / "x", "train/a.png", "val/b.png")))


def test_a_class_without_photos(tmp_path):
    root = folders(tmp_path / "set", "rose/a.png", "tulip/b.png")
    (root / "lily").mkdir()
    refused("the class 'lily' has no photos", classes_of, open_source(root))


def test_networks_learn_by_class():
    network = replace(style_preset("tiny", 16), classes=3)
    data = {"data": "", "classes": ("a", "b", "c"), "recipe": StyleRecipe(r1=1.0, mixing=1.0)}
    one = StyleGAN2Trainer(graftlab.config.StyleTrainConfig(network, **data, **SHORT), CPU)
    images, labels = torch.rand(4, 3, 16, 16) * 2 - 1, torch.tensor([0, 2, 2, 0])
    one.step(images, labels)
    learnt = one.model.mapping.embed.weight.grad
    assert learnt[:, 0].any()
    assert not learnt[:, 1].any()  # no picture was of it, real or made
    assert one.discriminators.mapping.embed.weight.grad[:, 2].any()
    torch.manual_seed(5)
    z = torch.randn(4, 16)
    torch.manual_seed(5)
    w = one._draw_codes(2, labels=torch.eye(3)[[1, 2]])
    first, second = (one.model.mapping(z[rows], torch.eye(3)[[1, 2]]) for rows in (slice(2), slice(2, 4)))
    torch.testing.assert_close(w[:, 0], first)
    torch.testing.assert_close(w[:, -1], second)  # both latent vectors of a mixed picture are of its class


def test_projected_logits_are_inner_products_with_the_class():
    net = ProjectedDiscriminator((4, 4, 4, 4), classes=2).eval()
    maps = tuple(torch.rand(2, 4, side, side) for side in (32, 16, 8, 4))
    one, other = net(maps, torch.eye(2)[[0, 0]]), net(maps, torch.eye(2)[[1, 1]])
    both = net(maps, torch.eye(2)[[0, 1]])
    assert torch.equal(both, torch.stack([one[0], other[1]]))
    torch.testing.assert_close(net(maps, torch.ones(2, 2)), one + other)
    assert net.embed.weight.shape == (WIDTH, 2)


def test_a_conditional_run_and_what_travels_with_its_model(graft):
    root = folders(Path("flowers"), *(f"{kind}/{number}.png" for kind in ("rose", "tulip") for number in range(4)))
    train = ("stylegan", "train", root, "--classes", "--preset", "tiny", "--size", 16, "--batch", 4, "--augment", "")
    train += ("--precision", "float32", "--snapshot-every", 4)
    for images, run in ((8, "whole"), (4, "parts"), (8, "parts")):
        assert graft(*train, "--images", images, "--run", run).code == 0
    whole, parts = (read_tensors(max(Path(name, "states").glob("*")))[0] for name in ("whole", "parts"))
    assert all(torch.equal(tensor, parts[name]) for name, tensor in whole.items())

    model = graftlab.load("whole/last.safetensors", graftlab.StyleGAN2)
    assert model.class_names == ("rose", "tulip")
    assert torch.equal(model.sample([3], labels="tulip"), model.sample([3], labels=1))
    assert graft("sample", "-m", "whole/last.safetensors", "--seeds", "3", "--class", "rose", "-o", "r.png").code == 0
    assert "its classes are rose, tulip" in graft("sample", "-m", "whole/last.safetensors", "--class", "oak").refusal()
    assert "2 classes (rose, tulip)" in graft("inspect", "whole/last.safetensors").out

    tuned = configure_finetuning("whole/last.safetensors", root, **SHORT)
    assert (tuned.network, tuned.classes) == (model.config, ("rose", "tulip"))
    assert Run(Path("tuned"), tuned, CPU).train()
    folders(Path("trees"), "oak/1.png", "elm/2.png")
    refused("photos of 2 classes .elm, oak., and the model draws 2 classes .rose, tulip.",
            configure_finetuning, "whole/last.safetensors", "trees")  # fmt: skip
    folders(root, "lily/1.png")
    refused("photos of 3 classes", configure_finetuning, "whole/last.safetensors", root)
    assert "classes" in graft(*train, "--images", 16, "--run", "whole").refusal()


def test_classes_of_a_model_that_does_not_name_them(tmp_path):
    base = tmp_path / "base.safetensors"
    save_model(base, tiny.stylegan2(classes=2))
    root = folders(tmp_path / "set", "rose/a.png", "tulip/b.png")
    assert configure_finetuning(base, root, **SHORT).classes == ("rose", "tulip")
    found = classes_of(open_source(root))
    assert found.under(("0", "1")).tolist() == [0, 1]
    assert found.under(("tulip", "rose")).tolist() == [1, 0]
    refused("photos of 2 classes", found.under, ("0", "1", "2"))
    run = configure(root, style_preset("tiny", 16), classes=True, **SHORT)
    refused("no beginning of this run's networks", Run, tmp_path / "run", replace(run, base=str(base)), CPU)


def test_an_unreadable_photo_gives_way_to_one_of_its_class(tmp_path):
    root = folders(tmp_path / "set", *(f"{kind}/{number}.png" for kind in "ab" for number in range(3)))
    (root / "a/2.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    data = graftlab.data.TrainingImages(open_source(root), 16, holdout=0, mirror=False, classes=("a", "b"))
    batch, labels = data.batch(0, 6), data.labels(0, 6)
    assert sorted(labels.tolist()) == [0, 0, 0, 1, 1, 1]
    of_a = {image.numpy().tobytes() for image, label in zip(batch, labels, strict=True) if label == 0}
    assert len(of_a) == 2  # one of them twice, and none of the other class
    assert isinstance(labels, torch.Tensor)
    assert np.array_equal(data.told(2, 3), labels[2:5])
