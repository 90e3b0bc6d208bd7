// Whether pictures keep the details of photos, which are found while one looks at a first picture without them.

import { Button } from "./controls.js";
import { html } from "./html.js";

export const STEPS = 20; // of refining, which bring most of the gain

export function Details({ part, change }) {
  const on = part.refine > 0;
  return html`<${Button} sign="near" pressed=${on} title="Posts, paths and trees stay as they are in the photo; found in a few seconds"
    onClick=${() => change(on ? "no details" : "keeping details", { refine: on ? 0 : STEPS })}>Keep details<//>`;
}

/** What a picture is still to become better by. */
export function Pending({ names }) {
  if (!names?.length) return null;
  const what = { words: "Reading words", parts: "Looking for parts" };
  return html`<span class="later">${what[names[0]] ?? "Finding details"}</span>`;
}
