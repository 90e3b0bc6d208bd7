"""Files of tensors: safetensors, written whole or not at all, with everything else as JSON in the header."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from graftlab.files import atomic_write

KEY = "graftlab"  # of our JSON in the safetensors header
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


def write_tensors(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Create or replace a safetensors file in one step. Tensors may be on any device; one at a time is copied.

    The library's own `save_file` makes a file of its own and renames it over ours: what was flushed to the disk would
    not be what was written, and other users could not read it."""
    entries: dict[str, Any] = {"__metadata__": {KEY: json.dumps(header)}}
    ordered = sorted(tensors.items(), key=lambda item: (-item[1].itemsize, item[0]))  # so that all are aligned
    end = 0
    for name, tensor in ordered:
        start, end = end, end + tensor.numel() * tensor.itemsize
        entries[name] = {"dtype": TYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, end]}
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)

    def fill(file: BinaryIO) -> None:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, tensor in ordered:
            file.write(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)

    atomic_write(path, fill)
