// A small chart of a training: values over images seen, a line for each series.

import { html } from "./html.js";

const short = (number) => (number >= 1e6 ? `${+(number / 1e6).toFixed(1)}M` : number >= 1e3 ? `${+(number / 1e3).toFixed(1)}k` : `${+number.toPrecision(3)}`);

/** `series`: name -> [[images seen, value], ...]; those without points are left out. */
export function Chart({ title, series, note }) {
  const lines = Object.entries(series).filter(([, points]) => points.length);
  const all = lines.flatMap(([, points]) => points);
  if (!all.length) return null;
  const [right, low, high] = [Math.max(...all.map(([x]) => x), 1), Math.min(...all.map(([, y]) => y)), Math.max(...all.map(([, y]) => y))];
  const at = ([x, y]) => `${((100 * x) / right).toFixed(2)} ${(100 - (100 * (y - low)) / (high - low || 1)).toFixed(2)}`;
  return html`<figure class="chart">
    <h3 title=${note}>${title}</h3>
    <div class="area">
      <span class="high">${short(high)}</span>${low < high && html`<span class="low">${short(low)}</span>`}
      <svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img"
        aria-label=${`${title}: ${lines.map(([name, points]) => `${name} ${short(points.at(-1)[1])}`).join(", ")}, after ${short(right)} images`}>
        <path class="rule" d="M0 0H100M0 50H100M0 100H100" />
        ${lines.map(([name, points], i) => html`<path key=${name} class=${`series-${i % 4}`} d=${`M${points.map(at).join("L")}h0`} />`)}
      </svg>
    </div>
    <p class="axis"><span>0</span><span>${short(right)} images</span></p>
    <ul>${lines.map(([name, points], i) => html`<li key=${name} class=${`series-${i % 4}`}>${name} <b>${short(points.at(-1)[1])}</b></li>`)}</ul>
  </figure>`;
}
