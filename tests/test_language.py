"""Pictures and words in one space: the small dual encoder, its words, and graft-mini."""

from pathlib import Path

import pytest
import torch
from claims import refused
from tiny import differ, pictures

from graftlab.checkpoints.load import bundled_models
from graftlab.config import DualEncoderConfig
from graftlab.images import read
from graftlab.language import hub_models, text_model
from graftlab.language.mini import MiniModel
from graftlab.language.seeing import FLAT, STATISTICS, statistics
from graftlab.language.words import Vocabulary, padded, words_of
from graftlab.networks.dual_encoder import UNKNOWN, DualEncoder

WORDS = Vocabulary.of(["snow", "snowy mountains", "a lake", "lakeside in spring", "no trees", "misty mist"])


@torch.no_grad()
def small(seed: int = 0, vocabulary: tuple[str, ...] = WORDS.pieces) -> DualEncoder:
    torch.manual_seed(seed)
    config = DualEncoderConfig(
        vocabulary, STATISTICS, size=32, channels=16, hidden=16, width=16, heads=2, length=12, known=3
    )
    network = DualEncoder(config)
    torch.nn.init.normal_(network.text.places)
    network.known.copy_(network.texts(padded([WORDS.numbers(text, 12) for text in ("snow", "a lake", "no trees")])))
    network.threshold.fill_(0.01)
    return network.eval().requires_grad_(False)


def unit_length(x: torch.Tensor) -> bool:
    return torch.allclose(x.norm(dim=1), torch.ones(len(x)), atol=1e-5)


# -- words ------------------------------------------------------------------------------------------------------------


def test_words_are_spelled_by_the_longest_pieces():
    assert {"snow", "+y", "mountain", "+s", "lake", "+side", "spring", "mist"} <= set(WORDS.pieces)
    assert not {"snowy", "mountains", "lakeside", "lakes"} & set(WORDS.pieces)

    def pieces(text):
        return [WORDS.pieces[number - 2] if number > UNKNOWN else "?" for number in WORDS.numbers(text, 9)]

    assert pieces("Lakes, snowy mountainside!") == ["lake", "+s", "snow", "+y", "mountain", "+side"]
    assert pieces("a snowman in spring") == ["a", "?", "in", "spring"]  # "snow" and "man", which is no piece
    assert WORDS.numbers("snow snow snow", 2) == WORDS.numbers("snow snow", 9)
    assert WORDS.unknown("a red car, a car and a lake") == ["red", "car", "and"]
    assert words_of("L'été: 3 lakes' déjà-vu") == ["lete", "lakes", "deja", "vu"]


# -- what is seen -----------------------------------------------------------------------------------------------------


def test_statistics_are_means_and_deviations_of_thirds():
    maps = torch.randn(2, 5, 6, 4), torch.randn(2, 3, 3, 2)
    found = statistics(maps)
    assert found.shape == (2, 2 * 3 * (5 + 3))
    assert torch.allclose(found[1, 3 * 2 + 1], maps[0][1, 2, 2:4].mean(), atol=1e-6)
    wanted = (maps[0][1, 2, 2:4].var(correction=0) + FLAT).sqrt()
    assert torch.allclose(found[1, 15 + 3 * 2 + 1], wanted, atol=1e-5)
    flat = torch.zeros(1, 5, 6, 4, requires_grad=True)
    statistics((flat,)).sum().backward()
    assert flat.grad.isfinite().all()


# -- the small model --------------------------------------------------------------------------------------------------


def test_pictures_of_any_size_and_phrases_become_unit_vectors():
    model = MiniModel(small(), "small")
    seen = pictures(2, 40, 56).requires_grad_()
    found = model.images(seen)
    assert found.shape == (2, 16)
    assert unit_length(found)
    found[0, 0].backward()
    assert seen.grad[0].abs().max() > 0 == seen.grad[1].abs().max()
    texts = model.texts(["snow", "a lake in spring with no trees"])
    assert unit_length(texts)
    assert differ(model.texts(["snow"]), texts[:1]) < 1e-5  # whatever stands beside it
    assert differ(model.texts(["trees no"]), model.texts(["no trees"])) > 1e-2  # order matters


