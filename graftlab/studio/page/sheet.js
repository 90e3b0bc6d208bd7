// All of a row of photos with all of another: a table of live pictures, drawn a few at a time.

import { useLayoutEffect, useRef } from "preact/hooks";
import { html } from "./html.js";
import { useLive } from "./wire.js";

/** `scene(row, column)` is drawn in each cell; a click on one is `choose(row, column)`; `name` says what it is. */
export function Sheet({ rows, columns, scene, name, chosen, choose }) {
  const key = (event) => {
    const way = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns.length, ArrowUp: -columns.length }[event.key];
    const cells = [...event.currentTarget.querySelectorAll("button")];
    const next = way && cells[cells.indexOf(document.activeElement) + way];
    if (!next) return;
    next.focus();
    event.preventDefault();
  };
  return html`<div class="grid" role="group" aria-label="Every structure with every texture" onKeyDown=${key}>
    ${rows.flatMap((row) => columns.map((column) => html`<${Cell} key=${`${row} ${column}`} view=${`cell ${row} ${column}`}
      scene=${scene(row, column)} name=${name(row, column)} chosen=${row === chosen[0] && column === chosen[1]}
      choose=${() => choose(row, column)} />`))}
  </div>`;
}

/** A small live picture that is chosen by a click. */
export function Cell({ view, scene, name, chosen, choose }) {
  const canvas = useRef(null);
  const { bitmap, error } = useLive(view, scene, true).value;
  useLayoutEffect(() => {
    if (!bitmap) return;
    const side = Math.min(bitmap.width, bitmap.height); // as the photos at its margins are cropped
    Object.assign(canvas.current, { width: side, height: side });
    const [left, top] = [(bitmap.width - side) / 2, (bitmap.height - side) / 2];
    canvas.current.getContext("2d").drawImage(bitmap, left, top, side, side, 0, 0, side, side);
  }, [bitmap]);
  return html`<button type="button" class=${`cell ${bitmap ? "" : "empty"}`} aria-label=${name} title=${error ?? name}
    aria-current=${chosen ? "true" : undefined} onClick=${choose}><canvas ref=${canvas} width="1" height="1" /></button>`;
}
