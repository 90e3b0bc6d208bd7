// A curve over the time of a film, drawn by hand: points that are dragged, and a smooth line through them.

import { useRef } from "preact/hooks";
import { html } from "./html.js";
import { settle } from "./store.js";

const APART = 0.01; // share of the time that two points are apart at the least
const NEAR = 14; // CSS pixels from a point, within which it is taken and no other is made

export const isDrawn = (text) => Boolean(text?.includes("="));
const pointsOf = (text) => text.split(",").map((point) => point.split("=").map(Number));
const textOf = (points) => points.map((point) => point.map((number) => +number.toFixed(3)).join("=")).join(",");
const between = (low, value, high) => Math.min(Math.max(value, low), high);

/** Slopes at the points, with which cubic pieces go nowhere beyond them (Fritsch and Butland 1984), as films have them. */
function tangents(points) {
  const lengths = points.slice(1).map(([at], i) => at - points[i][0]);
  const slopes = points.slice(1).map(([, value], i) => (value - points[i][1]) / lengths[i]);
  const inner = slopes.slice(1).map((then, i) => {
    const [first, second] = [lengths[i] + 2 * lengths[i + 1], 2 * lengths[i] + lengths[i + 1]];
    return slopes[i] * then <= 0 ? 0 : (first + second) / (first / slopes[i] + second / then);
  });
  return [slopes[0], ...inner, slopes.at(-1)];
}

/** `text` is a film's option, as 0=0.4,0.3=1,1=0.7, which `set` takes changed; numbers go from `low` to `high`.
 *
 *  `when` says a share of the time in words; `at` is the share that is shown now, or null. */
export function Drawn({ name, text, set, low = 0, high = 1, when, at = null }) {
  const plot = useRef(null);
  const held = useRef(null); // the point that is dragged
  const points = pointsOf(text);
  const [x, y] = [(share) => 100 * share, (value) => 100 * (1 - between(0, (value - low) / (high - low), 1))];
  const last = points.length - 1;
  const put = (i, share, value) => {
    const time = i === 0 ? 0 : i === last ? 1 : between(points[i - 1][0] + APART, share, points[i + 1][0] - APART);
    set(textOf(points.map((point, j) => (j === i ? [time, between(low, value, high)] : point))));
  };
  const focus = (i) => plot.current?.querySelectorAll(".point")[i]?.focus({ preventScroll: true });
  const add = (share, value) => {
    const i = points.findIndex(([time]) => time > share);
    if (i < 1 || share - points[i - 1][0] < APART || points[i][0] - share < APART) return null;
    set(textOf([...points.slice(0, i), [share, between(low, value, high)], ...points.slice(i)]));
    requestAnimationFrame(() => focus(i)); // once it is there
    return i;
  };
  const remove = (i) => {
    if (i === 0 || i === last) return;
    set(textOf(points.filter((_, j) => j !== i)));
    focus(i - 1);
  };
  const place = ({ clientX, clientY }) => {
    const { left, top, width, height } = plot.current.getBoundingClientRect();
    return { share: between(0, (clientX - left) / width, 1), value: high - ((high - low) * (clientY - top)) / height, width, height };
  };
  const down = (event) => {
    const { share, value, width, height } = place(event);
    const far = points.map(([time, number]) => Math.hypot((time - share) * width, ((number - value) / (high - low)) * height));
    const nearest = far.indexOf(Math.min(...far));
    held.current = far[nearest] <= NEAR ? nearest : add(share, value);
    if (held.current === nearest) focus(nearest);
    plot.current.setPointerCapture(event.pointerId);
    event.preventDefault();
  };
  const move = (event) => {
    if (held.current === null || held.current > last) return;
    const { share, value } = place(event);
    put(held.current, share, value);
  };
  const up = () => {
    held.current = null;
    settle();
  };
  const key = (event, i) => {
    const [time, value] = points[i];
    const by = event.shiftKey ? 10 : 1;
    const step = ((high - low) / 100) * by;
    const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const next = { ArrowUp: value + step, ArrowDown: value - step, Home: low, End: high }[event.key];
    if (way && event.ctrlKey) focus(i + way);
    else if (way) put(i, time + way * APART * by, value);
    else if (next !== undefined) put(i, time, next);
    else if (event.key === "Enter") add((time + points[Math.min(i + 1, last)][0]) / 2, (value + points[Math.min(i + 1, last)][1]) / 2);
    else if (event.key === "Delete" || event.key === "Backspace") remove(i);
    else return;
    event.preventDefault();
  };
  const slopes = tangents(points);
  const piece = ([time, value], i) => {
    if (i === 0) return `M${x(time)} ${y(value)}`;
    const [before, from] = points[i - 1];
    const third = (time - before) / 3;
    return `C${x(before + third)} ${y(from + third * slopes[i - 1])} ${x(time - third)} ${y(value - third * slopes[i])} ${x(time)} ${y(value)}`;
  };
  return html`<div class="drawn" role="group" aria-label=${`${name} over time`}>
    <span class="name">${name}</span><span class="most">${high}</span><span class="least">${low}</span>
    <div class="plot" ref=${plot} onPointerDown=${down} onPointerMove=${move} onPointerUp=${up} onPointerCancel=${up}>
      <svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">
        ${[0, 25, 50, 75, 100].map((at) => html`<path class="rule" d=${`M0 ${at}H100M${at} 0V100`} />`)}
        ${at !== null && html`<path class="line" d=${`M${x(at)} 0V100`} />`}
        <path class="line hand" d=${points.map(piece).join("")} />
      </svg>
      ${points.map(([time, value], i) => html`<span key=${i} class="point" role="slider" tabindex="0" aria-orientation="vertical"
        aria-label=${`${name} at ${when(time)}`} aria-valuemin=${low} aria-valuemax=${high} aria-valuenow=${value}
        style=${{ left: `${x(time)}%`, top: `${y(value)}%` }} onKeyDown=${(event) => key(event, i)} onDblClick=${() => remove(i)} />`)}
    </div>
    <p class="hint">Click for a point (Enter after one), drag it or press arrows; Delete or a double click takes it away.</p>
  </div>`;
}
