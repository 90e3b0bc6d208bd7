// What the page says: lines that pass, and that a screen reader reads out.

import { signal } from "@preact/signals";
import { Button } from "./controls.js";
import { html } from "./html.js";

const lines = signal([]); // { id, words, kind, action }
let number = 0;

/** Say a sentence. `kind` is "trouble" for what went wrong; `code` is shown as it is typed; `action` is [words, function]. */
export function say(words, kind = "word", { code, action } = {}) {
  const id = ++number;
  lines.value = [...lines.value.filter((line) => line.words !== words), { id, words, kind, code, action }].slice(-3);
  setTimeout(() => leave(id), kind === "trouble" || action || code ? 12000 : 3500);
}

const leave = (id) => (lines.value = lines.value.filter((line) => line.id !== id));

export function Words() {
  return html`<div class="lines" role="status" aria-live="polite">
    ${lines.value.map(({ id, words, kind, code, action }) => html`<div key=${id} class=${`line ${kind}`}>
      <p>${words}</p>
      ${code && html`<pre tabindex="0">${code}</pre>`}
      ${action && html`<${Button} onClick=${() => (leave(id), action[1]())}>${action[0]}<//>`}
      <${Button} name="Dismiss" sign="remove" onClick=${() => leave(id)} />
    </div>`)}
  </div>`;
}
