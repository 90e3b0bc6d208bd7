"""Small training runs, and two programs that fork, which is safe only where no thread has been started:

python training_fixture.py kill FOLDER PHOTOS  makes FOLDER/whole/run and, killed five times, FOLDER/killed/run;
python training_fixture.py pair FOLDER PHOTOS  makes FOLDER/run by two processes.
"""

import contextlib
import io
import json
import os
import random
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tiny
import torch
import torch.nn.functional as F
from PIL import Image
from planted_words import Colours
from safetensors.torch import save_file

from graftlab import cli, distributed
from graftlab.config import (
    RECIPES,
    DistillConfig,
    DistillRecipe,
    StyleGAN3TrainConfig,
    StyleTrainConfig,
    SwappingTrainConfig,
    TrainConfig,
    TranslatorConfig,
    preset,
    recipe,
    style_preset,
    style_recipe,
)
from graftlab.errors import GraftError
from graftlab.inversion.training import EncoderTrainer, EncoderTraining
from graftlab.inversion.work import carry_out
from graftlab.perception import efficientnet
from graftlab.training import augment, projected, projected_stylegan2, words
from graftlab.training import run as training
from graftlab.training.run import Run
from graftlab.training.trainers import AnyTrainer, new_trainer

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
    calls = iter(range(1, 1_000_000))

    def fsync_or_die(file: int) -> None:  # which a kill, unlike a power cut, does not need
        if next(calls) == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    code = 1
    try:
        os.close(reader)
        os.fsync = fsync_or_die
        training.SAVE_MINUTES = 0  # a state after every step
        changes = {"images": 64, "snapshot_every": 24, "augment": ("colour",)}
        done = start(run, photos, **changes).train(lambda seen, *_: os.write(writer, b"."))
        code = 0 if done else 1
    finally:
        os._exit(code)


def kill_five_times(folder: Path, photos: Path) -> None:
    """At a random moment and while a random file is written, by turns."""
    torch.set_num_threads(1)  # no threads before a fork
    efficientnet.SIDE = 64  # as of `small_features`
    chance = random.Random(1)
    began = time.monotonic()
    child, pipe = train_in_child(folder / "whole" / "run", photos)
    steps = 0
    while os.read(pipe, 1):
        steps += 1
    assert os.waitpid(child, 0)[1] == 0
    pace = (time.monotonic() - began) / steps

    run, half_written = folder / "killed" / "run", 0
    for number in range(5):
        fatal = chance.choice((3, 5, 7)) if number % 2 else 0  # the even ones are of folders
        child, pipe = train_in_child(run, photos, fatal)
        if not fatal:
            for _ in range(number and chance.randrange(1, 3)):  # once before the first step
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


# -- one batch, shared -------------------------------------------------------------------------------------------------


def teacher(*which) -> SimpleNamespace:
    """What a feature network does, without one: the picture itself at strides of 4 to 32."""
    return SimpleNamespace(maps=lambda images: tuple(F.avg_pool2d(images, stride) for stride in (4, 8, 16, 32)))


def trainers(batch: int) -> dict[str, Callable[[], AnyTrainer]]:
    """How to make one of every kind, with all that meets other pictures of a batch, or chance, in every few steps."""
    for module in (projected, projected_stylegan2):
        module.efficientnet_lite, module.channels = teacher, lambda name: (3, 3, 3, 3)
    words.text_model = lambda *told: Colours()
    common = {"data": "", "batch": batch, "precision": "float32"}
    all_changes = {"augment": tuple(augment.CHANGES)}
    taught = {"text": "red", "neutral": "grey", "text_model": "colours", "cutouts": 1}
    style = replace(style_recipe("stylegan2", 16, batch), r1_interval=2, path_interval=2, average_decay=0.5)
    frozen = {"projected": True, "r1": 0.0}
    swapping = SwappingTrainConfig(
        preset("tiny"), replace(RECIPES["official"], crops=2, r1_interval=2), **common, **all_changes
    )
    network = replace(style_preset("tiny", 16), classes=3)
    strength = {"adapt": 0.6, "adapt_from": 0.5, "adapt_images": 10}
    plain = {**common, **all_changes, **strength}
    adapted = {**plain, "classes": ("0", "1", "2")}
    turning = tiny.stylegan3(classes=3).config
    few = replace(recipe("projected"), crops=2, code_noise=0.1, recolour=0.5)
    of_words = replace(swapping, recipe=RECIPES["official"], augment=(), **taught)
    translator = TranslatorConfig(32, width=4, most=8, halvings=2, blocks=1, discriminator_width=4)
    student = DistillConfig(translator, DistillRecipe(r1_interval=2, features=0.0), **common, **all_changes)
    configs = {
        "swapping": swapping,
        "projected": replace(swapping, recipe=few, augment=("cutout",)),
        "stylegan2": StyleTrainConfig(network, style, **adapted, structure_blocks=2, base="one", parent="one"),
        "projected stylegan2": StyleTrainConfig(style_preset("tiny", 16), replace(style, **frozen), **plain),
        "stylegan3": StyleGAN3TrainConfig(turning, replace(style, path_length=0.0), **adapted),
        "swapping from words": of_words,
        "stylegan2 from words": StyleTrainConfig(
            network, style, **common, **taught, adapt=0.0, classes=("0", "1", "2")
        ),
        "student": student,
    }
    return {name: partial(make, each) for name, each in configs.items()}


