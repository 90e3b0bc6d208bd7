"""What a file is, told without building a network."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from graftlab.artifacts import holds
from graftlab.checkpoints.catalogue import registry
from graftlab.checkpoints.containers.contents import Contents, open_contents
from graftlab.checkpoints.formats import psp
from graftlab.checkpoints.load import bundled_models
from graftlab.checkpoints.model_file import ModelFile
from graftlab.checkpoints.readers import read_model, seen
from graftlab.errors import GraftError

NAMED = 3  # tensors, or classes, in a sentence
RECORDS = {"blend": "rule", "local": "drawn in"}  # of a blend, and what people read before them
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
    *(f"place.{name}" for name in ("mean", "deviation", "centres", "chosen", "mask")),
)  # endings of buffers


def describe(
    path: Path,
    weights: bool = True,  # look whether all are finite, which reads the whole file
) -> dict[str, Any]:
    """Kind, architecture, parameters and records of a file, as JSON; GraftError if it is damaged or hostile.

    Of a file that holds no model: the container, and what lies at its top; of one with an encoder, what that is."""
    contents = open_contents(path)
    file = read_model(contents)
    told: dict[str, Any] = {"file": str(path), "bytes": path.stat().st_size, **encoder_in(contents)}
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
        "parents": parents(file.about),
        "notes": [*file.notes, *(not_finite(file) if weights else ())],
    }


def encoder_in(contents: Contents) -> dict[str, str]:
    """What encoder somebody has published in a file; why it is none where it seems to be one; nothing without any."""
    try:
        found = psp.read(contents)
    except GraftError as error:
        return {"encoder": str(error)}
    if found is None:
        return {}
    sizes = f"{found.config.styles} w of {found.config.w_channels} numbers from pictures of {found.config.size} px"
    return {"encoder": f"{found.format}'s: {sizes} ({found.config.backbone})"}


def not_finite(file: ModelFile) -> list[str]:
    """A sentence if some of a model's weights are no finite numbers, with which it is refused."""
    every = [*file.tensors.items(), *file.discriminators.items()]
    bad = [name for name, tensor in every if tensor.is_floating_point() and not tensor.float().isfinite().all()]
    told = f"{len(bad)} of its tensors hold weights that are not finite ({', '.join(bad[:NAMED])}"
    return [f"{told}{', ...' if len(bad) > NAMED else ''}): it is damaged"] if bad else []


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


def parents(about: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Fingerprints of the models that one was made of, with their names: those by which `load` knows them on this
    machine, or else their files' when the model was made, as far as that is told."""
    listed, names = about.get("parents"), about.get("parent_names")
    listed = listed if isinstance(listed, list) else [about.get("parent")]
    names = names if isinstance(names, list) and len(names) == len(listed) else [""] * len(listed)
    here = registry.cached_models() | bundled_models()
    return [
        (of, next((known for known, path in here.items() if holds(path, of)), str(name)))
        for of, name in zip(listed, names, strict=True)
        if isinstance(of, str)
    ]


def facts(record: Any) -> str:
    """What a record tells, in words: of a rule, or of a place. Shares of single channels are left out."""
    if not isinstance(record, dict):
        return ""
    told = {name: list(value) if name == "channels" else value for name, value in record.items() if value is not None}
    return ", ".join(f"{name.replace('_', ' ')} {json.dumps(value)}" for name, value in told.items())


def summary(told: Mapping[str, Any]) -> str:
    """`describe`'s answer in lines for people."""
    lines = [f"{told['file']}: {told['format']}, {told['bytes'] / 1e6:.1f} MB"]
    encoder = [f"  encoder: {told['encoder']}"] if "encoder" in told else []
    if told["kind"] is None:
        return "\n".join([f"{lines[0]}; no model, it holds {told['holds']}", *encoder])
    classes = f", {told['classes']} classes" if told["classes"] else ""
    if names := told["about"].get("class_names"):
        classes += f" ({', '.join(map(str, names[:NAMED]))}{', ...' if len(names) > NAMED else ''})"
    parts = ", ".join(f"{name} {count / 1e6:.2f} M" for name, count in told["parts"].items())
    lines.append(f"  {told['kind']}, {extent(told)}{classes}; parameters: {parts}")
    about = told["about"]
    simple = {name: value for name, value in about.items() if isinstance(value, str | int | float) and name != "parent"}
    lines += [f"  {name.replace('_', ' ')}: {value}" for name, value in simple.items()]
    if told["parents"]:
        names = [f"{name} ({of[:12]})" if name else of for of, name in told["parents"]]
        lines.append(f"  parent{'s' if len(names) > 1 else ''}: {', '.join(names)}")
    lines += [f"  {word}: {facts(about[record])}" for record, word in RECORDS.items() if facts(about.get(record))]
    lines += encoder + [f"  note: {note}" for note in told["notes"]]
    return "\n".join(lines)
