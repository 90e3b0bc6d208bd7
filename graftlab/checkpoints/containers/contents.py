"""`open_contents`: any checkpoint file as a tree of plain values and tensors, by what it holds, never by its name.

The tensors lie where they lie in the file, which is mapped into memory privately: it takes no memory until used, and
nothing that writes to a tensor can reach the file. Nobody should change the file meanwhile.
"""

import ast
import mmap
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from graftlab.checkpoints.containers import archives
from graftlab.checkpoints.containers.calls import MAGIC, read_old_torch_behind_magic, read_pickle, storage_of
from graftlab.checkpoints.containers.mistakes import recognise, unreadable
from graftlab.checkpoints.containers.module_text import KEYS, suspicious_uses
from graftlab.checkpoints.containers.pickles import parts, survey
from graftlab.checkpoints.containers.records import TENSORS, Allowance, Record, damaged, refuse
from graftlab.checkpoints.containers.shards import read_shards, weight_map
from graftlab.checkpoints.containers.tensors import Storage, array
from graftlab.errors import GraftError

LONGEST_JSON = 16 << 20  # bytes of a safetensors header
LONGEST_ARRAY_HEADER = 10_000  # bytes
TABLES = ("_parameters", "_buffers", "_modules")  # of a module of PyTorch's
MOST_TEXT = 1 << 19  # characters of program text in a file
OLD_PICKLE = re.compile(rb"[(\]})](?=[a-z0-9}\].(IVSFLcN])|c[\w.]+\r?\n[\w.]+\r?\n")  # how protocol 0 begins


@dataclass(frozen=True)
class Contents:
    """What a checkpoint file holds."""

    path: Path
    container: str  # "pickle", "torch zip", "torch legacy", "safetensors", "npy" or "npz"
    tree: object  # plain values, tensors, `Name` and `Record`
    suspicions: tuple[str, ...] = ()  # sentences about program text that could not be examined
    check: Callable[[], bool] | None = None  # reads all: whether checksums prove what it holds, or GraftError

    @cached_property
    def named(self) -> dict[str, object]:
        """What lies in dicts, and in modules that were saved whole, by dotted names; nothing if the file holds
        something else."""
        tree = self.tree["tensors"] if self.container == "safetensors" and isinstance(self.tree, dict) else self.tree
        found: dict[str, object] = {}
        waiting = [("", tree)]
        while waiting:
            name, value = waiting.pop()
            if inner := inside(value):
                waiting += [(f"{name}.{key}" if name else str(key), inner[key]) for key in reversed(inner)]
            elif name:
                found[name] = value
        return found


def inside(value: object) -> dict[Any, object]:
    """The entries of a dict, or of the state dict of a module that was saved whole (`torch.save(model)`)."""
    if isinstance(value, dict):
        return value
    state = value.state if isinstance(value, Record) else None
    if not isinstance(state, dict) or not all(isinstance(state.get(table), dict) for table in TABLES):
        return {}
    passing = state.get("_non_persistent_buffers_set") or ()
    entries = ((name, item) for table in TABLES for name, item in state[table].items())
    return {name: item for name, item in entries if item is not None and name not in passing}


def open_contents(path: Path) -> Contents:
    """Read a checkpoint without running anything in it: pickles of all protocols, PyTorch's files new and old,
    safetensors, in one file or by the index of several, numpy's .npy and .npz.

    Tensors are views of the file. GraftError, in one sentence, for anything else, and for files that are damaged, ask
    for code to be run, or would take more memory than their size explains."""
    path = Path(path)
    unreadable(path)
    try:
        with path.open("rb") as file:
            data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
        return _open(path, data)
    except GraftError:
        raise
    except Exception as error:  # a damaged file may trip any reader anywhere
        raise GraftError(f"{path} is damaged ({type(error).__name__}: {error}); fetch or make it again.") from error


def _open(path: Path, data: memoryview) -> Contents:
    where, start = str(path), bytes(data[:512])
    check = None
    if start.startswith((b"PK\3\4", b"PK\5\6")):
        container, tree = read_zip(data, where)
        check = partial(archives.check, data, where)
    elif start.startswith(b"\x93NUMPY"):
        container, tree = "npy", read_array(data, Allowance(where, len(data)))
    elif start[8:9] == b"{" and (start[0] != 0x80 or not any(start[4:8])):
        container, tree = "safetensors", read_safetensors(path, data)
    elif re.match(rb"\x80[\0-\5]", start) or OLD_PICKLE.match(start):
        container, tree = read_pickle_file(data, where)
    elif places := weight_map(data, where):
        container, tree = "safetensors", read_shards(path, places, shard)
    else:
        raise GraftError(f"{path} {recognise(data)}.")
    survey(tree, where)
    return Contents(path, container, tree, examine_text(tree, where), check)


def read_pickle_file(data: memoryview, where: str) -> tuple[str, object]:
    """A pickle, or an old PyTorch file, which begins with one that holds a certain number."""
    allowance = Allowance(where, len(data))
    tree, position = read_pickle(data, 0, allowance)
    if isinstance(tree, int) and tree == MAGIC:
        return "torch legacy", read_old_torch_behind_magic(data, position, allowance)
    return "pickle", tree


def read_zip(data: memoryview, where: str) -> tuple[str, object]:
    """A PyTorch file of today, or numpy's .npz."""
    found = archives.members(data, where)
    pickles = [name for name in found if name == "data.pkl" or name.endswith("/data.pkl")]
    if len(pickles) == 1:
        return "torch zip", read_torch_zip(data, found, pickles[0].removesuffix("data.pkl"), where)
    if found and all(name.endswith(".npy") for name in found):
        return "npz", read_arrays(data, found, where)
    inside = [name for name in found if name.endswith((".pth", ".pt", ".pkl", ".safetensors", ".ckpt", ".npz"))]
    advice = f"unpack it and give {inside[0][:80]!r}, which is in it" if inside else "it holds no checkpoint"
    raise GraftError(f"{where} is a zip file and not a checkpoint itself: {advice}.")