def test_what_a_phrase_says_that_the_model_does_not_know():
    model = MiniModel(small(), "small")
    assert 0 <= model.distance_to_known("snow") < 1e-5
    assert model.network.distance_to_known(model.network.known * 1.01).tolist() == [0, 0, 0]
    assert model.notice("snow") is None
    assert "'red', 'car'" in model.notice("a red car")
    assert model.distance_to_known("mountains in spring") > model.threshold
    assert "unlike what small was trained on" in model.notice("mountains in spring")
    assert model.unread("snow " * 12) == ""
    assert model.unread("snow " * 11 + "snowy lake") == "snowy lake"  # of two pieces, of which the second is too many
    assert "too long for small, which leaves out 'lake'" in model.notice("snow " * 12 + "lake")
    for foreign in ("ein Sonnenuntergang", "夕焼け"):
        refused(f"small knows none of the words of '{foreign}'", model.check, foreign)
    model.check("a zebra in snow")
    refused("holds no words", model.texts, ["snow", " ?"])
    refused(r"give \['snow'\]", model.texts, "snow")
    refused(r"\(N, 3, H, W\)", model.images, pictures(1)[0])


def test_it_has_a_file_with_its_words(tmp_path):
    network = small()
    network.save(tmp_path / "words.safetensors", {"licence": "none"})
    model = text_model(tmp_path / "words.safetensors", device="cpu")
    assert (model.name, model.threshold) == ("words", pytest.approx(0.01))
    assert torch.equal(model.texts(["snowy lakes"]), MiniModel(network).texts(["snowy lakes"]))
    assert torch.equal(model.images(pictures()), MiniModel(network).images(pictures()))
    other = DualEncoder(DualEncoderConfig(WORDS.pieces, 7, channels=4, hidden=4, width=4, length=4, known=1))
    refused("trained on 7 statistics", MiniModel, other)
    refused(r"nor a known text model \(graft-mini, clip-vit-b32, .*siglip2-b16\)\.", text_model, "nowhere")
    refused("landscapes-128 is a Swapping Autoencoder, and this needs a dual encoder", text_model, "landscapes-128")


def test_nothing_is_drawn_where_a_file_is_checked(monkeypatch):
    """PyTorch would load its compiler first, which takes longer than all the rest."""
    config = small().config
    monkeypatch.setattr(torch.Tensor, "normal_", None)
    with torch.device("meta"):
        DualEncoder(config)


def test_words_that_a_file_may_not_have():
    for vocabulary, sentence in (
        ([], "between 1 and"),
        (["a", "a"], "every piece of a word once"),
        (["a" * 65], "between 1 and"),
        ([1], "between 1 and"),
    ):
        refused(sentence, DualEncoderConfig, vocabulary, 4)
    refused("multiple of heads", DualEncoderConfig, ["a"], 4, width=10, heads=4)


# -- graft-mini -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mini() -> MiniModel:
    return text_model("graft-mini", device="cpu")


def test_graft_mini_is_small_and_tells_photographs_apart(mini):
    path = bundled_models()["graft-mini"]
    assert path.stat().st_size < 15e6
    assert path.with_suffix(".md").exists()
    photos = path.parent / "photos"
    captions = {
        "render-winter": "snowy mountains in winter",
        "render-night": "a starry night",
        "render-sunset": "golden sunset",
        "render-summer": "a green valley with a lake in summer",
        "render-mist": "a lake in morning mist",
        "peaks": "rocky mountains above a meadow",
    }
    seen = mini.images(torch.cat([read(photos / f"{name}.jpg", 128, square=True) for name in captions]))
    products = seen @ mini.texts(list(captions.values())).T
    assert products.argmax(1).tolist() == list(range(len(captions)))
    assert products.argmax(0).tolist() == list(range(len(captions)))


def test_graft_mini_knows_what_no_means_and_what_it_does_not_know(mini):
    yes, no, also = mini.texts(["a forest", "no trees", "treeless land"])
    assert no @ also > no @ yes + 0.2
    assert mini.unknown("a red bicycle by a lake") == ["bicycle"]
    assert mini.notice("a misty lake at sunrise") is None


def test_a_picture_can_be_steered_to_a_phrase(mini):
    picture = torch.zeros(1, 3, 64, 64, requires_grad=True)
    target = mini.texts(["golden sunset"])[0]
    before = mini.images(picture)[0] @ target
    (slope,) = torch.autograd.grad(before, picture)
    after = mini.images(picture + 0.05 * slope / slope.abs().max())[0] @ target
    assert after > before


def test_the_command_line_tells_what_it_is(graft):
    path = Path(hub_models.__file__).parents[1] / "bundled" / "graft-mini.safetensors"
    told = graft("inspect", path).out
    assert "dual-encoder, 128 px" in told
    assert "licence: Apache-2.0" in told
    said = graft("swap", "photos/hill.png", "photos/海.png", "-m", path, "-o", "x.png").refusal()
    assert "a dual encoder of pictures and words" in said
