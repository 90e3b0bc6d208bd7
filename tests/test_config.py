"""Configurations: contradictions are refused at once, JSON round trips, and hostile numbers cost nothing."""

import contextlib
import json
import time
import tracemalloc
from dataclasses import fields, replace

import pytest
import tiny
import torch
from claims import refused

from graftlab.config import (
    PRESETS,
    RECIPES,
    Recipe,
    StyleRecipe,
    SwappingConfig,
    SwappingTrainConfig,
    TranslatorConfig,
    preset,
    recipe,
)
from graftlab.config.base import type_and_limits
from graftlab.errors import GraftError
from graftlab.networks.discriminators import Discriminators
from graftlab.networks.swapping import SwappingAutoencoder

TRAIN = SwappingTrainConfig(PRESETS["tiny"], Recipe(), "photos", augment=("colour",))


def refused_briefly(words, act, *args, **kwargs):
    assert len(refused(words, act, *args, **kwargs)) < 250


# -- contradictions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"size": 30}, "size 30 is not a multiple of 4 .* use 32"),
        ({"size": 5}, "not a multiple of 4 .* use 28"),
        ({"size": 24}, "6 cells a side, and the texture branch needs 7; use at least 28"),
        ({"size": 0}, "size must be between"),
        ({"downsamplings": 0}, "downsamplings must be between 1 and 8, not 0"),
        ({"texture_downsamplings": 0}, "texture_downsamplings must be"),
        ({"structure_channels": 0}, "structure_channels must be"),
        ({"texture_channels": -1}, "texture_channels must be"),
        ({"head_blocks": 0}, "head_blocks must be"),
        ({"patch_size": 4}, "patch_size must be between 8 and 256, not 4"),
        ({"patch_size": 24}, "patch_size must be a power of two, not 24; use 32"),
        ({"patch_size": 512}, "patch_size must be between"),
        ({"patch_hidden": 1}, "patch_hidden must be"),
        (
            {"encoder_capacity": 0.001},
            "encoder_capacity 0.001 leaves a layer without channels at size .*; raise it",
        ),
        ({"encoder_growth": 0.1}, "encoder_capacity .* leaves a layer without channels"),
        ({"generator_capacity": 0.001}, "generator_capacity .* leaves a layer without channels"),
        ({"discriminator_capacity": 1e-4}, "discriminator_capacity .* leaves a layer without channels"),
        ({"patch_capacity": 0.001}, "patch_capacity .* leaves a layer without channels"),
        ({"discriminator_max_channels": 0}, "discriminator_max_channels must be"),
        ({"patch_max_channels": 0}, "patch_max_channels must be"),
        ({"size": 32.0}, "size must be a whole number, not 32.0"),
        ({"size": "32"}, "size must be a whole number, not '32'"),
        ({"size": True}, "size must be a whole number, not True"),
        ({"noise": 1}, "noise must be true or false, not 1"),
        ({"encoder_capacity": "1"}, "encoder_capacity must be a number"),
        ({"generator_capacity": float("nan")}, "generator_capacity must be between"),
    ],
)
def test_contradictions_of_networks(changes, words):
    refused_briefly(words, replace, PRESETS["tiny"], **changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"crop_scale": (0, 0.5)}, "crop_scale must rise"),
        ({"crop_scale": (0.5, 0.25)}, "crop_scale must rise"),
        ({"crop_scale": (0.5, 1.25)}, "crop_scale must rise"),
        ({"crop_scale": (0.5,)}, "crop_scale must be two numbers"),
        ({"crop_scale": "12"}, "crop_scale must be two numbers"),
        ({"crop_scale": None}, "crop_scale must be two numbers"),
        ({"crop_scale": (float("nan"), 1)}, "crop_scale must rise"),
        ({"crops": 0}, "crops must be"),
        ({"r1_interval": 0}, "r1_interval must be"),
        ({"r1": -1.0}, "r1 must be"),
        ({"l1": float("inf")}, "l1 must be"),
        ({"gan": None}, "gan must be a number, not None"),
        ({"aggregate": "yes"}, "aggregate must be true or false"),
    ],
)
def test_contradictions_of_recipes(changes, words):
    refused_briefly(words, replace, RECIPES["official"], **changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"batch": 15}, "batch must be an even number"),
        ({"batch": 0}, "batch must be between 2 and 65536"),
        ({"images": 0}, "images must be at least 1, not 0"),
        ({"images": 1.5}, "images must be a whole number"),
        ({"record_every": 0}, "record_every must be"),
        ({"snapshot_every": 0}, "snapshot_every must be"),
        ({"ema_halflife": 0}, "ema_halflife must be"),
        ({"seed": -1}, "seed must be"),
        ({"seed": 2**32}, "seed must be"),
        ({"precision": "float16"}, "precision must be one of float32, bfloat16, not 'float16'"),
        ({"learning_rate": -0.1}, "learning_rate must be"),
        ({"learning_rate": float("nan")}, "learning_rate must be"),
        ({"betas": (0.0, 1.0)}, "betas must be from 0 to below 1"),
        ({"betas": (0.0,)}, "betas must be two numbers"),
        ({"augment": "colour"}, "augment must be a list of names"),
        ({"augment": [1]}, "augment must be a list of names"),
        ({"holdout": 2.0}, "holdout must be"),
        ({"data": None}, "data must be text"),
        ({"network": {}}, "network must be"),
    ],
)
def test_contradictions_of_training(changes, words):
    refused_briefly(words, replace, TRAIN, **changes)


