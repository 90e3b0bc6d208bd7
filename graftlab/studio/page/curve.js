// A curve over resolutions, whose points are dragged: how much of which network each resolution has.

import { useRef } from "preact/hooks";
import { Typed } from "./controls.js";
import { html } from "./html.js";
import { settle } from "./store.js";

const STEP = 0.01;
const NEAR = 0.025; // of 0 and 1, to which a drag snaps

const kept = (share) => Math.round(Math.min(Math.max(share, -2), 3) * 1000) / 1000;
const snapped = (share) => (share < NEAR ? 0 : share > 1 - NEAR ? 1 : Math.round(share * 100) / 100);

/** The shares of all other networks, of which one is set: those that would then be too much make room. */
export function withShare(shares, index, share) {
  const next = shares.map((one, i) => (i === index ? kept(share) : one));
  const rest = next.reduce((sum, one, i) => (i === index ? sum : sum + one), 0);
  if (share < 0 || share > 1 || rest <= 1 - share || rest <= 0) return next;
  return next.map((one, i) => (i === index ? one : kept((one * (1 - share)) / rest)));
}

/** `rows`: [{ resolution, shares }] from coarse to fine; the curve of network `hand` is the one that is dragged.
 *
 *  `set(resolution, shares)` takes what is changed. `top` and `bottom` stand at the ends of the axis: what all of the
 *  network in hand would draw, and none of it. */
export function Curve({ rows, hand, letters, set, top, bottom }) {
  const plot = useRef(null);
  const held = useRef(null); // the column that is dragged
  const x = (i) => (100 * (i + 0.5)) / rows.length;
  const y = (share) => 100 * (1 - Math.min(Math.max(share, 0), 1));
  const put = (i, share) => set(rows[i].resolution, withShare(rows[i].shares, hand, share));
  const place = ({ clientX, clientY }) => {
    const area = plot.current.getBoundingClientRect();
    const column = Math.floor((rows.length * (clientX - area.left)) / area.width);
    return { column: Math.min(Math.max(column, 0), rows.length - 1), share: snapped(1 - (clientY - area.top) / area.height) };
  };
  const down = (event) => {
    const { column, share } = place(event);
    held.current = column;
    plot.current.setPointerCapture(event.pointerId);
    plot.current.querySelectorAll(".point")[column].focus({ preventScroll: true });
    event.preventDefault();
    put(column, share);
  };
  const move = (event) => {
    if (held.current === null) return;
    const { column, share } = place(event);
    if (event.shiftKey) held.current = column; // it draws across
    put(held.current, share);
  };
  const up = () => {
    held.current = null;
    settle();
  };
  const key = (event, i) => {
    const share = rows[i].shares[hand];
    const by = STEP * (event.shiftKey ? 10 : 1);
    const next = { ArrowUp: share + by, ArrowDown: share - by, Home: 0, End: 1 }[event.key];
    const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (way) plot.current.querySelectorAll(".point")[i + way]?.focus();
    else if (next !== undefined) put(i, Math.min(Math.max(next, 0), 1));
    else return;
    event.preventDefault();
  };
  return html`<div class="curve" style=${{ "--columns": rows.length }}>
    <div class="ends">${top}${bottom}</div>
    <div class="plot" ref=${plot} onPointerDown=${down} onPointerMove=${move} onPointerUp=${up} onPointerCancel=${up}>
      <svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">
        ${[0, 25, 50, 75, 100].map((at) => html`<path class="rule" d=${`M0 ${at}H100`} />`)}
        ${rows.map((row, i) => html`<path class="rule" d=${`M${x(i)} 0V100`} />`)}
        ${letters.map((letter, index) => html`<path key=${letter} class=${`line${index === hand ? " hand" : ""}`}
          d=${`M0 ${y(rows[0].shares[index])}${rows.map(({ shares }, i) => `L${x(i)} ${y(shares[index])}`).join("")}L100 ${y(rows.at(-1).shares[index])}`} />`)}
      </svg>
      ${letters.map((letter, index) => index !== hand && html`<span class="letter" aria-hidden="true"
        style=${{ top: `${y(rows.at(-1).shares[index])}%` }}>${letter}</span>`)}
      ${rows.map(({ resolution, shares }, i) => html`<span key=${resolution} class="point" role="slider" tabindex="0"
        aria-label=${`${letters[hand]} at ${resolution} pixels`} aria-orientation="vertical" aria-valuemin="0" aria-valuemax="1"
        aria-valuenow=${shares[hand]} style=${{ left: `${x(i)}%`, top: `${y(shares[hand])}%` }}
        onKeyDown=${(event) => key(event, i)} onDblClick=${() => put(i, 0)} />`)}
    </div>
    <div class="feet">
      ${rows.map(({ resolution, shares }, i) => html`<label key=${resolution}>
        <${Typed} name=${`${letters[hand]} at ${resolution} pixels, number`} value=${shares[hand]} lowest=${-2} highest=${3}
          step=${STEP} digits=${2} set=${(share) => put(i, share)} />
        <span>${resolution} px</span>
      </label>`)}
    </div>
  </div>`;
}
