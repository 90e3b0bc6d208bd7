"""Models of the hub that read phrases: what they say, which are refused, the choice between models, the commands."""

import json
import shutil
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from claims import refused
from test_language import unit_length
from tiny import differ, pictures, stylegan2

import graftlab
from graftlab.editing import word_directions
from graftlab.images import read
from graftlab.language import text_model
from graftlab.language.hub_models import HubModel

TOWER = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
PREPARED = {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.5, 0.25, 0.2], "resample": 3}


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    """Tiny random models and a tokenizer as their authors' tools save them; torchvision stays out of it."""
    patch = pytest.MonkeyPatch()
    patch.setitem(sys.modules, "torchvision", None)
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import (
        BertConfig,
        BertModel,
        CLIPConfig,
        CLIPModel,
        PreTrainedTokenizerFast,
        SiglipConfig,
        SiglipModel,
    )

    torch.manual_seed(0)
    words = {word: number for number, word in enumerate(("<pad>", "<end>", "?", "snow", "a", "lake"))}
    tokens = Tokenizer(WordLevel(words, unk_token="?"))
    tokens.pre_tokenizer = Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=tokens, pad_token="<pad>", eos_token="<end>", unk_token="?")
    vision = {**TOWER, "image_size": 32, "patch_size": 8}
    text = {**TOWER, "vocab_size": 6, "max_position_embeddings": 8, "pad_token_id": 0, "bos_token_id": 1}
    text["eos_token_id"] = 5
    models = {
        "clip": CLIPModel(CLIPConfig(vision_config=vision, text_config=text, projection_dim=16)),
        "siglip": SiglipModel(SiglipConfig(vision_config=vision, text_config={**text, "projection_size": 32})),
        "words alone": BertModel(BertConfig(**TOWER, vocab_size=6)),
    }
    root = tmp_path_factory.mktemp("models of others")
    for name, model in models.items():
        model.save_pretrained(root / name)
        tokenizer.save_pretrained(root / name)
        (root / name / "preprocessor_config.json").write_text(json.dumps(PREPARED))
    yield {name: root / name for name in models}
    patch.undo()


@pytest.mark.parametrize("name", ["clip", "siglip"])
def test_models_of_the_hub_say_what_they_say_alone(folders, name):
    from transformers import AutoModel

    model = text_model(folders[name], device="cpu")
    alone = AutoModel.from_pretrained(folders[name]).eval()
    seen = pictures(2).requires_grad_()
    mean, deviation = (torch.tensor(PREPARED[part])[:, None, None] for part in ("image_mean", "image_std"))
    ids = torch.tensor([[4, 5, 0], [3, 4, 5]])
    mask = {"attention_mask": (ids != 0).long()}
    if name == "siglip":
        ids, mask = torch.nn.functional.pad(ids, (0, 5)), {}  # as in its training: one length, and no mask
    with torch.no_grad():
        wanted = alone(pixel_values=(seen / 2 + 0.5 - mean) / deviation, input_ids=ids, **mask)
    assert differ(model.images(seen).detach(), wanted.image_embeds) < 1e-5
    assert differ(model.texts(["a lake", "snow a lake"]), wanted.text_embeds) < 1e-5
    model.images(seen).sum().backward()
    assert seen.grad.abs().max() > 0
    assert unit_length(model.images(pictures(1, 20, 50)))
    assert unit_length(model.texts(["snow " * 30]))
    assert (model.unknown("zebra"), model.distance_to_known("zebra"), model.notice("zebra")) == ([], None, None)
    assert model.unread("snow a lake") == ""
    assert "which leaves out 'lake'" in model.notice("snow " * 8 + "lake")  # eight are read
    half = text_model(folders[name], device="cpu", precision="bfloat16").images(pictures(2))
    assert half.dtype == torch.float32
    assert (half * model.images(pictures(2))).sum(1).min() > 0.98