def test_the_largest_seed_seeds_every_step():
    config = replace(TRAIN, seed=2**32 - 1)
    torch.manual_seed((config.seed * 1_000_003 + 10**9) * 4_099 + 1000)  # as the trainer does


def test_every_number_matters_to_equality():
    """What resuming relies on to refuse other options."""

    def differs(config, **changes):
        try:
            return replace(config, **changes) != config
        except GraftError:  # a number that contradicts the others cannot be given at all
            return True

    for config in (PRESETS["tiny"], RECIPES["official"]):
        for field in fields(config):
            value = getattr(config, field.name)
            if type(value) is bool:
                assert differs(config, **{field.name: not value}), field.name
            elif type(value) is float:
                assert differs(config, **{field.name: value * 1.5 + 0.01}), field.name


# -- JSON -------------------------------------------------------------------------------------------------------------


def test_json_round_trip():
    for config in (*PRESETS.values(), *RECIPES.values(), TRAIN):
        text = json.dumps(config.to_dict())
        back = type(config).from_dict(json.loads(text))
        assert back == config
        assert hash(back) == hash(config)  # tuples, not lists
        assert json.dumps(back.to_dict()) == text


def test_unknown_and_missing_fields():
    refused_briefly(
        "SwappingConfig has no field colour, taste; the file may be of a newer graftlab",
        SwappingConfig.from_dict,
        {**PRESETS["tiny"].to_dict(), "taste": 1, "colour": 2},
    )
    refused_briefly("Recipe has no field r2", SwappingTrainConfig.from_dict, {**TRAIN.to_dict(), "recipe": {"r2": 1}})
    refused_briefly("SwappingTrainConfig lacks network, recipe", SwappingTrainConfig.from_dict, {"data": "photos"})
    assert Recipe.from_dict({"gan_mix": 0.5}) == RECIPES["paper"]


def test_fields_by_their_former_names():
    earlier = {"r1": 0.5, "path": 3.0, "mixing": 0.0}
    assert StyleRecipe.from_dict(earlier) == StyleRecipe(r1=0.5, path_length=3.0, mixing=0.0)
    student = TranslatorConfig.from_dict({"size": 32, "judges": 1, "judge_width": 4})
    assert student == TranslatorConfig(32, discriminators=1, discriminator_width=4)


