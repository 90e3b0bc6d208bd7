"""DINOv2 and CLIP as feature networks, on tiny random models in the layout of transformers; the option --features."""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest
import torch
from claims import refused
from safetensors.torch import load_file, save_file
from tiny import pictures

from graftlab.perception import vit
from graftlab.perception.choice import CHOICES, DEFAULT, feature_network

SMALL = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 48}


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    """Tiny random models as their authors' tools save them; torchvision stays out of it."""
    patch = pytest.MonkeyPatch()
    patch.setitem(sys.modules, "torchvision", None)
    from transformers import CLIPConfig, CLIPModel, CLIPVisionConfig, CLIPVisionModel, Dinov2Config, Dinov2Model

    torch.manual_seed(0)
    vision = {**SMALL, "image_size": 32, "patch_size": 8}
    text = {**SMALL, "vocab_size": 20, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
    models = {
        "dinov2": Dinov2Model(Dinov2Config(**SMALL, image_size=56, patch_size=14)),
        "other dinov2": Dinov2Model(Dinov2Config(**SMALL, image_size=56, patch_size=14)),
        "half": Dinov2Model(Dinov2Config(**SMALL, image_size=56, patch_size=14)).half(),
        "clip": CLIPVisionModel(CLIPVisionConfig(**vision)),
        "whole clip": CLIPModel(CLIPConfig(vision_config=vision, text_config=text, projection_dim=16)),
    }
    root = tmp_path_factory.mktemp("weights of others")
    for name, model in models.items():
        model.save_pretrained(root / name)
    yield {name: root / name for name in models}
    patch.undo()


@pytest.mark.parametrize(
    ("name", "folder", "mean", "deviation"),
    [
        ("dinov2", "dinov2", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ("clip", "clip", (0.4815, 0.4578, 0.4082), (0.2686, 0.2613, 0.2758)),
        ("clip", "whole clip", (0.4815, 0.4578, 0.4082), (0.2686, 0.2613, 0.2758)),
    ],
)
def test_transformers_see_what_they_see_alone(folders, name, folder, mean, deviation):
    from transformers import CLIPModel, CLIPVisionModel, Dinov2Model

    network = feature_network(f"{name}:{folders[folder]}")
    side, grid = (56, 4) if name == "dinov2" else (32, 4)
    assert (network.side, network.patch_side) == (side, side)
    images = pictures(3, side, side)
    made = network(images)

    kinds = {"dinov2": Dinov2Model, "clip": CLIPVisionModel, "whole clip": CLIPModel}
    alone = kinds[folder].from_pretrained(folders[folder]).eval()
    alone = alone.vision_model if folder == "whole clip" else alone
    mean, deviation = (torch.tensor(x)[None, :, None, None] for x in (mean, deviation))
    with torch.no_grad():
        wanted = alone(pixel_values=(images / 2 + 0.5 - mean) / deviation, output_hidden_states=True)
    torch.testing.assert_close(made.pooled, wanted.pooler_output, rtol=1e-3, atol=1e-3)
    assert [tuple(maps.shape) for maps in made.maps] == [(3, 32, grid, grid)] * 4
    for maps, tokens in zip(made.maps, wanted.hidden_states[1:], strict=True):
        torch.testing.assert_close(maps[:, :, 1, 2], tokens[:, 1 + 1 * grid + 2], rtol=1e-3, atol=1e-3)
    assert network(pictures(1, 20, 30)).maps[0].shape == (1, 32, grid, grid)
    assert network.patches(pictures(2, 8, 8)[None]).shape == (1, 2, 32)


def test_sides_are_those_of_the_training():
    from transformers import Dinov2Config, Dinov2Model

    def sides(**config):
        return vit.sides(Dinov2Model(Dinov2Config(**SMALL, **config)).config, vit.KINDS["dinov2"])

    assert sides(image_size=518, patch_size=14) == (224, 98)  # as facebook/dinov2-small is configured
    assert sides(image_size=100, patch_size=16) == (96, 96)


def test_a_name_is_one_set_of_weights(folders, tmp_path):
    copied = shutil.copytree(folders["dinov2"], tmp_path / "copy")
    name = feature_network(f"dinov2:{folders['dinov2']}").name
    assert re.fullmatch(r"dinov2 \(4 x 32, weights [0-9a-f]{8}\)", name)
    assert feature_network(f"dinov2:{copied}").name == name
    assert feature_network(f"dinov2:{folders['other dinov2']}").name != name


def test_a_missing_package_is_a_sentence(folders, monkeypatch):
    feature_network.cache_clear()
    monkeypatch.setitem(sys.modules, "transformers", None)
    refused(r"transformers: pip install 'graftlab\[transformers\]'", feature_network, f"dinov2:{folders['dinov2']}")


def test_half_precision_is_read_as_float32(folders):
    seen = feature_network(f"dinov2:{folders['half']}")(pictures(1, 56, 56))
    assert {x.dtype for x in (seen.pooled, *seen.maps)} == {torch.float32}


def test_folders_of_something_else(folders, tmp_path):
    def no_network(folder, says):
        sentence = refused(says, feature_network, f"dinov2:{folder}")
        assert "'hf download facebook/dinov2-small config.json model.safetensors --local-dir FOLDER'" in sentence

    no_network(tmp_path / "nowhere", "There is no folder")
    no_network(tmp_path, "holds no config.json")
    no_network(folders["clip"], "of type clip_vision_model, not dinov2")
    pickled = shutil.copytree(folders["dinov2"], tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "another.safetensors")
    torch.save(load_file(pickled / "another.safetensors"), pickled / "pytorch_model.bin")  # harmless, but who knows
    no_network(pickled, "cannot be read as dinov2")
    (pickled / "another.safetensors").unlink()
    no_network(pickled, "holds no safetensors, and weights in other files are not opened")
    cut = shutil.copytree(folders["dinov2"], tmp_path / "cut")
    weights = load_file(cut / "model.safetensors")
    save_file({k: v for k, v in weights.items() if k != "layernorm.bias"}, cut / "model.safetensors", {"format": "pt"})
    no_network(cut, r"lacks layernorm\.bias")
    (cut / "model.safetensors").write_bytes(b"no tensors")
    no_network(cut, "cannot be read as dinov2")
    (cut / "config.json").write_text("[]")
    no_network(cut, "holds no config.json")


def test_the_hub_is_asked_for_safetensors_alone(folders, monkeypatch):
    import huggingface_hub

    def fail(*args, **kwargs):
        raise OSError("Got: ConnectError")

    def snapshot(repository, revision, allow_patterns):
        calls.append((repository, revision))
        assert not any(Path("pytorch_model.bin").match(pattern) for pattern in allow_patterns)
        return str(folders["clip" if "clip" in repository else "dinov2"])

    calls: list = []
    device = torch.device("cpu")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    says = r"clip-vit-base-patch32 could not be downloaded: .* --features clip:FOLDER"
    refused(says, vit.vision_transformer, "clip", "", device)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    assert vit.vision_transformer("clip", "", device).name == feature_network(f"clip:{folders['clip']}").name
    assert vit.vision_transformer("dinov2", "", device).name == feature_network(f"dinov2:{folders['dinov2']}").name
    assert calls == [("openai/clip-vit-base-patch32", "refs/pr/15"), ("facebook/dinov2-small", "main")]


# -- the command line -------------------------------------------------------------------------------------------------


def test_another_network_is_named_and_not_compared(graft, folders, tmp_path):
    done = graft("eval", "folder", "photos", "--features", f"dinov2:{folders['dinov2']}", "--json", "--out", "d")
    assert done.code == 0
    name = feature_network(f"dinov2:{folders['dinov2']}").name
    assert json.loads(done.out)["about"]["features"] == name
    assert set(json.loads(done.out)["figures"]["hybrids"]["patches"]) == {"hybrids", "photos", "own"}
    assert name in (tmp_path / "d" / "report.html").read_text("utf-8")
    assert "transformers" not in done.err
    assert graft("eval", "folder", "photos", "--out", "e").code == 0
    done = graft("eval", "compare", "d", "e")
    assert done.code == 2
    assert name in done.err
    assert DEFAULT in done.err
    for command in (("folder", "photos"), ("truth", "landscapes-128", "--grid", "g")):
        assert "no feature network 'vgg'" in graft("eval", *command, "--features", "vgg").refusal()


def test_the_option_names_what_there_is():
    from graftlab.cli import evaluation

    (option,) = evaluation.Network.__metadata__
    assert evaluation.DEFAULT_FEATURES == DEFAULT
    assert [name for name in CHOICES if name not in option.help] == []
