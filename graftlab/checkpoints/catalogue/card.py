"""A model's card: what it is, whose it is and how it is used, in the form that the Hugging Face hub shows."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from graftlab.checkpoints.describe import RECORDS, describe, extent, facts
from graftlab.errors import GraftError

IMAGES, FROM_IMAGES = "unconditional-image-generation", "image-to-image"  # as the hub calls what models do
USES = {  # by a part of the kind's name: what it does, its tags, a command
    "swapping": (FROM_IMAGES, ["swapping-autoencoder"], "graft swap structure.jpg texture.jpg -m {} -o swap.png"),
    "stylegan": (IMAGES, ["gan"], "graft sample -m {} --seeds 0-11 -o seeds.png"),
    "upscaler": (FROM_IMAGES, ["super-resolution"], "graft upscale photo.jpg --upscaler {} -o larger.png"),
    "translator": (FROM_IMAGES, ["distillation"], "graft translate photo.jpg -m {} -o translated.png"),
    "dual-encoder": ("zero-shot-image-classification", ["clip"], 'graft guide @peaks --text "snow" --words {}'),
}


def card(
    file: str | Path,
    title: str | None = None,  # by default the file's name
    licence: str | None = None,  # by default what the file says
    repository: str | None = None,  # where it will be on the hub, for its commands
    pictures: Sequence[str] = (),  # files beside the card
) -> str:
    """The card of a model's file in Markdown, with the metadata of the hub above.

    GraftError if the file holds no model, and if neither it nor `licence` says under which licence it is."""
    path = Path(file)
    told = describe(path, weights=False)
    if told["kind"] is None:
        raise GraftError(f"{path} holds no model, and only a model has a card.")
    about, name = told["about"], title or path.stem
    if not (licence := licence or about.get("licence")):
        raise GraftError(f"{path} does not say under which licence it is; say so with --licence, as cc-by-4.0.")
    task, tags, use = next(use for part, use in USES.items() if part in told["kind"])
    head = {
        "license": str(licence).lower(),
        "library_name": "graftlab",
        "pipeline_tag": task,
        "tags": [told["kind"], *(tag for tag in tags if tag != told["kind"])],
    }
    model = f"hf:{repository}" if repository else path.name
    parts = [
        "\n".join(["---", *(f"{key}: {json.dumps(value)}" for key, value in head.items()), "---"]),
        f"# {name}",
        *(f"![{name}]({picture})" for picture in pictures),
        "\n".join(["| | |", "|---|---|", *(f"| {row} | {text} |" for row, text in rows(told, str(licence)))]),
        f"```sh\npip install graftlab\n{use.format(model)}\n```",
        f'```python\nimport graftlab\n\nmodel = graftlab.load("{model}")\n```',
        f"Made with [graftlab](https://github.com/graftlab/graftlab). {figures(about)}".strip(),
    ]
    return "\n\n".join(parts) + "\n"


def rows(told: Mapping[str, Any], licence: str) -> Iterator[tuple[str, str]]:
    """What the card's table says of what `describe` told."""
    about = told["about"]
    yield "Kind", f"{told['kind']}, {extent(told)}" + (f", {told['classes']} classes" if told["classes"] else "")
    parts = ", ".join(f"{name} {count / 1e6:.2f} M" for name, count in told["parts"].items())
    yield "Parameters", parts
    yield "File", f"{told['format']}, {told['bytes'] / 1e6:.1f} MB"
    if "images_seen" in about:
        yield "Training", f"{about['images_seen']:,} images"
    if "trained_on" in about:
        yield "Data", _cell(about["trained_on"])
    for fingerprint, name in told["parents"]:
        yield "Parent", _cell(f"{name or 'unknown'} ({fingerprint[:12]})")
    for record, what in RECORDS.items():
        if said := facts(about.get(record)):
            yield record.capitalize(), _cell(f"{what} {said}")
    yield "Licence", _cell(licence)


def figures(about: Mapping[str, Any]) -> str:
    """What a training found on pictures that it held out, in a sentence, if it did."""
    known = {name.removeprefix("validation_"): value for name, value in about.items() if name.startswith("validation_")}
    listed = [f"{name} {value:.3g}" for name, value in known.items() if isinstance(value, int | float)]
    return f"On held-out pictures: {', '.join(listed)}." if listed else ""


def _cell(text: object) -> str:
    """A text that stays in its cell of a table."""
    return " ".join(str(text).replace("|", "\\|").split())
