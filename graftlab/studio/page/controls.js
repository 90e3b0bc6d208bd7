// What rooms are made of besides pictures and photos. Everything that has a number lets it be typed.

import { useId, useRef, useState } from "preact/hooks";
import { Sign, html } from "./html.js";
import { settle } from "./store.js";

/** A number on a line from `min` to `max`, which may be typed beyond that, from `lowest` to `highest`.
 *
 *  Arrows nudge it by `step` (with Shift by ten), a double click resets it to `usual`; what is filled grows from `zero`.
 *  `part` ("structure", "texture") gives it that part's colour. */
export function Slider({ name, value, set, min = 0, max = 1, step = 0.01, usual = 0, zero = usual, part, lowest = min,
                         highest = max, digits = 2, hint }) {
  const id = useId();
  const at = (number) => (Math.min(Math.max(number, min), max) - min) / (max - min);
  const [low, high] = [at(zero), at(value)].sort((a, b) => a - b);
  const nudge = (event) => {
    const way = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1 }[event.key];
    if (!way || !event.shiftKey) return;
    event.preventDefault();
    set(within(value + 10 * step * way, lowest, highest, step));
  };
  return html`<div class=${`slider ${part ?? ""} ${value === usual ? "" : "set"} ${value === zero ? "none" : ""}`}>
    <label for=${id} title=${hint}>${name}</label>
    <input id=${id} type="range" min=${min} max=${max} step=${step} value=${value}
      style=${{ "--low": low, "--high": high, "--usual": at(usual) }}
      onInput=${(event) => set(Number(event.currentTarget.value))}
      onChange=${settle} onKeyDown=${nudge} onDblClick=${() => set(usual)} />
    <${Typed} name=${`${name}, number`} value=${value} lowest=${lowest} highest=${highest} step=${step} digits=${digits}
      set=${set} />
  </div>`;
}

/** A number that is typed: Enter takes it, Escape forgets it, arrows nudge it. */
export function Typed({ name, value, set, lowest = -Infinity, highest = Infinity, step = 1, digits = 0 }) {
  const [text, type] = useState(null); // null: nobody is typing
  const take = () => {
    const number = Number((text ?? "").replace(",", ".").replace("−", "-"));
    if (text?.trim() && Number.isFinite(number)) set(within(number, lowest, highest));
    type(null);
    settle();
  };
  const key = (event) => {
    const way = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (text !== null && (event.ctrlKey || event.metaKey)) event.stopPropagation(); // undoing what is being typed
    if (event.key === "Enter") take();
    else if (event.key === "Escape") type(null);
    else if (way) {
      type(null);
      set(within(value + way * step * (event.shiftKey ? 10 : 1), lowest, highest, step));
    } else return;
    event.preventDefault();
  };
  const shown = text ?? value.toFixed(digits).replace("-", "−");
  return html`<input class="typed" type="text" inputmode="decimal" aria-label=${name} value=${shown} autocomplete="off"
    onFocus=${(event) => event.currentTarget.select()} onInput=${(event) => type(event.currentTarget.value)}
    onBlur=${take} onKeyDown=${key} />`;
}

/** A number kept in its limits, and on the steps if there are any. */
const within = (number, lowest, highest, step = null) => {
  const kept = Math.min(Math.max(number, lowest), highest);
  return step ? Number((Math.round(kept / step) * step).toFixed(6)) : kept;
};

/** One of several, side by side: options of [value, words, sign or none]. */
export function Choice({ name, value, set, options }) {
  const group = useId();
  return html`<fieldset class="choice">
    <legend>${name}</legend>
    ${options.map(([one, words, sign]) => html`<label key=${one} class=${one === value ? "chosen" : ""}>
      <input type="radio" name=${group} checked=${one === value} onChange=${() => set(one)} />
      ${sign && html`<${Sign} name=${sign} />`}<span>${words}</span>
    </label>`)}
  </fieldset>`;
}

/** One of many, by name: options of [value, words]. */
export function Menu({ name, value, set, options }) {
  const id = useId();
  return html`<div class="menu">
    <label for=${id}>${name}</label>
    <select id=${id} value=${value} onChange=${(event) => set(event.currentTarget.value)}>
      ${options.map(([one, words]) => html`<option key=${one} value=${one} selected=${one === value}>${words}</option>`)}
    </select>
  </div>`;
}

/** A button with words, a sign, or both; one without words takes its name from `name`. */
export function Button({ name, sign, children, pressed, keys, class: kind = "", ...rest }) {
  const title = [name, keys && `(${keys})`].filter(Boolean).join(" ");
  return html`<button type="button" class=${`button ${children ? "" : "bare"} ${kind}`} title=${title || undefined}
    aria-label=${children ? undefined : name} aria-pressed=${pressed} ...${rest}>
    ${sign && html`<${Sign} name=${sign} />`}${children && html`<span>${children}</span>`}
  </button>`;
}

/** A part of the panel that can be folded away; `tools` stand to the right of its title. */
export function Group({ title, open = true, tools, children }) {
  const [shown, show] = useState(open);
  const id = useId();
  return html`<section class="group" aria-labelledby=${id}>
    <header>
      <h2 id=${id}><button type="button" aria-expanded=${shown} onClick=${() => show(!shown)}>${title}</button></h2>
      ${shown && tools}
    </header>
    ${shown && html`<div class="inside">${children}</div>`}
  </section>`;
}

/** A window over the page, closed by Escape, its button or a click beside it. */
export function Dialog({ title, close, children }) {
  const shown = useRef(false);
  const open = (element) => {
    if (element && !shown.current) element.showModal();
    shown.current = Boolean(element);
  };
  const id = useId();
  return html`<dialog ref=${open} aria-labelledby=${id} onClose=${close}
    onClick=${(event) => event.target === event.currentTarget && event.currentTarget.close()}>
    <header>
      <h2 id=${id}>${title}</h2>
      <${Button} name="Close" sign="remove" onClick=${(event) => event.currentTarget.closest("dialog").close()} />
    </header>
    <div class="inside">${children}</div>
  </dialog>`;
}