def make(config: TrainConfig) -> AnyTrainer:
    """A trainer whose projected discriminators do not learn their last biases: reals and fakes pull at these alike, and
    Adam makes a whole step of what rounding leaves of that."""
    trainer = new_trainer(config, CPU)
    for name, parameter in trainer.discriminators.named_parameters():
        last = name.endswith((".6.bias", ".4.bias", "3.2.bias"))
        if config.recipe.to_dict().get("projected") and last:
            parameter.requires_grad_(False)
    return trainer


def steps_of(trainer: AnyTrainer, count: int) -> tuple[dict[str, torch.Tensor], list[dict[str, float]]]:
    """The state after so many steps on this process's share of each batch, and the figures of all processes."""
    shape, told = (trainer.config.batch, 3, *trainer.config.shape), []
    shape = (*shape[:2], shape[2] * (2 if isinstance(trainer.config, DistillConfig) else 1), shape[3])
    for number in range(count):
        images = torch.rand(shape, generator=torch.Generator().manual_seed(number)) * 2 - 1
        classes = getattr(trainer.config.network, "classes", 0)
        labels = torch.randint(classes, shape[:1], generator=torch.Generator().manual_seed(number)) if classes else None
        share = trainer.share()
        told.append(distributed.average(trainer.step(images[share], None if labels is None else labels[share])))
    return trainer.state()[0], told


def encoder() -> dict[str, torch.Tensor]:
    """The state of an encoder after two steps, of which each process took its share."""
    training = EncoderTrainer(
        tiny.stylegan2(), EncoderTraining(images=16, batch=8, width=8, features=0.0, learning_rate=1e-4), None
    )
    carry_out(training)
    return training.state()


def apart(state: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """The largest difference of any number, as a share of the largest in its tensor, or of 0.1."""
    assert state.keys() == other.keys()
    pairs = [(state[name].double(), other[name].double()) for name in state]
    return max(float((a - b).abs().max() / b.abs().max().clamp(min=0.1)) for a, b in pairs)


# -- two processes ---------------------------------------------------------------------------------------------------


def command(photos: Path, run: Path) -> list[str]:
    """What is typed after `graft`."""
    numbers = ["--images", "4", "--batch", "4", "--device", "cpu"]
    return ["train", str(photos), "--run", str(run), "--preset", "tiny", *numbers]


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
    for name, make in trainers(8).items():
        state, told = steps_of(make(), 2)
        if rank == 0:
            save_file({key: tensor.contiguous() for key, tensor in state.items()}, folder / f"{name}.safetensors")
            (folder / f"{name}.json").write_text(json.dumps(told))
    state = encoder()
    if rank == 0:
        save_file({key: tensor.contiguous() for key, tensor in state.items()}, folder / "encoder.safetensors")
    assert cli.run(command(photos, folder / "typed")) == 0
    where = folder / ("run" if rank == 0 else "another")
    with pytest.raises(GraftError, match="found different states"):
        start(where, photos, images=12)
    sys.stderr.flush()
    if rank == 1:
        os._exit(0)  # as if it were killed
    with pytest.raises(GraftError, match=r"Process 0 of 2 cannot reach the others, one of which has ended"):
        distributed.average({"a": 1.0})


if __name__ == "__main__":
    import torch._dynamo  # which takes a second, as the first optimiser of every child would

    {"kill": kill_five_times, "pair": train_in_a_pair}[sys.argv[1]](*map(Path, sys.argv[2:]))
