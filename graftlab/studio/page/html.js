// Markup without a compiler: html`<${Component} name=${value} />`, and the signs that buttons show.

import htm from "htm";
import { h } from "preact";

export const html = htm.bind(h);

// Lines on a square of 16; each may be several paths.
const SIGNS = {
  undo: "M6.5 3 3 6.5 6.5 10M3.5 6.5H9a4 4 0 0 1 0 8H7",
  redo: "M9.5 3 13 6.5 9.5 10M12.5 6.5H7a4 4 0 0 0 0 8h2",
  add: "M8 3v10M3 8h10",
  remove: "m4 4 8 8M12 4l-8 8",
  before: "M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8zM8 6a2 2 0 1 0 0 4 2 2 0 0 0 0-4",
  split: "M8 1.5v13M5.5 5.5 3 8l2.5 2.5M10.5 5.5 13 8l-2.5 2.5",
  full: "M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10",
  fit: "M2.5 2.5h11v11h-11zM5.5 5.5h5v5h-5z",
  sheet: "M2.5 2.5h11v11h-11zM2.5 6.2h11M2.5 9.8h11M6.2 2.5v11M9.8 2.5v11",
  one: "M2.5 2.5h11v11h-11z",
  exchange: "M3 5.5h9.5L10 3M13 10.5H3.5L6 13",
  brush: "M13.5 2.5 7 9M7 9c-2-.5-3.5.5-3.5 2.5 0 1-.7 1.7-1.5 2 3 .8 6-.2 6-3 0-.7-.4-1.2-1-1.5z",
  erase: "M6 13.5 2.5 10l6.5-6.5L13.5 8 8 13.5zM5.5 6.8 10.2 11.5M6 13.5h8",
  select: "m6.5 6.5 7.5 2.8-3.4 1.3L9.3 14zM3.5 3.5 2 2M6.5 3V1M3 6.5H1M9.5 3.5 11 2M3.5 9.5 2 11",
  dice: "M2.5 2.5h11v11h-11zM5.5 5.5h.01M10.5 5.5h.01M8 8h.01M5.5 10.5h.01M10.5 10.5h.01",
  save: "M8 2v8.5M4.5 7.5 8 11l3.5-3.5M2.5 13.5h11",
  copy: "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
  play: "M5 3v10l8-5z",
  pause: "M5.5 3v10M10.5 3v10",
  left: "M13 8H3.5M6.5 4.5 3 8l3.5 3.5",
  on: "M3 8h10M9.5 4.5 13 8l-3.5 3.5",
  near: "M10 10l3.5 3.5M6.5 2.5a4 4 0 1 0 0 8 4 4 0 0 0 0-8M4.7 6.5h3.6M6.5 4.7v3.6",
  help: "M5.5 6a2.5 2.5 0 1 1 3.7 2.2C8.3 8.7 8 9 8 10M8 13h.01",
};

/** A sign beside a word, or alone in a button that has a name of its own. */
export function Sign({ name }) {
  return html`<svg class="sign" viewBox="0 0 16 16" aria-hidden="true"><path d=${SIGNS[name]} /></svg>`;
}