def read_torch_zip(data: memoryview, found: dict[str, archives.Member], folder: str, where: str) -> object:
    """The object in a PyTorch zip file: a pickle whose storages are members of their own.

    PyTorch compresses none, but reads those that people have unpacked and packed again."""
    if any(name.startswith((f"{folder}code/", f"{folder}constants.pkl")) for name in found):
        refuse(where, "is a TorchScript file, that is a program; give the checkpoint it was made from")
    for name, member in found.items():
        if member.method != archives.DEFLATED:
            archives.stored(member, name, where)
    size = archives.size_unpacked(found, data, where)
    order = found.get(f"{folder}byteorder")
    if order and archives.checked(order, "byteorder", where) != b"little":
        refuse(where, "was written on a machine with the other byte order (big endian)")
    allowance = Allowance(where, max(len(data), size))
    storages: dict[str, Storage] = {}

    @cache
    def bytes_of(label: str) -> memoryview:
        member = found.get(f"{folder}data/{label}")
        if member is None:
            refuse(where, f"lacks the numbers of the tensor {label[:40]!r}")
        return archives.unpacked(member, label, where)

    def storage(key: object) -> Storage:
        label, made = storage_of(key, allowance, bytes_of)
        known = storages.setdefault(label, made)
        if known.bytes > len(bytes_of(label)) or (known.bytes, known.dtype) != (made.bytes, made.dtype):
            refuse(where, f"declares more numbers than it holds for the tensor {label[:40]!r}")
        return known

    name = f"{folder}data.pkl"
    tree, _ = read_pickle(archives.checked(found[name], name, where), 0, allowance, storage)
    return tree


def read_arrays(data: memoryview, found: dict[str, archives.Member], where: str) -> dict[str, object]:
    """The arrays of a .npz by name."""
    allowance = Allowance(where, max(len(data), archives.size_unpacked(found, data, where)))
    return {
        name.removesuffix(".npy"): read_array(archives.unpacked(member, name, where), allowance)
        for name, member in found.items()
    }


def read_array(data: memoryview, allowance: Allowance) -> object:
    """numpy's own file of one array: a signature, a header that is the text of a Python dict, the numbers."""
    width = 2 if data[6:7] == b"\1" else 4
    length = int.from_bytes(data[8 : 8 + width], "little")
    begin = 8 + width + length
    try:
        if length > LONGEST_ARRAY_HEADER or begin > len(data) or data[:6] != b"\x93NUMPY":
            raise ValueError
        header = ast.literal_eval(str(data[8 + width : begin], "latin-1").strip())
        kind, fortran, sizes = (header[key] for key in ("descr", "fortran_order", "shape"))
    except (ValueError, SyntaxError, TypeError, KeyError, RecursionError, MemoryError):
        damaged(allowance.where, "holds a numpy array whose header is damaged")
    if kind == "|O":  # a pickle of the array
        held, _ = read_pickle(data, begin, allowance)
        if not isinstance(held, dict | list):
            refuse(allowance.where, "holds a numpy array of objects other than dicts and arrays")
        return held
    if not isinstance(kind, str):
        refuse(allowance.where, "holds a numpy array of structures, where only numbers and text are read")
    return array(data[begin:], kind, sizes, fortran is True, allowance)


def read_safetensors(path: Path, data: memoryview) -> dict[str, object]:
    """Tensors and metadata of a safetensors file."""
    length = int.from_bytes(data[:8], "little")
    if length > min(LONGEST_JSON, len(data) - 8):
        damaged(str(path), f"is a safetensors file with a header of {length} bytes, which it does not hold")
    try:
        with safe_open(path, "pt") as file:
            if len(file.keys()) > TENSORS:
                refuse(str(path), f"holds {len(file.keys())} tensors, more than any checkpoint has")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return {"tensors": tensors, "metadata": file.metadata() or {}}
    except SafetensorError as error:
        raise GraftError(f"{path} is a safetensors file that is damaged ({error}); fetch or make it again.") from None


def shard(path: Path) -> dict[str, object]:
    """One of several safetensors files."""
    unreadable(path)
    with path.open("rb") as file:
        return read_safetensors(path, memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)))


def examine_text(tree: object, where: str) -> tuple[str, ...]:
    """Read the program text in a tree. GraftError if it uses what no network needs; sentences about text that could
    not be examined."""
    texts = dict.fromkeys(program_texts(tree))
    if sum(map(len, texts)) > MOST_TEXT:
        refuse(where, "carries more program text than any network has")
    sentences = []
    for text in texts:
        try:
            found = suspicious_uses(text)
        except SyntaxError:
            sentences.append(f"{where} carries {len(text)} characters of program text that is no Python of today.")
            continue
        if found:
            name, line = found[0]
            refuse(where, f"carries program text that uses {name} in line {line}, for which a network has no need")
    return tuple(sentences)


def program_texts(tree: object) -> list[str]:
    """Every text that a pickle keeps where NVIDIA's keep that of modules."""
    texts, waiting, seen = [], [tree], set()
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, dict):
            texts += [value[key] for key in KEYS if isinstance(value.get(key), str)]
        waiting += [part for part in parts(value) if isinstance(part, dict | list | tuple | Record)]
    return texts
