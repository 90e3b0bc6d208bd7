"""Damaged and hostile checkpoints by the million: good files, mutated, must open or be refused in one sentence.

    python tests/fuzz_checkpoints.py --seconds 600 --seed 1

Anything else is a finding, and the file that made it is kept: an error of another kind, one that only the last net in
`open_contents` caught, a marker file, more memory than the file explains, or more than a few seconds. Not collected by
pytest.
"""

import argparse
import pickle
import random
import resource
import sys
import tempfile
import time
import tracemalloc
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import torch

from graftlab.checkpoints.containers.contents import open_contents
from graftlab.errors import GraftError

FIXTURES = Path(__file__).parent / "fixtures"
MARKERS = [Path("/tmp/pwned_by_pickle"), Path("/tmp/pwned_by_zip_path")]
SECONDS = 5.0  # of the processor, for one file
MEMORY = 64 << 20  # bytes that Python may take at the same time while it reads one file, beside 64 times its size
LONGEST = 400_000  # bytes of a seed

INSTRUCTIONS = [
    bytes([code])
    for code in b".(012FIJKLMNPQRSTUVXabcdeghijlopqrstu)]}GBC\x80\x81\x82\x83\x84\x85\x86\x87\x88\x89\x8a"
    b"\x8b\x8c\x8d\x8e\x8f\x90\x91\x92\x93\x94\x95\x96\x97\x98"
]
PIECES = [
    b"cos\nsystem\n",
    b"cbuiltins\nset\n",
    b"cbuiltins\nbytearray\n",
    b"ccollections\nOrderedDict\n",
    b"ccollections\nCounter\n",
    b"ccopyreg\n_reconstructor\n",
    b"ccopyreg\n__newobj__\n",
    b"c_codecs\nencode\n",
    b"ctorch.storage\n_load_from_bytes\n",
    b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"ctorch._utils\n_rebuild_tensor_v3\n",
    b"ctorch\nFloatStorage\n",
    b"ctorch\nSize\n",
    b"cnumpy\ndtype\n",
    b"cnumpy\nndarray\n",
    b"cnumpy.core.multiarray\n_reconstruct\n",
    b"cnumpy.core.multiarray\nscalar\n",
    b"cnumpy._core.numeric\n_frombuffer\n",
    b"X\x05\x00\x00\x00<f4aa",
    b"]2a",
    b"}2s",
    b")\x85\x85\x85\x85",
    b"h\x00h\x00\x86",
    b"(h\x00h\x01h\x02h\x03t",
    b"h\x00R",
    b"h\x01h\x02R",
    b"h\x01b",
    b"K\x00\x85R",
    b"\x8b\xff\xff\xff\x7f",
    b"B\xff\xff\xff\xff",
    b"X\xff\xff\xff\xff",
    b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"\x95\x00\x00\x00\x00\x00\x00\x00\x00",
]
NUMBERS = [
    0,
    1,
    2,
    4,
    127,
    128,
    255,
    256,
    65535,
    65536,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**62,
    2**63 - 1,
    2**63,
    2**64 - 1,
]


def small_seeds() -> dict[str, bytes]:
    """Files of every container that are small enough for a mutation to matter."""
    state = OrderedDict(weight=torch.arange(12.0).reshape(3, 4).T, count=torch.tensor([3]), half=torch.ones(2).half())
    state["args"] = argparse.Namespace(size=64, lr=0.002, path=Path("photos"), when=None)
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.asfortranarray(np.ones((3, 2), ">f4")), "c": np.array(["x"])}
    seeds = {}
    for new in (True, False):
        buffer = BytesIO()
        torch.save(state, buffer, _use_new_zipfile_serialization=new)
        seeds["torch zip" if new else "torch legacy"] = buffer.getvalue()
    for compressed in (True, False):
        buffer = BytesIO()
        (np.savez_compressed if compressed else np.savez)(buffer, **arrays)
        seeds["npz compressed" if compressed else "npz"] = buffer.getvalue()
    buffer = BytesIO()
    np.save(buffer, arrays["a"])
    seeds["npy"] = buffer.getvalue()
    value = {"state": dict(state), "arrays": arrays, "scalars": [np.float32(1.5), np.int64(7), np.bool_(True), 2 + 3j]}
    value["plain"] = [
        None,
        True,
        -1,
        2**70,
        1.5,
        "text",
        b"bytes",
        bytearray(b"x"),
        {1, 2},
        frozenset("a"),
        (),
        ((1,), 2),
    ]
    value["module_src"] = "import os\nimport numpy as np\n\ndef network(x):\n    return np.sin(x)\n"
    for protocol in range(6):
        seeds[f"pickle {protocol}"] = pickle.dumps(value, protocol)
    return seeds


def fixture_seeds() -> dict[str, bytes]:
    files = [file for folder in ("stylegan2", "sae_rosinality", "hostile") for file in (FIXTURES / folder).iterdir()]
    return {str(file): file.read_bytes() for file in files if file.suffix in (".pkl", ".pt", ".pth", ".safetensors")}


def interesting(data: bytes, rng: random.Random) -> int:
    """A place in a file: often near its beginning or end, where the structure is."""
    span = rng.choice((64, 512, 4096, len(data)))
    return min(len(data), rng.choice((0, max(len(data) - span, 0))) + rng.randrange(span + 1))


