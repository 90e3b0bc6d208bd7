"""Damage what graftlab writes, and use it: it works as before, is begun again, or is refused in a sentence.

    python tests/fuzz_states.py --seconds 600

Models, deltas, codes, directions, distributions, encoders, packs, pairs, states of searches, of encoders and of
training, parts of films, results. Half of the damage is to bytes; the other half gives the files a right digest again,
as files have that another version or somebody's script wrote. Not a test: it runs as long as it is told to.
"""

import argparse
import contextlib
import io
import json
import random
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from copy import deepcopy
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import tiny
import torch
from fuzz_inputs import changed
from training_fixture import make_photos, start

import graftlab
from graftlab.artifacts import opened, write_tensors
from graftlab.checkpoints.deltas import save_delta
from graftlab.checkpoints.native import save_model
from graftlab.checkpoints.readers import open_model
from graftlab.checkpoints.verify import verify
from graftlab.codes import Codes
from graftlab.config import PairsConfig
from graftlab.data import TrainingImages, open_source, pack
from graftlab.data.pairs import Pairs
from graftlab.editing.directions import Directions
from graftlab.editing.distributions import Distribution, distribution
from graftlab.errors import GraftError
from graftlab.evaluation.compare import compare
from graftlab.images import read_recipe, to_png
from graftlab.inversion import work
from graftlab.inversion.encoder import Encoder
from graftlab.inversion.likeness import Likeness
from graftlab.inversion.search import Search, Settings
from graftlab.inversion.training import EncoderTrainer, EncoderTraining
from graftlab.inversion.tuning import Tuning
from graftlab.training.pairs import Drawing, make_pairs
from graftlab.video.film import Film, render
from graftlab.video.reading import Video

LONGEST, MOST = 60.0, 2 * 2**30  # seconds of the processor for one file; bytes of memory
ODD: tuple[Any, ...] = (None, "", "x", -1, 0, 1.5, 1e400, 2**70, [], {}, [1], {"a": 1}, True, float("nan"))
MODEL = tiny.stylegan2()


def gray(number: int) -> torch.Tensor:
    return torch.full((1, 3, 32, 48), number * 3 / 255 - 1)


def film(out: Path) -> None:
    """A film of 70 frames, whatever its parts were."""
    render(Film(70, Fraction(10), gray, recipe={"seed": 1}), out)
    if out.suffix == ".mp4":
        found = Video.open(out).frames
        assert found == 70, f"a film of {found} frames"


def search(file: Path) -> None:
    """Three steps of each, or what is left of them."""
    photos = Likeness(tiny.pictures(2), None)
    makers: dict[str, Callable[[], work.Work]] = {
        "search": lambda: Search(MODEL, photos, Settings(steps=3, free_noise=True), keep_every=1),
        "tuning": lambda: Tuning(MODEL, MODEL.codes_of([0, 1]), photos, 3),
        "encoder": lambda: EncoderTrainer(MODEL, EncoderTraining(images=12, batch=4, width=8, features=0.0), None),
    }
    begun = makers[file.stem]()
    work.carry_out(begun, file=file)
    assert begun.done == 3


def run(folder: Path) -> None:
    """A run that goes on for two steps."""
    begun = start(folder, folder.parent / "photos", images=24)
    begun.train()
    assert begun.trainer.seen >= 24


def pairs(folder: Path) -> None:
    found = Pairs(folder)
    found.take(np.arange(len(found)))


