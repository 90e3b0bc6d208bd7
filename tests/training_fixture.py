"""Small training runs, and two programs that fork, which is safe only where no thread has been started:

python training_fixture.py kill FOLDER PHOTOS  makes FOLDER/whole/run and, killed ten times, FOLDER/killed/run;
python training_fixture.py pair FOLDER PHOTOS  makes FOLDER/run by two processes.
"""

import contextlib
import io
import os
import random
import signal
import socket
import sys
import time
import traceback
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from graftlab.config import RECIPES, SwappingTrainConfig, preset
from graftlab.errors import GraftError
from graftlab.training import distributed
from graftlab.training import run as training
from graftlab.training.run import Run

CPU = torch.device("cpu")


def photo(seed: int) -> bytes:
    file = io.BytesIO()
    coarse = np.random.default_rng(seed).integers(0, 255, (5, 6, 3), np.uint8)
    Image.fromarray(coarse).resize((40, 36), Image.Resampling.BICUBIC).save(file, "PNG")
    return file.getvalue()


def make_photos(folder: Path, count: int = 40) -> Path:
    folder.mkdir(parents=True)
    for i in range(count):
        (folder / f"{i:02d}.png").write_bytes(photo(i))
    return folder


def config(photos: str | Path, **changes) -> SwappingTrainConfig:
    values = {"images": 16, "batch": 4, "precision": "float32", "record_every": 8, "snapshot_every": 16}
    values["recipe"] = replace(RECIPES["official"], crops=2)
    return SwappingTrainConfig(preset("tiny"), data=str(photos), **values | changes)


def start(folder: Path, photos: str | Path, **changes) -> Run:
    return Run(folder, config(photos, **changes), CPU)


def files(run: Path) -> dict[str, bytes]:
    """Everything in a run folder, by name, but TensorBoard's events, which are named by clock and process."""
    found = {path.relative_to(run).as_posix(): path for path in run.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if not name.startswith("tensorboard/")}


# -- kill -9 ----------------------------------------------------------------------------------------------------------


def train_in_child(run: Path, photos: Path, fatal: int = 0) -> tuple[int, int]:
    """Train in a forked process that dies at its so-manieth fsync; returns its id and a pipe with a byte per step."""
    reader, writer = os.pipe()
    if child := os.fork():
        os.close(writer)
        return child, reader
    fsync, calls = os.fsync, iter(range(1, 1_000_000))

    def fsync_or_die(file: int) -> None:
        if next(calls) == fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        fsync(file)

    code = 1
    try:
        os.close(reader)
        os.fsync = fsync_or_die
        training.SAVE_MINUTES = 0  # a state after every step
        changes = {"images": 136, "snapshot_every": 40, "augment": ("colour",)}
        done = start(run, photos, **changes).train(lambda seen, *_: os.write(writer, b"."))
        code = 0 if done else 1
    finally:
        os._exit(code)


def kill_ten_times(folder: Path, photos: Path) -> None:
    """Half of the kills come at a random moment, the other half while a random file is written."""
    torch.set_num_threads(1)  # no threads before a fork
    chance = random.Random(1)
    began = time.monotonic()
    child, pipe = train_in_child(folder / "whole" / "run", photos)
    steps = 0
    while os.read(pipe, 1):
        steps += 1
    assert os.waitpid(child, 0)[1] == 0
    pace = (time.monotonic() - began) / steps

    run, half_written = folder / "killed" / "run", 0
    for number in range(10):
        fatal = number % 2 * chance.randrange(1, 10)
        child, pipe = train_in_child(run, photos, fatal)
        if not fatal:
            for _ in range(number and chance.randrange(1, 4)):  # once before the first step
                assert os.read(pipe, 1), "the training ended before it was killed"
            time.sleep(chance.random() * pace)
            os.kill(child, signal.SIGKILL)
        assert os.waitpid(child, 0)[1] == signal.SIGKILL
        os.close(pipe)
        half_written += sum(".part-" in name for name in files(run)) if run.exists() else 0
    child, pipe = train_in_child(run, photos)
    while os.read(pipe, 1):
        pass
    assert os.waitpid(child, 0)[1] == 0
    assert half_written  # and the comparison will find that they are gone


# -- two processes ---------------------------------------------------------------------------------------------------


def train_in_a_pair(folder: Path, photos: Path) -> None:
    torch.set_num_threads(1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": "2"}
    children = []
    for rank in range(2):
        if child := os.fork():
            children.append(child)
            continue
        code = 1
        try:
            os.environ["RANK"] = str(rank)
            with distributed.processes(CPU):
                one_of_a_pair(rank, folder, photos)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    for _ in children:
        if os.wait()[1]:  # the other one would wait for it
            for child in children:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            sys.exit(1)


def one_of_a_pair(rank: int, folder: Path, photos: Path) -> None:
    assert (distributed.rank(), distributed.world_size()) == (rank, 2)
    assert distributed.average({"b": 3.0 * rank, "a": 1.0}) == {"a": 1.0, "b": 1.5}
    assert distributed.any_process(rank == 1, CPU)
    assert not distributed.any_process(False, CPU)
    assert distributed.agree(7, CPU)
    assert not distributed.agree(rank, CPU)

    weights = [torch.nn.Parameter(torch.zeros(shape)) for shape in ((2, 3, 4, 4), (), (5,))]
    torch.manual_seed(0)
    both = [torch.randn(2, 2, 3, 4, 4), torch.randn(2)]
    weights[0].grad = both[0][rank].contiguous(memory_format=torch.channels_last)
    weights[1].grad = both[1][rank].clone()
    distributed.average_gradients(weights)
    for weight, gradients in zip(weights, both, strict=False):
        assert torch.equal(weight.grad, gradients.sum(0) / 2)
    assert weights[2].grad is None

    with pytest.raises(GraftError, match="A batch of 6 does not divide into 2 even parts"):
        start(folder / "run", photos, batch=6)
    for seen, images in ((0, 8), (8, 12)):  # the second goes on from the first
        run = start(folder / "run", photos, images=images)
        assert run.trainer.seen == seen
        run.train()
        state = {name: tensor.contiguous() for name, tensor in run.trainer.state()[0].items()}
        save_file(state, folder / f"{rank}.safetensors")
    mine = next(run.data.batches(rank * run.share, run.share, stride=4))
    assert torch.equal(mine, run.data.batch(0, 4).split(2)[rank])
    where = folder / ("run" if rank == 0 else "another")
    with pytest.raises(GraftError, match="found different states"):
        start(where, photos, images=12)


if __name__ == "__main__":
    {"kill": kill_ten_times, "pair": train_in_a_pair}[sys.argv[1]](*map(Path, sys.argv[2:]))
