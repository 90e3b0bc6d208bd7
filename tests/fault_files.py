"""What may become of files, ours and those to be written: to `faults.py`."""

import shutil
from itertools import count
from pathlib import Path

import torch
from fault_bench import JOBS, Bench, Done, Job, Process, Row, contents, flip, goes_on, interrupted, plant, visible

from graftlab.artifacts import read_tensors, write_tensors

READERS = {  # a job whose file is damaged: a command that reads it, and what that makes
    "encode": ("decode codes.safetensors -m m/swap.safetensors --device cpu -o out.png", "out.png"),
    "directions fit": ("directions show d.safetensors --json", ""),
    "textures fit": (
        "textures sample -m m/swap.safetensors --from t.safetensors --seeds 1 --device cpu -o out.png m/a.png",
        "out.png",
    ),
    "index": ("find --texture m/a.png --index i.safetensors -m m/swap.safetensors --device cpu --json", ""),
    "convert --half": ("swap m/a.png m/b.png -m half.safetensors --device cpu -o out.png", "out.png"),
    "convert --delta": ("sample --seeds 1 -m delta.safetensors --device cpu -o out.png", "out.png"),
    "train-encoder": (
        "invert m/a.png -m m/style.safetensors --encoder enc.safetensors --steps 0 --device cpu -o w.safetensors",
        "w.safetensors",
    ),
    "data pack --shard": (
        "index shards/index.shards -m m/swap.safetensors --device cpu -o out.safetensors",
        "out.safetensors",
    ),
    "invert": ("decode w.safetensors -m m/style.safetensors --device cpu -o out.png", "out.png"),
    "model": ("swap m/a.png m/b.png -m m/swap.safetensors --device cpu -o out.png", "out.png"),
    "pack": ("index photos.pack -m m/swap.safetensors --device cpu -o out.safetensors", "out.safetensors"),
}


def flipped(bench: Bench, kind: str, words: str, makes: str, tries: int) -> Row:
    """A bit: the file is refused by name, or what is made is what it would have been."""
    row = Row(f"a flipped bit in a file: {kind}")
    job = JOBS.get("data pack" if kind == "pack" else kind)
    if job:
        bench.whole(job)

    def attempt(harm: bool) -> tuple[Done, dict[str, bytes], str]:
        folder = bench.place()
        damaged = folder / (job.makes if job else "m/swap.safetensors")
        shutil.copy(folder / "m" / "style.safetensors", folder)  # the parent of a delta
        if job:
            bench.lay(job, folder)
        if damaged.is_dir():
            damaged = bench.dice.choice(sorted(visible(damaged)))
        if harm:
            flip(damaged, bench.dice)
        done = Process(words, folder).ended()
        made = contents(folder / makes) if makes else {"": done.said.encode() if not done.code else b""}
        return done, made, damaged.name

    done, sound, _ = attempt(harm=False)
    assert done.code == 0, done
    for _ in range(tries):
        done, found, name = attempt(harm=True)
        clear = done.code == 0 or done.refused(name)
        told = done.code != 0 or "1 that cannot be read" in done.said  # a photo of a pack, which is left out
        row.add(told or found == sound, clear, None, done)
    return row


def flipped_state(bench: Bench, job: Job, tries: int) -> Row:
    """In what an interrupted job goes on from: it begins again, or goes on from the one before."""
    row = Row(f"a flipped bit in what it goes on from: {job.name}")
    for _ in range(tries):
        folder = interrupted(bench, job)
        path = max(folder.glob(job.keeps))
        flip(path, bench.dice)
        done = Process(job.words, folder).ended()
        if done.refused(path.name):  # of a run with no other state: it says so, and is removed
            shutil.rmtree(folder / job.makes)
            row.add(True, True, *goes_on(bench, job, folder))
        else:
            row.add(True, done.code == 0, bench.finished(job, folder), done)
    return row


def not_finite(bench: Bench, name: str, words: str, makes: str) -> Row:
    """Weights."""
    row, folder = Row(f"NaN among the weights: {name}"), bench.place()
    done = Process(words, folder).ended()
    row.add(not (folder / makes).exists(), done.refused("finite"), None, done)
    return row


def not_finite_state(bench: Bench, job: Job) -> Row:
    """In what an interrupted job goes on from, with a right digest."""
    row, folder = Row(f"NaN in what it goes on from: {job.name}"), interrupted(bench, job)
    path = max(folder.glob(job.keeps))
    tensors, header = read_tensors(path)
    plant(tensors)
    write_tensors(path, tensors, header)
    done = Process(job.words, folder).ended()
    row.add(True, done.code == 0, bench.finished(job, folder), done)
    return row


def not_finite_gradients(bench: Bench, job: Job) -> Row:
    """In every third step of an optimiser: it is skipped, and nothing of it reaches a file."""
    row, folder, norm, calls = Row(f"NaN among gradients: {job.name}"), bench.place(), torch._foreach_norm, count()

    def spoil() -> None:
        torch._foreach_norm = lambda gradients: [  # type: ignore[assignment]
            each * (float("nan") if next(calls) % 3 == 0 else 1.0) for each in [torch.stack(norm(gradients)).sum()]
        ]

    done = Process(job.words, folder, spoil).ended()
    files = [path for path in visible(folder / job.makes) if path.suffix == ".safetensors"]
    whole = all(tensor.isfinite().all() for path in files for tensor in read_tensors(path)[0].values())
    row.add(whole and bool(files), done.code == 0, None, done)
    return row


def two_at_once(bench: Bench, job: Job, tries: int) -> Row:
    """What holds no lock: both make it whole."""
    row = Row(f"two at once: {job.name}")
    bench.whole(job)
    for _ in range(tries):
        folder = bench.place()
        first = Process(job.words, folder)
        second = Process(job.words, folder, log=bench.top / "second.log")
        ends = first.ended(), second.ended()
        row.add(
            bench.sound(job, folder),
            ends[0].code == ends[1].code == 0,
            bench.finished(job, folder),
            max(ends, key=lambda done: abs(done.code)),
        )
    return row


def long_name(bench: Bench, job: Job) -> Row:
    """255 bytes, to be written: the sentence, or the file."""
    row, folder = Row(f"a name of 255 bytes to write: {job.name}"), bench.place()
    suffix = Path(job.makes).suffix
    name = "n" * (255 - len(suffix)) + suffix
    done = Process(job.words.replace(job.makes, name), folder).ended()
    clear = done.code == 0 or done.refused("too long")
    whole = {path.name for path in folder.iterdir()} == ({"m", name} if done.code == 0 else {"m"})
    row.add(whole, clear, None, done)
    return row