def make(folder: Path) -> dict[str, tuple[Path, Callable[[Path], object]]]:
    """A specimen of everything, by name: a file or folder that is copied, and what is done with the copy."""
    folder.mkdir()
    model, style = folder / "model.safetensors", folder / "style.safetensors"
    save_model(model, tiny.new_model(), {"images_seen": 3}, discriminators=tiny.discriminators().state_dict())
    save_model(style, MODEL, half=True)
    loaded = graftlab.load(model, device="cpu")
    codes = loaded.encode(tiny.pictures(2))
    codes.save(folder / "codes.safetensors")
    MODEL.codes_of([1, 2]).save(folder / "w.safetensors")
    vectors = torch.randn(2, 16, generator=torch.Generator().manual_seed(0))
    Directions(("a", "b"), vectors, torch.zeros(16), torch.ones(2), part="w", layers=(0, 1)).save(
        folder / "d.safetensors"
    )
    moved = deepcopy(MODEL)
    moved.mapping.layers[0].weight += 0.1  # type: ignore[operator]
    save_delta(folder / "delta.safetensors", moved, open_model(style))
    photos = make_photos(folder / "photos", 12)
    distribution(loaded, photos, 32, axes=2).save(folder / "t.safetensors")
    pack(open_source(photos), folder / "p.pack", 32)
    encoder = EncoderTrainer(MODEL, EncoderTraining(images=4, batch=4, width=8, features=0.0), None).encoder
    encoder.save(folder / "e.safetensors")
    style2 = folder / "style2.safetensors"
    save_model(style2, tiny.stylegan2(1))
    two = [graftlab.load(path, graftlab.StyleGAN2, device="cpu") for path in (style, style2)]
    make_pairs(Drawing(*two, PairsConfig()), folder / "pairs", 3)
    start(folder / "run", photos, images=16).train()
    made: dict[str, tuple[Path, Callable[[Path], object]]] = {
        "model": (model, lambda path: (graftlab.load(path, device="cpu"), verify(path))),
        "style": (style, lambda path: (graftlab.load(path, device="cpu"), verify(path))),
        "delta": (folder / "delta.safetensors", lambda path: graftlab.load(path, device="cpu")),
        "codes": (folder / "codes.safetensors", lambda path: loaded.decode(Codes.load(path))),  # type: ignore[arg-type]
        "w": (folder / "w.safetensors", lambda path: MODEL.decode(Codes.load(path))),  # type: ignore[arg-type]
        "directions": (folder / "d.safetensors", lambda path: Directions.load(path).correlations("a")),
        "textures": (folder / "t.safetensors", lambda path: Distribution.load(path).textures(range(2))),
        "encoder file": (
            folder / "e.safetensors",
            lambda path: Encoder.load(path).fitting(MODEL).encode(tiny.pictures(1)),
        ),
        "pack": (folder / "p.pack", lambda path: TrainingImages(open_source(path), 32).batch(0, 4)),
        "pairs": (folder / "pairs", pairs),
        "run": (folder / "run", run),
    }
    for name in ("search", "tuning", "encoder"):
        search(file := folder / f"{name}.safetensors")
        tensors, told = opened(file)
        write_tensors(file, tensors, {**json.loads(told["graftlab"]), "done": 2})
        made[name] = (file, search)
    for suffix in (".mp4", ".gif"):
        out = folder / f"film{suffix}"
        with contextlib.suppress(KeyboardInterrupt):
            render(Film(70, Fraction(10), gray, recipe={"seed": 1}), out, progress=stop_at(66))
        made[f"film{suffix}"] = (folder / f".film{suffix}.parts", lambda path: film(path.with_name(path.name[1:-6])))
    results = {"kind": "folder", "about": {"model": "m", "pictures": 2}, "figures": {"a": {"value": 1.0, "low": 0.5}}}
    (folder / "results.json").write_text(json.dumps(results))
    made["results"] = (folder / "results.json", lambda path: compare(path, path))
    (folder / "r.png").write_bytes(to_png(tiny.pictures(1)))
    made["picture"] = (folder / "r.png", read_recipe)
    return made


def stop_at(frame: int) -> Callable[..., None]:
    def stop(done: int, *_: object) -> None:
        if done >= frame:
            raise KeyboardInterrupt

    return stop


def damage(path: Path, dice: random.Random) -> str:
    """Change a file, or one file of a folder; returns what was done."""
    files = (
        [each for each in sorted(path.rglob("*")) if each.is_file() and each.name != "lock"]
        if path.is_dir()
        else [path]
    )
    telling = [each for each in files if each.suffix in (".safetensors", ".json", ".nut", ".pack", ".jsonl")]
    file = dice.choice(telling if telling and dice.random() < 0.8 else files)
    if file.suffix == ".safetensors" and dice.random() < 0.5:
        return f"{file.name}: {rewrite(file, dice)}"
    if file.suffix == ".json" and dice.random() < 0.7:
        value, done = twisted(json.loads(file.read_bytes()), dice)
        file.write_text(json.dumps(value))
        return f"{file.name}: {done}"
    if len(files) > 1 and dice.random() < 0.1:
        file.unlink()
        return f"{file.name} removed"
    data = file.read_bytes()
    file.write_bytes(b"" if dice.random() < 0.05 else changed(data, dice) if data else b"x")
    return f"{file.name}: bytes"


