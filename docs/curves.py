#!/usr/bin/env python3
"""Losses, accuracies and L1 of a training, cut out of its report as one picture.

python docs/curves.py runs/mine/report.html curves.svg
"""

import re
import sys
from html import escape
from pathlib import Path
from xml.etree import ElementTree

SVG = "http://www.w3.org/2000/svg"
TITLES = ("Losses of the generator", "Accuracy of the image discriminator", "L1 of reconstructions")
WIDTH, HEAD, HEIGHT = 560, 50, 310  # of a chart, of the title and the legend above it, of both together


def curves(report: Path, out: Path) -> None:
    """Write the charts of these titles below each other."""
    page = report.read_text(encoding="utf-8")
    figures = [ElementTree.fromstring(text) for text in re.findall(r'<figure class="chart">.*?</figure>', page, re.S)]
    charts = {figure.findtext("figcaption/b"): figure for figure in figures}
    panels = [panel(charts[title], title, HEIGHT * i) for i, title in enumerate(TITLES)]
    out.write_text(
        f'<svg xmlns="{SVG}" viewBox="0 0 {WIDTH} {HEIGHT * len(TITLES)}" width="{WIDTH}" color="#222" '
        'font-family="sans-serif"><style>text { fill: #222; stroke: none }</style>'
        f'<rect width="100%" height="100%" fill="white"/>{"".join(panels)}</svg>\n',
        encoding="utf-8",
    )


def panel(figure: ElementTree.Element, title: str, top: int) -> str:
    """A chart with its title and legend inside the SVG; in the report they stand on the page around it."""
    head = f'<text x="46" y="22" font-size="14" font-weight="bold">{escape(title)}</text>'
    left = 46.0
    for span in figure.iterfind("figcaption/span"):
        name = "".join(span.itertext())
        (colour,) = re.findall(r"#\w+", ElementTree.tostring(span, "unicode"))
        head += f'<rect x="{left:g}" y="36" width="14" height="3" fill="{colour}"/>'
        head += f'<text x="{left + 19:g}" y="42" font-size="11">{escape(name)}</text>'
        left += 31 + 5.7 * len(name)
    (drawing,) = figure.iterfind(f"{{{SVG}}}svg")
    drawing.attrib.update(width=str(WIDTH), height=str(HEIGHT - HEAD - 10), y=str(HEAD))
    ElementTree.register_namespace("", SVG)
    return f'<svg y="{top}">{head}{ElementTree.tostring(drawing, "unicode")}</svg>'


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    curves(Path(sys.argv[1]), Path(sys.argv[2]))
