"""A training run on one page: its facts, its sample sheets through time and its curves, in a single HTML file."""

import json
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template

from graftlab.config import TrainConfig
from graftlab.errors import GraftError
from graftlab.files import atomic_write
from graftlab.training.charts import TELLING, Points, chart
from graftlab.training.settings import read_settings
from graftlab.training.trainers import trainer_of

Records = Sequence[Mapping[str, float]]  # lines of stats.jsonl, by "seen"

MOST_SHEETS, MOST_SHEET_BYTES = 12, 9_500_000  # as base64 the latter is 13 MB


def write_report(run: Path) -> Path:
    """Write `run/report.html` from `config.json`, `stats.jsonl` and `samples/*.jpg` of a training run.

    The page needs no other file and no network, and without JavaScript it still shows everything. A run in progress, or
    one without figures or sheets yet, is fine. Returns the path. GraftError without a usable config.json."""
    config, records = read_config(run), read_stats(run / "stats.jsonl")
    page = _PAGE.substitute(
        title=escape(run.resolve().name),
        facts="".join(
            f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts(config, records)
        ),
        sheets=_sheets(run / "samples"),
        charts="".join(charts(config, records)) or "<p>No figures yet.</p>",
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
        except (ValueError, AttributeError, KeyError):
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
    size = config.network.size
    return [
        ("Data", Path(config.data).name or config.data),
        ("Picture size", f"{size} × {size} pixels"),
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


def _sheets(folder: Path) -> str:
    """The sample sheets, oldest first, and the photos: pictures inside the page."""
    sheets = sorted(
        (path for path in folder.glob("*.jpg") if path.is_file() and path.stem.isdecimal()),
        key=lambda path: int(path.stem),
    )
    count = MOST_SHEETS
    while count > 1 and sum(path.stat().st_size for path in evenly(sheets, count)) > MOST_SHEET_BYTES:
        count -= 1
    pictures = "".join(_picture(path, f"{int(path.stem):,} images seen") for path in evenly(sheets, count))
    reals = folder / "reals.jpg"
    photos = f'<div class="reals">{_picture(reals, "Photos of the data")}</div>' if reals.is_file() else ""
    if not pictures:
        return photos or "<p>No sample sheets yet.</p>"
    slider = '<input type="range" aria-label="Sample sheet" hidden>' if min(count, len(sheets)) > 1 else ""
    return f'{slider}<div class="sheets">{pictures}</div>{photos}'


def evenly(items: Sequence[Path], count: int) -> list[Path]:
    """At most `count` items, evenly spread, first and last among them; the last alone for a count of 1."""
    if count == 1 or len(items) <= count:
        return list(items[-count:])
    return [items[round(i * (len(items) - 1) / (count - 1))] for i in range(count)]


def _picture(path: Path, caption: str) -> str:
    data = b64encode(path.read_bytes()).decode()
    return (
        f'<figure><img src="data:image/jpeg;base64,{data}" alt="{escape(caption)}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


# -- curves ------------------------------------------------------------------------------------------------------------


def charts(config: TrainConfig, records: Records) -> Iterable[str]:
    """The training figure; a chart without points is left out."""

    def points(key: str, weight: float = 1.0) -> Points:
        return [(record["seen"], record[key] / weight) for record in records if key in record and weight]

    for title, series, note in trainer_of(config).figures(points, config):
        if any(series.values()):
            share = note == TELLING
            yield chart(title, series, note, (0.0, 1.0) if share else None, 0.5 if share else None)


_PAGE = Template("""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<title>$title</title>
<style>
:root { --paper: #fff; --ink: #1d2127; --soft: #646b76; --card: #f5f6f8 }
@media (prefers-color-scheme: dark) { :root { --paper: #14171b; --ink: #e4e7eb; --soft: #99a2ae; --card: #1e2228 } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 1180px; padding: 2rem 1.25rem 4rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif }
h1 { margin: 0 0 1rem; font-size: 1.9rem; line-height: 1.2; overflow-wrap: anywhere }
h2 { margin: 2.5rem 0 .75rem; font-size: 1.2rem }
figure, p { margin: 0 }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(12.5rem, 1fr)); gap: .75rem 1.5rem; margin: 0;
  padding: 1rem 1.25rem; border-radius: 10px; background: var(--card) }
dt, figcaption, .chart p { color: var(--soft); font-size: .82rem }
dd { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums }
img { display: block; max-width: 100%; border-radius: 4px }
input { width: 100%; margin: 0 0 .5rem; accent-color: #0072B2 }
.sheets { display: flex; flex-wrap: wrap; gap: .75rem }
.sheets figure { width: 9rem }
.sheets figure:last-child, .flip figure.shown { order: -1; width: 100% }
.flip figure:not(.shown) { display: none }
.reals { margin-top: 1.5rem }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 2rem }
.chart { display: flex; flex-direction: column }
.chart figcaption { display: flex; flex-wrap: wrap; gap: 0 1rem; margin-bottom: .3rem }
.chart b { width: 100%; color: var(--ink); font-size: .95rem }
.chart i { display: inline-block; width: .9rem; height: 3px; margin-right: .4rem; vertical-align: middle }
.chart output { color: var(--ink); font-variant-numeric: tabular-nums }
.chart .at { margin-left: auto; color: inherit }
svg { width: 100%; height: auto; margin-top: auto }
svg text { fill: var(--soft); stroke: none }
.cursor { opacity: .4 }
</style></head><body>
<h1>$title</h1>
<dl>$facts</dl>
<h2>Samples</h2>
$sheets
<h2>Curves</h2>
<div class="charts">$charts</div>
<script>
const slider = document.querySelector("input"), sheets = [...document.querySelectorAll(".sheets figure")];
if (slider) {
  const flip = () => sheets.forEach((sheet, i) => sheet.classList.toggle("shown", i === +slider.value));
  slider.max = slider.value = sheets.length - 1;
  slider.hidden = false;
  slider.oninput = flip;
  sheets[0].parentNode.classList.add("flip");
  flip();
}
for (const figure of document.querySelectorAll(".chart")) {  // pointing at a chart shows the values there
  const svg = figure.querySelector("svg");
  const [left, right, top, bottom, end, low, high] = svg.dataset.frame.split(" ").map(Number);
  const cursor = svg.querySelector(".cursor"), outputs = [...figure.querySelectorAll("output")];
  const latest = outputs.map(output => output.textContent);
  const lines = [...svg.querySelectorAll(".line")].map(line => [...line.points]);
  svg.onpointermove = event => {
    const x = new DOMPoint(event.clientX, 0).matrixTransform(svg.getScreenCTM().inverse()).x;
    if (x < left || x > right) return svg.onpointerleave();
    cursor.setAttribute("d", "M" + x + " " + top + "V" + bottom);
    lines.forEach((line, i) => {
      const near = line.reduce((a, b) => Math.abs(b.x - x) < Math.abs(a.x - x) ? b : a);
      outputs[i].textContent = +(low + (bottom - near.y) / (bottom - top) * (high - low)).toPrecision(3);
    });
    outputs.at(-1).textContent = Math.round((x - left) / (right - left) * end).toLocaleString("en") + " images";
  };
  svg.onpointerleave = () => {
    cursor.setAttribute("d", "");
    outputs.forEach((output, i) => output.textContent = latest[i]);
  };
}
</script>
</body></html>
""")