def test_what_is_no_table_is_refused():
    for values in (None, ["size"]):
        refused_briefly("made of named fields", SwappingConfig.from_dict, values)


HOSTILE = (0, -1, 10**3, 10**9, 10**18, 10**300, -(10**300), "9" * 10**5, "", None, [], {}, 1e308, 0.5, 1e-300)
HOSTILE += (float("nan"), float("inf"), True)


@pytest.mark.parametrize("name", [field.name for field in fields(SwappingConfig)])
def test_hostile_numbers_cost_nothing(name):
    """Each is refused at once, or makes a model on the meta device, which takes no memory."""
    with torch.device("meta"):
        SwappingAutoencoder(PRESETS["tiny"])  # what torch imports for the first
    tracemalloc.start()
    try:
        for value in HOSTILE:
            started = time.process_time()
            text = json.dumps({**PRESETS["tiny"].to_dict(), name: value})
            with contextlib.suppress(GraftError), torch.device("meta"):
                SwappingAutoencoder(SwappingConfig.from_dict(json.loads(text)))
            assert time.process_time() - started < 2
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


def test_the_largest_networks_are_described_at_once():
    limits = {field.name: type_and_limits(field.type)[1] for field in fields(SwappingConfig)}
    largest = {name: limit.high for name, limit in limits.items() if limit and name != "texture_downsamplings"}
    started = time.process_time()
    with torch.device("meta"):
        model = SwappingAutoencoder(replace(PRESETS["tiny"], **largest))
    assert len(model.generator.head) == largest["head_blocks"]
    assert time.process_time() - started < 5


# -- presets ----------------------------------------------------------------------------------------------------------


def test_another_size_keeps_the_share_of_a_patch():
    for config in PRESETS.values():
        assert config.at(config.size) == config
        double = config.at(config.size * 2)
        share = config.patch_size / config.size
        assert double.patch_size == min(256, share * double.size)
        changed = {field.name for field in fields(config) if getattr(config, field.name) != getattr(double, field.name)}
        assert changed <= {"size", "patch_size"}


def test_patches_of_small_and_odd_sizes():
    assert PRESETS["small"].at(64).patch_size == 16
    assert PRESETS["church256"].at(112).patch_size == 64  # the nearest power of two
    assert PRESETS["tiny"].at(28).patch_size == 8  # never smaller


def test_unknown_names_are_answered_with_the_known():
    refused_briefly("no preset 'huge'; choose one of tiny, small", preset, "huge")
    refused_briefly("no recipe 'secret'; choose one of official, paper", recipe, "secret")
    refused_briefly("size 65 is not a multiple of 8", preset, "small", 65)
    assert preset("small", 64) == PRESETS["small"].at(64)


def test_recipes_differ_in_the_share_of_hybrids_only():
    official, paper = recipe("official"), recipe("paper")
    assert (official.gan_mix, paper.gan_mix) == (1.0, 0.5)
    assert replace(official, gan_mix=0.5) == paper


@pytest.mark.parametrize("size", [28, 44, 64, 92])
def test_discriminators_of_every_size(size):
    config = PRESETS["tiny"].at(size)
    net = Discriminators(config)
    assert net.image(torch.zeros(2, 3, size, size)).shape == (2, 1)


@pytest.mark.parametrize(("patch", "antialias"), [(8, True), (16, False), (64, True), (256, False)])
def test_patch_discriminators_of_every_size(patch, antialias):
    net = Discriminators(replace(PRESETS["tiny"], patch_size=patch, patch_capacity=0.25, antialias=antialias))
    features = net.patch.features(torch.zeros(1, 2, 3, patch, patch))
    assert features.shape == (1, 2, 16, 2, 2)
    assert net.patch(features, features).shape == (1, 2)


def test_discriminators_refuse_other_sizes():
    refused_briefly("judges pictures of 32 px", tiny.discriminators().image, torch.zeros(1, 3, 32, 36))
