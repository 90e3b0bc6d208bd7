"""A result on one page: facts, tables and pictures in a single HTML file, and the same figures as JSON."""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from io import BytesIO
from pathlib import Path
from string import Template
from typing import Any, Protocol

from torch import Tensor

from graftlab.evaluation.tables import Table, shown
from graftlab.files import atomic_write
from graftlab.images import to_image

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
    "skipped": "Photos that could not be read",
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
    return _PAGE.substitute(
        title=escape(TITLES[result.kind]),
        facts="".join(
            f"<div><dt>{escape(name)}</dt><dd>{escape(_fact(value))}</dd></div>" for name, value in facts.items()
        ),
        notes="".join(f"<p class=note>{escape(note)}</p>" for note in result.about.get("notes", ())),
        tables="".join(table.html() for table in result.tables()),
        pictures="".join(_figure(caption, picture) for caption, picture in result.pictures.items()),
    )


def _fact(value: object) -> str:
    text = shown(value) if isinstance(value, float) else str(value)
    return text[:12] if len(text) == 64 else text  # a fingerprint


def _figure(caption: str, picture: Tensor) -> str:
    file = BytesIO()
    to_image(picture).save(file, "JPEG", quality=90, subsampling=0)
    data = b64encode(file.getvalue()).decode()
    name = escape(caption)
    return f'<h2>{name}</h2><img src="data:image/jpeg;base64,{data}" alt="{name}">'


_PAGE = Template("""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<title>$title</title>
<style>
:root { --paper: #fff; --ink: #1d2127; --soft: #646b76; --card: #f5f6f8; --best: #0072B2 }
@media (prefers-color-scheme: dark) {
  :root { --paper: #14171b; --ink: #e4e7eb; --soft: #99a2ae; --card: #1e2228; --best: #56B4E9 } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 1180px; padding: 2rem 1.25rem 4rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif }
h1 { margin: 0 0 1rem; font-size: 1.9rem; line-height: 1.2 }
h2 { margin: 2.5rem 0 .5rem; font-size: 1.2rem }
p { margin: 0 0 .75rem; max-width: 46rem; color: var(--soft); font-size: .9rem }
.note { margin-top: 1rem; padding-left: .75rem; border-left: 3px solid #D55E00; color: inherit }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: .75rem 1.5rem; margin: 0;
  padding: 1rem 1.25rem; border-radius: 10px; background: var(--card) }
dl:empty { display: none }
dt { color: var(--soft); font-size: .82rem }
dd { margin: 0; overflow-wrap: anywhere }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .3rem 1rem .3rem 0; text-align: right; white-space: nowrap; font-weight: normal }
th:first-child { text-align: left }
thead th { color: var(--soft); font-size: .82rem }
tbody tr { border-top: 1px solid var(--card) }
.best { color: var(--best); font-weight: 600 }
img { display: block; max-width: 100%; border-radius: 4px }
</style></head><body>
<h1>$title</h1>
<dl>$facts</dl>
$notes
$tables
$pictures
</body></html>
""")
