"""A training run on one page: its facts, its sample sheets through time and its curves, in a single HTML file."""

import json
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from jinja2 import Environment

from graftlab.config import TrainConfig
from graftlab.errors import GraftError
from graftlab.figures.charts import TELLING, Points, chart
from graftlab.training.settings import read_settings
from graftlab.training.trainers import trainer_of
from graftlab.work.files import atomic_write

Records = Sequence[Mapping[str, float]]  # lines of stats.jsonl, by "seen"

MOST_SHEETS, MOST_SHEET_BYTES = 12, 9_500_000  # as base64 the latter is 13 MB


def write_report(run: Path) -> Path:
    """Write `run/report.html` from `config.json`, `stats.jsonl` and `samples/*.jpg` of a training run.

    The page needs no other file and no network, and without JavaScript it still shows everything. A run in progress, or
    one without figures or sheets yet, is fine. Returns the path. GraftError without a usable config.json."""
    config, records = read_config(run), read_stats(run / "stats.jsonl")
    pages = Environment(autoescape=True, keep_trailing_newline=True)
    pages.filters["inline"] = lambda path: b64encode(path.read_bytes()).decode()
    reals = run / "samples" / "reals.jpg"
    page = pages.from_string(Path(__file__).with_name("report.html").read_text("utf-8")).render(
        title=run.resolve().name,
        facts=facts(config, records),
        sheets=choose_sheets(run / "samples"),
        reals=reals if reals.is_file() else None,
        charts=list(charts(config, records)),
    )
    # A name that is not text, which POSIX allows, becomes question marks.
    return atomic_write(run / "report.html", lambda file: file.write(page.encode("utf-8", "replace")))


# -- what the run folder holds -----------------------------------------------------------------------------------------


def read_config(run: Path) -> TrainConfig:
    """The run's configuration; fields that we do not know are left out, for they may be of another version."""
    try:
        return read_settings(run / "config.json", lenient=True)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise GraftError(
            f"{run} is not a training run, because it has no usable config.json ({error}): "
            "give the folder in which the training wrote it."
        ) from error


def read_stats(path: Path) -> list[dict[str, float]]:
    """Records of stats.jsonl by images seen, those of equal count as one; a line that was cut off is left out.

    Where the count falls, the run was resumed from an earlier state: what it had recorded beyond is dropped."""
    records: dict[float, dict[str, float]] = {}
    latest = 0.0
    for line in path.read_text("utf-8", errors="replace").split("\n") if path.is_file() else ():
        try:
            numbers = {key: value for key, value in json.loads(line).items() if isinstance(value, int | float)}
            record = {key: float(value) for key, value in numbers.items() if abs(value) < 1e30}  # no infinity, no NaN
            seen = record["seen"]
        except (ValueError, AttributeError, KeyError, RecursionError):
            continue
        if seen < latest:
            records = {count: kept for count, kept in records.items() if count <= seen}
        records.setdefault(seen, {}).update(record)
        latest = seen
    return list(records.values())


def facts(config: TrainConfig, records: Records) -> list[tuple[str, str]]:
    """Names and values for the head of the page."""
    seen = max((record["seen"] for record in records), default=0)
    skipped = [record["skipped"] for record in records if "skipped" in record]
    best = min(
        (record for record in records if "validation_error" in record),
        key=lambda r: r["validation_error"],
        default=None,
    )
    if best is None:
        held_out = "none yet"
    else:
        psnr = f", {best['validation_psnr']:.1f} dB" if "validation_psnr" in best else ""
        held_out = f"error {best['validation_error']:.4f}{psnr} at {best['seen']:,.0f} images"
    height, width = config.shape
    return [
        ("Data", Path(config.data).name or config.data),
        ("Picture size", f"{width} × {height} pixels"),
        ("Images seen", f"{seen:,.0f} of {config.images:,} ({seen / config.images:.0%})"),
        ("Batch", str(config.batch)),
        *([("Fine-tuned from", Path(config.base).name or config.base)] if config.base else []),
        ("Recipe", config.recipe.name),
        ("Precision", config.precision),
        ("Augmentation", ", ".join(config.augment) or "none"),
        ("Codes", trainer_of(config).codes(config)),
        ("Skipped steps", f"{skipped[-1]:,.0f}" if skipped else "0"),
        ("Best on held-out photos", held_out),
    ]


def choose_sheets(folder: Path) -> list[Path]:
    """The sample sheets of which the page consists, oldest first: as many as it can carry."""
    sheets = sorted(
        (path for path in folder.glob("*.jpg") if path.is_file() and path.stem.isdecimal()),
        key=lambda path: int(path.stem),
    )
    count = MOST_SHEETS
    while count > 1 and sum(path.stat().st_size for path in evenly(sheets, count)) > MOST_SHEET_BYTES:
        count -= 1
    return evenly(sheets, count)


def evenly(items: Sequence[Path], count: int) -> list[Path]:
    """At most `count` items, evenly spread, first and last among them; the last alone for a count of 1."""
    if count == 1 or len(items) <= count:
        return list(items[-count:])
    return [items[round(i * (len(items) - 1) / (count - 1))] for i in range(count)]


# -- curves ------------------------------------------------------------------------------------------------------------


def charts(config: TrainConfig, records: Records) -> Iterable[str]:
    """The training figure; a chart without points is left out."""

    def points(key: str) -> Points:
        return [(record["seen"], record[key]) for record in records if key in record]

    for title, series, note in trainer_of(config).figures(points, config):
        if any(series.values()):
            share = note == TELLING
            yield chart(title, series, note, (0.0, 1.0) if share else None, 0.5 if share else None)
