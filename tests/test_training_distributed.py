"""Two processes on this machine, with gloo: the same weights in both, the mean of their gradients, one that writes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from claims import refused
from safetensors.torch import load_file
from torch.distributed.run import parse_args
from training_fixture import CPU, apart, command, config, encoder, make_photos, start, steps_of, trainers

from graftlab import distributed
from graftlab.training.swapping import SwappingTrainer


def test_alone():
    parameter = torch.nn.Parameter(torch.zeros(2))
    parameter.grad = torch.ones(2)
    with distributed.processes(CPU):
        distributed.average_gradients([parameter])
        distributed.barrier()
        assert torch.equal(parameter.grad, torch.ones(2))
        assert (distributed.rank(), distributed.world_size(), distributed.share(6)) == (0, 1, 6)
        assert distributed.average({"a": 1.0}) == {"a": 1.0}
        assert distributed.agree(3, CPU)
        assert not distributed.any_process(False, CPU)


@pytest.mark.parametrize(
    ("batch", "count", "advice"), [(6, 2, 8), (16, 3, 18), (2, 2, 4), (4, 8, 16), (10, 2, 8), (100, 16, 96)]
)
def test_batch_divides_into_even_shares(monkeypatch, batch, count, advice):
    monkeypatch.setattr(distributed, "world_size", lambda: count)
    refused(f"batch of {batch} does not .* {count} even parts.*; use --batch {advice}\\.", distributed.share, batch)
    assert distributed.share(advice) == advice // count


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.skipif(not torch.distributed.is_gloo_available(), reason="needs gloo")
def test_two_processes(tmp_path):
    photos = make_photos(tmp_path / "photos")
    program = [sys.executable, Path(__file__).with_name("training_fixture.py"), "pair", tmp_path, photos]
    result = subprocess.run(program, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    first, second = (load_file(tmp_path / f"{rank}.safetensors") for rank in range(2))
    saved = load_file(tmp_path / "run" / "states" / "000000012.safetensors")
    assert first.keys() == second.keys() == saved.keys()
    assert all(torch.equal(first[name], second[name]) and torch.equal(first[name], saved[name]) for name in first)
    untrained = SwappingTrainer(config(photos), CPU).state()[0]
    assert any(not torch.equal(first[name], untrained[name]) for name in untrained)
    assert not (tmp_path / "another").exists()  # one process writes
    assert result.stderr.count("photos to train on") == 1  # and one speaks
    assert (tmp_path / "typed" / "last.safetensors").exists()
    assert sorted(path.name for path in (tmp_path / "run" / "states").iterdir()) == [
        "000000008.safetensors",
        "000000012.safetensors",
    ]
    alone = start(tmp_path / "run", photos, images=16)  # goes on with what two began
    assert alone.trainer.seen == 12
    assert alone.train()
    for name, make in trainers(8).items():  # as many steps as the pair took, half of each batch in either process
        state, told = steps_of(make(), 2)
        assert apart(load_file(tmp_path / f"{name}.safetensors"), state) < 2e-3, name
        for ours, theirs in zip(told, json.loads((tmp_path / f"{name}.json").read_text()), strict=True):
            assert theirs == pytest.approx(ours, abs=1e-4), name
        in_passes(make(), state, told)
    assert apart(load_file(tmp_path / "encoder.safetensors"), encoder()) < 2e-3


def in_passes(trainer, state, told):
    """Memory that suffices for half of a batch, as is found at the first step: the same result in two passes."""
    draw = trainer._pass

    def short(count, number):
        if trainer.passes == 1:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return draw(count, number)

    trainer._pass = short
    again, figures = steps_of(trainer, 2)
    assert trainer.passes == 2
    assert "2 passes, to the same result" in trainer.notes[-1]
    assert apart(again, state) < 2e-3
    assert figures == [pytest.approx(each, abs=1e-4) for each in told]


def test_torchrun_leaves_our_options_alone(tmp_path):
    """Its parser takes beginnings of its own options for them, and has --run-path."""
    typed = [sys.executable, "-m", "graftlab", *command(tmp_path, tmp_path / "run")]
    launched = parse_args(["--nproc-per-node", "2", "--no-python", "--", *typed])
    assert [launched.training_script, *launched.training_script_args] == typed
    assert (launched.nproc_per_node, launched.no_python) == ("2", True)