def test_models_of_the_hub_that_are_refused(folders, tmp_path, monkeypatch):
    def changed(name, **fields):
        folder = Path(shutil.copytree(folders["clip"], tmp_path / name))
        config = json.loads((folder / "config.json").read_text())
        config["vision_config"] |= fields
        (folder / "config.json").write_text(json.dumps(config))
        return folder

    refused("of type bert, which has no tower for pictures", text_model, folders["words alone"], device="cpu")
    refused("other shapes than squares", text_model, changed("wide", image_size=[32, 64]), device="cpu")
    oblong = changed("oblong")
    (oblong / "preprocessor_config.json").write_text(json.dumps({**PREPARED, "size": {"height": 32, "width": 64}}))
    refused("other shapes than squares", text_model, oblong, device="cpu")
    refused(r"has no config\.json that can be read; get it by 'hf download", text_model, tmp_path, device="cpu")
    bare = changed("bare")
    (bare / "preprocessor_config.json").write_text('{"image_mean": 1}')
    refused("no image_mean of three numbers", text_model, bare, device="cpu")
    (bare / "preprocessor_config.json").write_text(json.dumps(PREPARED))
    (bare / "model.safetensors").write_bytes(b"no tensors")
    refused("cannot be read as a model of pictures and words", text_model, bare, device="cpu")
    monkeypatch.setitem(sys.modules, "transformers", None)
    refused(
        r"needs the package transformers: pip install 'graftlab\[transformers\]'",
        text_model,
        folders["clip"],
        device="cpu",
    )


def test_the_hub_is_asked_for_no_code_and_no_pickles(folders, monkeypatch):
    import huggingface_hub

    calls: list = []

    def snapshot(repository, revision, allow_patterns):
        calls.append((repository, revision))
        for file in ("pytorch_model.bin", "modeling.py", "tf_model.h5"):
            assert not any(Path(file).match(pattern) for pattern in allow_patterns)
        return str(folders["clip"])

    def fail(*args, **kwargs):
        raise OSError("Got: ConnectError")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    assert text_model("someone/some-clip@v1", device="cpu").name == "someone/some-clip"
    assert calls == [("someone/some-clip", "v1")]
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    refused(
        "'hf download someone/some-clip --local-dir FOLDER' and name FOLDER",
        text_model,
        "someone/some-clip",
        device="cpu",
    )
    refused("nor a known text model", text_model, "graft-mega", device="cpu")
    refused("precision must be one of", text_model, "graft-mini", precision="float8")


def test_models_of_the_hub_have_short_names(graft, folders, tmp_path, monkeypatch):
    asked = []

    def snapshot(repository, revision, allow_patterns):
        asked.append((repository, revision))
        raise OSError("no network")

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    result = graft("models", "get", "clip-vit-b32")
    place = tmp_path / "cache" / "text-models" / "clip-vit-b32"
    assert result.code == 2
    assert asked == [("openai/clip-vit-base-patch32", "refs/pr/32")]
    assert f"'hf download openai/clip-vit-base-patch32 --revision refs/pr/32 --local-dir {place}'" in result.err
    shutil.copytree(folders["clip"], place)  # by hand
    result = graft("models", "get", "clip-vit-b32")
    assert (result.code, len(asked)) == (0, 1)
    assert f"clip-vit-b32 is {place}" in result.err
    assert "licence: MIT" in result.err
    model = text_model("clip-vit-b32", device="cpu")
    assert unit_length(model.texts(["snow"]))
    assert "tinyclip-8m: TinyCLIP ViT-8M/16 by Microsoft, the fastest; 94 MB; 46 ms a picture;" in graft("models").err


def test_models_of_the_hub_steer_from_the_command_line(graft, folders, tmp_path, monkeypatch):
    opened = []

    class Watched(HubModel):
        def __init__(self, folder, name, device, dtype) -> None:
            opened.append(dtype)
            super().__init__(folder, name, device, dtype)

    monkeypatch.setattr("graftlab.language.choice.HubModel", Watched)
    monkeypatch.setattr(word_directions, "probe_styles", partial(word_directions.probe_styles, count=40))
    stylegan2().save(tmp_path / "base.safetensors")
    reading = ("--words", folders["siglip"], "--device", "cpu", "--precision", "bfloat16")
    fast = ("--steps", 2, "--cutouts", 1, "--json", "-o", "guided.png")
    result = graft("guide", "@peaks", "-t", "snow", "--from", "a lake", "--part", "both", *reading, *fast)
    assert result.code == 0, result
    assert -1 < json.loads(result.out)[0]["towards"] < 1
    assert read("guided.png").shape == (1, 3, 32, 48)
    told = ("-m", "base.safetensors", "--neutral", "a lake", "-o", "snow.safetensors")
    result = graft("directions", "text", "snow", *reading, *told)
    assert result.code == 0, result
    learning = ("--text", "snow", "--from", "a lake", "--run", "run", "--iterations", 2)
    result = graft("finetune", "base.safetensors", *reading, *learning)
    assert result.code == 0, result
    about = graftlab.load("run/last.safetensors", device="cpu").about["training"]
    assert (about["text"], about["text_model"]) == ("snow", "siglip")  # no folder of this machine's
    assert opened == [torch.bfloat16] * 3
