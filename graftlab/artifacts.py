"""Files of ours: tensors in one safetensors file, everything else as JSON in its header. No code is ever run.

What belongs to one model and is kept in such a file (codes, directions, distributions, encoders) is an `Artifact`: it
has `save` and `load`, and meets only what is of the same model.
"""

import hashlib
import json
import struct
from collections.abc import Mapping
from os.path import isdir  # of any text, where Path.is_dir raises for names that are too long
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Self

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from graftlab.errors import GraftError
from graftlab.work.files import atomic_write, refuse_endless

KEY = "graftlab"  # of our JSON in the safetensors header
DIGEST = "sha256"  # beside it, of that JSON and of all tensors; earlier files have none
AGAIN = "fetch or make it again"
BUNDLED = Path(__file__).parent / "bundled"  # models that come with the package
TYPES = {  # their names in the format
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.uint8: "U8",
    torch.int8: "I8",
    torch.bool: "BOOL",
}


class Artifact:
    """What is made with one model, and goes into a small file that knows its kind and the model's fingerprint."""

    kind: ClassVar[str] = ""  # in a file's header: what it holds
    noun: ClassVar[str]  # the same for people
    remedy: ClassVar[str]  # how to get one, as the end of a sentence
    model: str | None  # fingerprint of the model it belongs to, None where that has none

    def check_owner(self, model: str | None, whose: str) -> None:
        """GraftError if something that it is to be used with is of another model."""
        if self.model and model and self.model != model:
            raise GraftError(
                f"The {self.noun} of another model ({called(self.model)}) cannot be used with {whose} "
                f"({called(model)}); {self.remedy}."
            )

    def save(self, path: str | Path) -> Path:
        """Create or replace its file in one step. Returns the path."""
        write_tensors(Path(path), self._tensors(), {"kind": self.kind, **self._header()})
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote. GraftError if the file is missing or damaged, or holds something else."""
        tensors, header = read_tensors(Path(path), cls.remedy)
        found, model = header.pop("kind", None), header.get("model")
        kind = next((each for each in (cls, *cls.__subclasses__()) if found and each.kind == found), None)
        if kind is None:
            what = found if isinstance(found, str) else "something else"
            raise GraftError(f"{path} holds no {cls.noun}, but {what}; {cls.remedy}.")
        try:
            if not isinstance(model, str | None) or not isinstance(header.get("about", {}), dict):
                raise GraftError("its model or what is told about it makes no sense")
            return kind._restored(tensors, header)
        except (ArithmeticError, KeyError, RuntimeError, TypeError, ValueError) as error:
            reason = f"{error} is missing" if isinstance(error, KeyError) else str(error).rstrip(".")
            raise GraftError(f"{path} holds no sensible {cls.noun} ({reason}); {cls.remedy}.") from None

    def _tensors(self) -> Mapping[str, Tensor]:
        """What a file holds, by name."""
        raise NotImplementedError

    def _header(self) -> Mapping[str, Any]:
        """What its header tells beside the kind, as JSON."""
        raise NotImplementedError

    @classmethod
    def _restored(cls, tensors: dict[str, Tensor], header: dict[str, Any]) -> Self:
        """From both. GraftError, KeyError or TypeError for what makes no sense."""
        raise NotImplementedError


def called(model: str) -> str:
    """A model in a sentence, by its fingerprint: its name if it comes with the package, else how that begins."""
    return next((path.stem for path in sorted(BUNDLED.glob("*.safetensors")) if holds(path, model)), model[:12])


def holds(path: Path, wanted: str) -> bool:
    """Whether a file is a whole model with this fingerprint, as its header tells."""
    try:
        _, header = views(path)
    except GraftError:  # another program's, or damaged
        return False
    return header.get("fingerprint") == wanted and "delta" not in header


def finite(*tensors: Tensor) -> bool:
    """Whether all are floating-point numbers, and finite."""
    return all(tensor.is_floating_point() and bool(tensor.float().isfinite().all()) for tensor in tensors)


# -- files ------------------------------------------------------------------------------------------------------------


def write_tensors(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Create or replace a safetensors file in one step. Tensors may be on any device; one at a time is copied.

    The library's own `save_file` makes a file of its own and renames it over ours: what was flushed to the disk would
    not be what was written, and other users could not read it."""
    told, entries, end = json.dumps(header), {}, 0
    for name, tensor in (ordered := _ordered(tensors)):
        start, end = end, end + tensor.numel() * tensor.itemsize
        entries[name] = {"dtype": TYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, end]}

    def beginning(digest: str) -> bytes:
        text = json.dumps({"__metadata__": {KEY: told, DIGEST: digest}, **entries}).encode()
        text += b" " * (-len(text) % 8)
        return struct.pack("<Q", len(text)) + text

    def fill(file: BinaryIO) -> None:
        digest = hashlib.sha256(told.encode())
        file.write(beginning(digest.hexdigest()))  # as long as the right one, which is known only in the end
        for name, tensor in ordered:
            file.write(_add(digest, name, tensor))
        file.seek(0)
        file.write(beginning(digest.hexdigest()))

    atomic_write(path, fill)