def flip(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        if data:
            data[min(interesting(data, rng), len(data) - 1)] = rng.randrange(256)


def replace_instruction(data: bytearray, rng: random.Random) -> None:
    at = interesting(data, rng)
    data[at : at + 1] = rng.choice(INSTRUCTIONS)


def insert_instructions(data: bytearray, rng: random.Random) -> None:
    at = interesting(data, rng)
    count = rng.choice((1, 1, 2, 5, 20))
    data[at:at] = b"".join(rng.choice(PIECES if rng.random() < 0.5 else INSTRUCTIONS) for _ in range(count))


def repeat_instructions(data: bytearray, rng: random.Random) -> None:
    at = interesting(data, rng)
    piece = b"".join(rng.choice(PIECES if rng.random() < 0.5 else INSTRUCTIONS) for _ in range(rng.choice((1, 2, 3))))
    data[at:at] = piece * rng.choice((100, 10_000))


def splice(data: bytearray, rng: random.Random) -> None:
    start, to = interesting(data, rng), interesting(data, rng)
    data[to:to] = data[start : start + rng.choice((1, 8, 64, 512, 4096))]


def cut(data: bytearray, rng: random.Random) -> None:
    start = interesting(data, rng)
    del data[start : rng.choice((start + 1, start + 4, start + 100, len(data)))]


def change_number(data: bytearray, rng: random.Random) -> None:
    width, order = rng.choice((1, 2, 4, 8)), rng.choice(("little", "little", "big"))
    at = interesting(data, rng)
    data[at : at + width] = (rng.choice(NUMBERS) % 256**width).to_bytes(width, order)


MUTATIONS: list[Callable[[bytearray, random.Random], None]] = [
    flip,
    replace_instruction,
    insert_instructions,
    repeat_instructions,
    splice,
    cut,
    change_number,
]


def random_program(rng: random.Random) -> bytes:
    """Instructions at random, with arguments that fit more often than not."""
    parts = [b"\x80\x04"]
    for _ in range(rng.randrange(1, 60)):
        parts.append(rng.choice(PIECES if rng.random() < 0.4 else INSTRUCTIONS))
        if rng.random() < 0.3:
            parts.append(rng.randbytes(rng.choice((1, 2, 4))))
        if rng.random() < 0.3:
            parts.append(
                rng.choice((b"q\x00", b"\x94", b"h\x00", b"h\x01", b"K\x05", b"\x8c\x01a", b"C\x04abcd", b")"))
            )
    return b"".join([*parts, b"."])


def in_torch_zip(program: bytes, good: bytes) -> bytes:
    """A good torch zip with another program in the place of its pickle."""
    buffer = BytesIO()
    with zipfile.ZipFile(BytesIO(good)) as source, zipfile.ZipFile(buffer, "w") as target:
        for name in source.namelist():
            target.writestr(name, program if name.endswith("data.pkl") else source.read(name))
    return buffer.getvalue()


def pickle_in(zipped: bytes) -> bytes:
    with zipfile.ZipFile(BytesIO(zipped)) as source:
        return next(source.read(name) for name in source.namelist() if name.endswith("data.pkl"))


def specimen(seeds: dict[str, bytes], rng: random.Random) -> bytes:
    """One file to try."""
    if rng.random() < 0.15:
        return random_program(rng)
    name = rng.choice(list(seeds))
    inside = name == "torch zip" and rng.random() < 0.7  # a change in a zip file's pickle would break its checksum
    data = bytearray(pickle_in(seeds[name]) if inside else seeds[name])
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        rng.choice(MUTATIONS)(data, rng)
    return in_torch_zip(bytes(data), seeds[name]) if inside else bytes(data)


def attempt(path: Path, size: int) -> tuple[str, str]:
    """What opening a file came to: "opened", "refused", or "finding", with a sentence."""
    tracemalloc.start()
    start = time.process_time()
    outcome, sentence = "opened", ""
    try:
        open_contents(path)
    except GraftError as error:
        outcome, sentence = "refused", str(error)
        if error.__cause__ is not None or path.name not in sentence or "\n" in sentence.strip():
            outcome, sentence = "finding", f"{sentence} ({error.__cause__!r})"
    except BaseException as error:
        outcome, sentence = "finding", repr(error)
    seconds, peak = time.process_time() - start, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    if seconds > SECONDS:
        outcome, sentence = "finding", f"{seconds:.1f} s"
    if peak > MEMORY + 64 * size:
        outcome, sentence = "finding", f"{peak >> 20} MiB for a file of {size >> 10} KiB"
    if any(marker.exists() for marker in MARKERS):
        outcome, sentence = "finding", "a marker was written"
    return outcome, sentence


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--findings", type=Path, default=Path(tempfile.gettempdir()) / "graftlab-findings")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    small = small_seeds()
    large = {name: data for name, data in fixture_seeds().items() if len(data) < LONGEST}
    counts = {"opened": 0, "refused": 0, "finding": 0}
    kinds: set[str] = set()
    end = time.monotonic() + options.seconds
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "specimen"
        for name, data in small.items():
            path.write_bytes(data)
            if (outcome := attempt(path, len(data)))[0] != "opened":
                raise SystemExit(f"{name} should open: {outcome[1]}")
        while time.monotonic() < end:
            data = specimen(small if rng.random() < 0.8 else large, rng)
            path.write_bytes(data)
            outcome, sentence = attempt(path, len(data))
            counts[outcome] += 1
            if outcome == "finding" and sentence[:60] not in kinds:
                kinds.add(sentence[:60])
                options.findings.mkdir(exist_ok=True)
                kept = options.findings / f"{options.seed}-{sum(counts.values())}"
                kept.write_bytes(data)
                print(f"{kept}: {sentence}", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(f"{sum(counts.values())} files: {counts}; {len(kinds)} kinds of findings; peak {peak} MiB resident")
    return 1 if counts["finding"] else 0


if __name__ == "__main__":
    sys.exit(main())
