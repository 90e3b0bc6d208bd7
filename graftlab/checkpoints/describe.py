"""What a file is, told without building a network or reading a weight."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from graftlab.checkpoints.containers.contents import open_contents
from graftlab.checkpoints.model_file import ModelFile
from graftlab.checkpoints.readers import read_model, seen

NO_PARAMETERS = (
    ".noise",
    "mapping.average",
    "image.mean",
    "image.deviation",
    "known",
    "threshold",
    ".magnitude",
    ".frequencies",
    ".phases",
    ".transform",
)  # endings of buffers


def describe(path: Path) -> dict[str, Any]:
    """Kind, architecture, parameters and records of a file, as JSON; GraftError if it is damaged or hostile.

    Of a file that holds no model: the container, and what lies at its top."""
    contents = open_contents(path)
    file = read_model(contents)
    told: dict[str, Any] = {"file": str(path), "bytes": path.stat().st_size}
    if file is None:
        return {**told, "format": contents.container, "kind": None, "holds": seen(contents)}
    parts, beside = parameters(file.tensors), sum(parameters(file.discriminators).values())
    return {
        **told,
        "format": file.format,
        "kind": file.kind,
        "size": size_of(file),
        **({"factor": file.config.factor} if hasattr(file.config, "factor") else {}),
        "classes": getattr(file.config, "classes", 0),
        "parameters": sum(parts.values()),
        "parts": parts | ({"discriminators": beside} if beside else {}),
        "config": file.config.to_dict(),
        "about": dict(file.about),
        "notes": list(file.notes),
    }


def size_of(file: ModelFile) -> int:
    """Side of the pictures, pixels."""
    return int(getattr(file.config, "size", 0))


def extent(told: Mapping[str, Any]) -> str:
    """How large a model's pictures are, or, of an upscaler, how much larger it makes them."""
    return f"× {told['factor']}" if "factor" in told else f"{told['size']} px"


def parameters(tensors: Mapping[str, Tensor]) -> dict[str, int]:
    """Numbers to learn, by the first part of the tensors' names."""
    counts: Counter[str] = Counter()
    for name, tensor in tensors.items():
        if not name.endswith(NO_PARAMETERS):
            counts[name.partition(".")[0]] += tensor.numel()
    return dict(counts)


def summary(told: Mapping[str, Any]) -> str:
    """`describe`'s answer in lines for people."""
    lines = [f"{told['file']}: {told['format']}, {told['bytes'] / 1e6:.1f} MB"]
    if told["kind"] is None:
        return f"{lines[0]}; no model, it holds {told['holds']}"
    classes = f", {told['classes']} classes" if told["classes"] else ""
    parts = ", ".join(f"{name} {count / 1e6:.2f} M" for name, count in told["parts"].items())
    lines.append(f"  {told['kind']}, {extent(told)}{classes}; parameters: {parts}")
    simple = {name: value for name, value in told["about"].items() if isinstance(value, str | int | float)}
    lines += [f"  {name.replace('_', ' ')}: {value}" for name, value in simple.items()]
    lines += [f"  note: {note}" for note in told["notes"]]
    return "\n".join(lines)