def rewrite(file: Path, dice: random.Random) -> str:
    """Something else in a safetensors file, with a right digest, or none."""
    tensors, told = opened(file)
    tensors, header = {name: tensor.clone() for name, tensor in tensors.items()}, json.loads(told["graftlab"])
    name, kind = dice.choice(list(tensors)), dice.randrange(8)
    tensor = tensors[name]
    if kind == 0:
        del tensors[name]
    elif kind == 1:
        tensors[name] = tensor.flatten()[: tensor.numel() // 2].clone()
    elif kind == 2:
        tensors[name] = tensor.to(dice.choice((torch.int64, torch.float64, torch.uint8, torch.bool, torch.float16)))
    elif kind == 3 and tensor.is_floating_point():
        tensors[name] = tensor * dice.choice((float("nan"), float("inf"), 0.0))
    elif kind == 4:
        tensors[dice.choice(("x", name + ".x", "", "adam.x.y.z", "adam.0.x", "adam.generator.99.exp_avg"))] = tensor
    elif kind == 5:
        tensors[name] = tensor[None].clone()
    else:
        header, done = twisted(header, dice)
        write_tensors(file, tensors, header)
        return f"header: {done}"
    write_tensors(file, tensors, header)
    return f"{name}: kind {kind}"


def twisted(value: Any, dice: random.Random, where: str = "") -> tuple[Any, str]:
    """JSON with one value, somewhere in it, left out or replaced."""
    if isinstance(value, dict | list) and value and dice.random() < 0.85:
        key = dice.choice(list(value) if isinstance(value, dict) else range(len(value)))
        if dice.random() < 0.25:
            rest = dict(value) if isinstance(value, dict) else list(value)
            del rest[key]
            return rest, f"{where}/{key} left out"
        inner, done = twisted(value[key], dice, f"{where}/{key}")
        return ({**value, key: inner} if isinstance(value, dict) else [*value[:key], inner, *value[key + 1 :]]), done
    new = dice.choice(ODD)
    return new, f"{where} = {new!r}"


def attempt(path: Path, use: Callable[[Path], object], top: Path) -> str:
    """Nothing if this went as it should, else what did not."""
    begin = time.process_time()
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            use(path)
    except GraftError as error:
        if "\n" in str(error).strip():
            return f"more than a line: {error}"
        if top.name not in str(error) and path.name not in str(error):
            return f"names no file: {error}"
    except Exception as error:
        return "".join(traceback.format_exception_only(error)) + "".join(traceback.format_tb(error.__traceback__)[-2:])
    if (taken := time.process_time() - begin) > LONGEST:
        return f"took {taken:.0f} s"
    left = [each.name for each in top.rglob("*.part-*")]
    return f"left {left}" if left else ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="names of specimens, with commas between them")
    options = parser.parse_args()
    torch.set_num_threads(1)
    dice, count, kinds = random.Random(options.seed), 0, dict[str, int]()
    with tempfile.TemporaryDirectory() as place:
        made = make(Path(place) / "sound")
        names = options.only.split(",") if options.only else list(made)
        begin, top = time.monotonic(), Path(place) / "damaged"
        while time.monotonic() < begin + options.seconds:
            name = names[count % len(names)]
            source, use = made[name]
            shutil.rmtree(top, ignore_errors=True)
            top.mkdir()
            for beside in ("style.safetensors", "photos"):  # what some of them need
                other = source.parent / beside
                (shutil.copytree if other.is_dir() else shutil.copy)(other, top / beside)
            path = top / source.name
            path.unlink(missing_ok=True)
            (shutil.copytree if source.is_dir() else shutil.copy)(source, path)
            done = damage(path, dice) if count >= len(names) else "nothing"
            if fault := attempt(path, use, top):
                kind = f"{name}: {fault.strip().splitlines()[-1][:90]}"
                kinds[kind] = kinds.get(kind, 0) + 1
                if kinds[kind] == 1:
                    print(f"#{count} {name} ({done}): {fault}", flush=True)
            count += 1
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    found = f"{sum(kinds.values())} findings of {len(kinds)} kinds"
    print(f"{count} files in {time.monotonic() - begin:.0f} s; {found}; {peak} MiB")
    return 1 if kinds or peak << 20 > MOST else 0


if __name__ == "__main__":
    sys.exit(main())
