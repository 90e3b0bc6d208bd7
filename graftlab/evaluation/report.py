"""A result on one page: facts, tables and pictures in a single HTML file, and the same figures as JSON."""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol

from jinja2 import Environment
from torch import Tensor

from graftlab.figures.tables import Table, shown
from graftlab.images import to_image
from graftlab.work.files import atomic_write

TITLES = {
    "truth": "Swaps against the truth",
    "folder": "Reconstructions and hybrids of photos",
    "samples": "Samples beside photos",
    "compare": "Compared",
}
FACTS = {
    "name": "Model",
    "model": "Fingerprint",
    "features": "Feature network",
    "judge": "Judge of textures",
    "size": "Picture size, pixels",
    "structures": "Structures",
    "textures": "Textures",
    "pairs": "Swaps",
    "samples": "Samples",
    "psi": "Truncation",
    "class": "Class",
    "photos": "Photos",
    "skipped": "Photos that could not be read, or are smaller",
    "seed": "Seed",
}


class Result(Protocol):
    """What a page is made of."""

    @property
    def kind(self) -> str: ...
    @property
    def about(self) -> Mapping[str, Any]: ...
    @property
    def pictures(self) -> Mapping[str, Tensor]: ...
    def tables(self) -> Sequence[Table]: ...
    def to_dict(self) -> dict[str, Any]: ...


def text(result: Result) -> str:
    """The result for the terminal."""
    warnings = [f"Note: {note}" for note in result.about.get("notes", ())]
    skipped = result.about.get("skipped", 0)
    warnings += [f"Note: {skipped} photos were skipped, which cannot be read or are smaller."] if skipped else []
    measured = [f"Features: {result.about['features']}"] if "features" in result.about else []
    judged = [f"Judge: {result.about['judge']}"] if "judge" in result.about else []
    return "\n\n".join([*(table.text() for table in result.tables()), *warnings, *measured, *judged])


def write_report(result: Result, folder: str | Path) -> Path:
    """Write results.json and report.html into a folder, which is made if need be; returns the page's path.

    The page needs no other file, no network and no JavaScript."""
    folder = Path(folder)
    figures = json.dumps(result.to_dict(), indent=1, ensure_ascii=False)
    atomic_write(folder / "results.json", lambda file: file.write(figures.encode("utf-8", "replace")))
    page = html(result).encode("utf-8", "replace")
    return atomic_write(folder / "report.html", lambda file: file.write(page))


def html(result: Result) -> str:
    """The page."""
    facts = {FACTS[key]: value for key, value in result.about.items() if key in FACTS and value is not None}
    pages = Environment(autoescape=True, keep_trailing_newline=True)
    pages.filters.update(shown=shown, inline=_inline)
    return pages.from_string(Path(__file__).with_name("report.html").read_text("utf-8")).render(
        title=TITLES[result.kind],
        facts={name: _fact(value) for name, value in facts.items()},
        notes=result.about.get("notes", ()),
        tables=result.tables(),
        pictures=result.pictures,
    )


def _fact(value: object) -> str:
    text = shown(value) if isinstance(value, float) else str(value)
    return text[:12] if len(text) == 64 else text  # a fingerprint


def _inline(picture: Tensor) -> str:
    file = BytesIO()
    to_image(picture).save(file, "JPEG", quality=90, subsampling=0)
    return b64encode(file.getvalue()).decode()
