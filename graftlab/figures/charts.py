"""Curves as SVG: one small figure with axes and a legend, a pure function of its numbers."""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from itertools import cycle, pairwise
from math import floor, log10

Points = Sequence[tuple[float, float]]  # (images seen, value), by images seen
Curve = Callable[..., Points]  # a figure's name in a run's records, and a weight to divide it by -> its points
Figure = tuple[str, dict[str, Points], str]  # of a report: title, curves by name, note
RAW = "Each counts with its weight in the recipe."
TELLING = "Share that it tells right. At 0.5, it cannot tell real from fake; at 1, it always can."

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # Okabe and Ito: safe for the colour-blind
MOST_POINTS = 600  # per line
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 560, 250, 46, 16, 10, 36  # of a chart and its margins, in units of the SVG


def chart(
    title: str,
    series: Mapping[str, Points],  # by name; an empty one is not drawn but keeps its colour
    note: str = "",  # a sentence below
    span: tuple[float, float] | None = None,  # of the vertical axis; None: from 0, or the lowest value, to the highest
    rule: float | None = None,  # height of a dashed line; None: no line
) -> str:
    """Curves over images seen, as an HTML figure of a legend with the latest values and an inline SVG.

    Long lines are smoothed, with the original faint behind, which may leave the axis; short ones get dots."""
    coloured = zip(cycle(COLOURS), series.items())
    drawn = [(name, colour, points, smooth(points)) for colour, (name, points) in coloured if points]
    values = [0.0, *(y for *_, points, line in drawn for _, y in (*line, *most_of(points)))]
    low, high = span or (min(values), max(values) * 1.05)
    high = high if high > low else low + 1
    end = max((x for *_, line in drawn for x, _ in line), default=0) or 1

    def place(x: float, y: float) -> tuple[float, float]:
        y = min(max(y, low), high)
        across, up = x / end * (WIDTH - LEFT - RIGHT), (y - low) / (high - low) * (HEIGHT - TOP - BOTTOM)
        return round(LEFT + across, 1), round(HEIGHT - BOTTOM - up, 1)

    def polyline(points: Points, style: str) -> str:
        return f'<polyline points="{" ".join("{},{}".format(*place(*point)) for point in thin(points))}" {style}/>'

    base = place(0, low)[1]
    parts = []
    for tick in ticks(low, high):
        y = place(0, tick)[1]
        parts.append(f'<path d="M{LEFT} {y}H{WIDTH - RIGHT}" stroke-opacity="{0.5 if y == base else 0.13}"/>')
        parts.append(f'<text x="{LEFT - 7}" y="{y + 4}" text-anchor="end">{short(tick)}</text>')
    for tick in ticks(0, end):
        x = place(tick, low)[0]
        parts.append(f'<path d="M{x} {base}v5" stroke-opacity="0.5"/>')
        parts.append(f'<text x="{x}" y="{base + 18}" text-anchor="middle">{short(tick)}</text>')
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 3}" text-anchor="end">images seen</text>')
    if rule is not None:
        y = place(0, rule)[1]
        parts.append(f'<path d="M{LEFT} {y}H{WIDTH - RIGHT}" stroke-opacity="0.6" stroke-dasharray="4 4"/>')
    for _, colour, points, line in drawn:
        if line is not points:
            parts.append(polyline(points, f'stroke="{colour}" stroke-opacity="0.22"'))
    for _, colour, _, line in drawn:
        parts.append(polyline(line, f'class="line" stroke="{colour}" stroke-width="2"'))
        for x, y in line if len(line) <= 40 else ():
            parts.append('<circle cx="{}" cy="{}" r="3" fill="{}" stroke="none"/>'.format(*place(x, y), colour))
    legend = "".join(
        f'<span><i style="background:{colour}"></i>{escape(name)} <output>{line[-1][1]:.3g}</output></span>'
        for name, colour, _, line in drawn
    )
    return (
        f'<figure class="chart"><figcaption><b>{escape(title)}</b>{legend}<output class="at"></output></figcaption>'
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}" fill="none" stroke="currentColor" stroke-linejoin="round" '
        f'data-frame="{LEFT} {WIDTH - RIGHT} {TOP} {HEIGHT - BOTTOM} {end} {low} {high}">'
        f'<g font-size="12">{"".join(parts)}</g><path class="cursor" d=""/></svg><p>{escape(note)}</p></figure>\n'
    )


def smooth(points: Points) -> Points:
    """Exponential averages over a hundredth of the line, forth and then back, so that nothing is shifted.

    200 points or fewer are returned as they are."""
    if len(points) <= 200:
        return points
    values = [y for _, y in points]
    for _ in range(2):
        average = values[0]
        for i, value in enumerate(values):
            values[i] = average = average + (value - average) * 100 / len(points)
        values.reverse()
    return [(x, value) for (x, _), value in zip(points, values, strict=True)]


def most_of(points: Points) -> Points:
    """All but the hundredth that is lowest and the hundredth that is highest."""
    edge = len(points) // 100
    return sorted(points, key=lambda point: point[1])[edge : len(points) - edge]


def thin(points: Points, most: int = MOST_POINTS) -> Points:
    """At most so many points: first, last, and the lowest and highest of each stretch between, so that peaks stay."""
    if len(points) <= most:
        return points
    inner, stretches = points[1:-1], most // 2 - 1
    cuts = [i * len(inner) // stretches for i in range(stretches + 1)]
    kept = [points[0]]
    for a, b in pairwise(cuts):
        by_height = sorted(inner[a:b], key=lambda point: point[1])
        kept += sorted((by_height[0], by_height[-1]))
    return [*kept, points[-1]]


def ticks(low: float, high: float, about: int = 6) -> list[float]:
    """Round numbers from low to high, in steps of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / about
    power = 10.0 ** floor(log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first, last = floor(low / step), floor(high / step * 1.000001)
    return [float(f"{i * step:.9g}") for i in range(first, last + 1) if i * step >= low - step * 1e-6]


def short(number: float) -> str:
    """A number as a tick's label: 0.05, 250, 1.5k, 200k, 2M."""
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if abs(number) >= unit:
            return f"{number / unit:g}{letter}"
    return f"{number:g}"
