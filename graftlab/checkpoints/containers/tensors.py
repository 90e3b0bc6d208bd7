"""Tensors over the bytes of a file: checked before they are made, and made without copying."""

import math
import re

import numpy as np
import torch
from torch import Tensor

from graftlab.checkpoints.containers.records import Allowance, refuse

STORAGES = {  # PyTorch's names of typed storages
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "ComplexDoubleStorage": torch.complex128,
    "ComplexFloatStorage": torch.complex64,
    "UntypedStorage": torch.uint8,
}
DTYPES = {  # PyTorch's names of types
    str(dtype): dtype
    for dtype in (*STORAGES.values(), torch.float8_e4m3fn, torch.float8_e5m2, torch.uint16, torch.uint32, torch.uint64)
}
NUMPY_TYPE = re.compile(r"[<>=|]?(f[248]|[iu][1248]|c8|c16|b1|[US][1-9][0-9]{0,5})")
MOST_DIMENSIONS = 16
LARGEST_SIZE = 1 << 40  # of a dimension


class Storage:
    """A run of equal numbers that tensors are cut from. In old PyTorch files its bytes stand behind the tensors that
    use it: those are filled by `locate`."""

    def __init__(self, dtype: torch.dtype, count: int, data: memoryview | None, allowance: Allowance):
        self.dtype, self.allowance = dtype, allowance
        self.bytes = count * dtype.itemsize
        self.data = data
        self.waiting: list[tuple[Tensor, int, tuple[int, ...], tuple[int, ...]]] = []

    def tensor(
        self, offset: object, size: object, stride: object | None = None, dtype: torch.dtype | None = None
    ) -> Tensor:
        """A view, by offset, size and strides in elements (None: contiguous).

        GraftError unless it lies inside the storage and has no more elements than it, overlaps included."""
        dtype = dtype or self.dtype
        sizes = _numbers(size)
        strides = contiguous(sizes) if stride is None and sizes is not None else _numbers(stride)
        start = _whole(offset)
        if sizes is None or strides is None or len(sizes) != len(strides) or start is None:
            refuse(self.allowance.where, "holds a tensor whose shape makes no sense")
        numel, available = math.prod(sizes), self.bytes // dtype.itemsize
        end = start + sum((n - 1) * step for n, step in zip(sizes, strides, strict=True)) + 1 if numel else start
        repeats = any(n > 1 and step < 1 for n, step in zip(sizes, strides, strict=True))
        if end > available or numel > available or repeats or math.prod(n or 1 for n in sizes) > LARGEST_SIZE:
            refuse(self.allowance.where, f"holds a tensor of shape {sizes} over {available} stored numbers")
        self.allowance.spend("tensors", 1)
        self.allowance.spend("bytes in tensors", numel * dtype.itemsize)
        if not numel:
            return torch.empty(sizes, dtype=dtype)
        if self.data is not None:
            return torch.frombuffer(self.data, dtype=dtype, count=available).as_strided(sizes, strides, start)
        self.waiting.append((torch.empty(0, dtype=dtype), start, sizes, strides))
        return self.waiting[-1][0]

    def locate(self, data: memoryview) -> None:
        """Give the storage its bytes, writable ones, and fill the tensors that waited for them."""
        self.data = data
        for tensor, offset, sizes, strides in self.waiting:
            numbers = torch.frombuffer(data, dtype=tensor.dtype, count=self.bytes // tensor.itemsize)
            tensor.set_(numbers.untyped_storage(), offset, sizes, strides)
        self.waiting.clear()


def contiguous(sizes: tuple[int, ...], fortran: bool = False) -> tuple[int, ...]:
    """Strides in elements of an array without gaps, the last index fastest, or the first (Fortran)."""
    ordered = sizes if fortran else sizes[::-1]
    strides = tuple(math.prod(max(n, 1) for n in ordered[:i]) for i in range(len(ordered)))
    return strides if fortran else strides[::-1]


def array(data: memoryview, dtype: str, sizes: object, fortran: bool, allowance: Allowance) -> object:
    """A numpy array as a tensor, or, for text, as lists of str (of bytes).

    `dtype` in numpy's spelling with or without the order of bytes ("<f4"), `data` exactly the array's bytes.
    GraftError for objects, structures, or if `data` is too short."""
    shape = _numbers(sizes)
    if not NUMPY_TYPE.fullmatch(dtype):
        refuse(allowance.where, f"holds a numpy array of type {dtype[:40]!r}, where only numbers and text are read")
    plain = np.dtype(dtype)
    if shape is None or math.prod(shape) * plain.itemsize != len(data):
        refuse(allowance.where, f"holds a numpy array whose shape does not fit its {len(data)} bytes")
    _check_text(data, plain, allowance.where)
    if plain.kind in "US":
        allowance.spend("bytes of copies", len(data))
        allowance.spend_entries(math.prod(shape))
        return np.frombuffer(data, plain).reshape(shape, order="F" if fortran else "C").tolist() if data else []
    if plain.byteorder == ">" and data:
        allowance.spend("bytes of copies", len(data))
        data = memoryview(bytearray(np.frombuffer(data, plain).byteswap().tobytes()))
    torch_type = torch.from_numpy(np.empty(0, plain.newbyteorder("="))).dtype
    storage = Storage(torch_type, math.prod(shape), writable(data, allowance), allowance)
    return storage.tensor(0, shape, contiguous(shape, fortran))


def scalar(data: memoryview, dtype: str, where: str) -> object:
    """A single number or text of numpy's as Python's."""
    if not NUMPY_TYPE.fullmatch(dtype) or np.dtype(dtype).itemsize != len(data) or not data:
        refuse(where, f"holds a numpy number of type {dtype[:40]!r} that makes no sense")
    _check_text(data, np.dtype(dtype), where)
    return np.frombuffer(data, dtype)[0].item()


def _check_text(data: memoryview, dtype: np.dtype, where: str) -> None:
    """GraftError if what should be text is none; numpy does not ask."""
    try:
        if dtype.kind == "U":
            str(data, "utf-32-be" if dtype.byteorder == ">" else "utf-32-le")
    except UnicodeDecodeError:
        refuse(where, "holds a numpy array of invalid text")


def writable(data: memoryview, allowance: Allowance) -> memoryview:
    """The same bytes; short ones that Python may not change are copied. Nobody writes, but PyTorch warns otherwise."""
    if not data.readonly:
        return data
    allowance.spend("bytes of copies", len(data))
    return memoryview(bytearray(data))


def _whole(value: object) -> int | None:
    """A number that can be a size, None for anything else."""
    return value if type(value) is int and 0 <= value <= LARGEST_SIZE else None


def _numbers(value: object) -> tuple[int, ...] | None:
    """A tuple or list of whole numbers as a tuple, None for anything else."""
    if not isinstance(value, tuple | list) or len(value) > MOST_DIMENSIONS:
        return None
    sizes = tuple(size for size in map(_whole, value) if size is not None)
    return sizes if len(sizes) == len(value) else None