def views(path: Path, remedy: str = AGAIN) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """A file's tensors and our JSON. The tensors are views of the file on the disk, which take no memory until used,
    and change when somebody overwrites it: copy what is to stay.

    GraftError if the file is missing, cut off or not of this kind."""
    tensors, metadata = opened(path, remedy)
    return tensors, parsed(path, metadata, remedy)


def read_tensors(path: Path, remedy: str = AGAIN) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and our JSON, in memory. GraftError if the file is missing, damaged or not of this kind."""
    seen, metadata = opened(path, remedy)
    header = parsed(path, metadata, remedy)
    tensors = {name: tensor.clone() for name, tensor in seen.items()}
    check_digest(path, tensors, metadata, remedy)
    return tensors, header


def check_digest(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str], remedy: str = AGAIN) -> bool:
    """Whether a file of ours tells a digest of what it holds. GraftError if it holds something else by now.

    Files of before there were digests have none, and nothing else in their header: a name that is none of ours is one
    of ours that was damaged."""
    if DIGEST not in metadata and set(metadata) <= {KEY, "format"}:
        return False
    digest = hashlib.sha256(metadata.get(KEY, "").encode())
    for name, tensor in _ordered(tensors):
        _add(digest, name, tensor)
    if metadata.get(DIGEST) != digest.hexdigest():
        raise GraftError(f"{path} is damaged: it no longer holds what was written (SHA-256); {remedy}.")
    return True


def parsed(path: Path, metadata: Mapping[str, str], remedy: str = AGAIN) -> dict[str, Any]:
    """Our JSON in a safetensors header."""
    try:
        header = json.loads(metadata.get(KEY, "null"))
    except (ValueError, RecursionError) as error:
        raise GraftError(f"{path} is damaged ({error}); {remedy}.") from None
    if not isinstance(header, dict):
        raise GraftError(f"{path} was not written by graftlab: its header has no '{KEY}' entry; {remedy}.")
    return header


def opened(path: Path, remedy: str = AGAIN) -> tuple[dict[str, Tensor], dict[str, str]]:
    """A safetensors file's tensors, as views, and the texts in its header."""
    if isdir(path):
        raise GraftError(f"{path} is a folder; name a file in it.")
    refuse_endless(path)
    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except FileNotFoundError:
        raise GraftError(f"{path}: no such file.") from None
    except (SafetensorError, ValueError, OSError, RecursionError) as error:
        raise GraftError(f"{path} is damaged or no safetensors file ({error}); {remedy}.") from None


def _ordered(tensors: Mapping[str, Tensor]) -> list[tuple[str, Tensor]]:
    """As they lie in a file: so that all are aligned."""
    return sorted(tensors.items(), key=lambda item: (-item[1].itemsize, item[0]))


def _add(digest: Any, name: str, tensor: Tensor) -> memoryview:
    """The bytes of a tensor, which with its name, type and shape have become part of the digest."""
    data = tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data
    digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
    digest.update(data)
    return data
