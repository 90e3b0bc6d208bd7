// Faders: sliders that knobs of a controller move too, and how it is learnt which moves which.

import { useEffect } from "preact/hooks";
import { Button, Group, Slider } from "./controls.js";
import { html } from "./html.js";
import * as midi from "./midi.js";
import { say } from "./words.js";

/** Sliders that knobs move too; each of `rows` is { name, title, value, min, max, set } and more of a Slider's. */
export function Faders({ title, rows, links }) {
  const learning = midi.learning.value;
  const knob = (name) => Object.keys(links).find((one) => links[one] === name);
  if (!rows.length) return null;
  return html`<${Group} title=${title}>
    ${rows.map(({ name, title, direction, ...control }) => html`<div key=${name} onFocusIn=${() => midi.touch(name)}
        onPointerDown=${() => midi.touch(name)} class=${`fader ${learning === name ? "learning" : ""}`}>
      <${Slider} name=${title} ...${control} />
      ${learning !== null && (learning === name || knob(name)) && html`<span class="knob">
        ${learning === name ? "move a knob" : knob(name)}</span>`}
    </div>`)}
  <//>`;
}

/** Knobs of controllers, learnt and forgotten. `latest.current` is { controls, part, change } of now. */
export function Controllers({ part, change, latest, children }) {
  const learning = midi.learning.value;
  const moved = (knob, share) => {
    const { controls, part, change } = latest.current;
    if (midi.learning.value) {
      change("learning a knob", { links: { [knob]: midi.learning.value } });
      midi.learning.value = "";
      return;
    }
    const one = controls.find(({ name }) => name === part.links[knob]);
    if (one) one.set(one.min + share * (one.max - one.min));
  };
  const begin = () => midi.listen(moved).then(() => (midi.learning.value = ""), (error) => say(error.message, "trouble"));
  useEffect(() => {
    if (Object.keys(latest.current.part.links).length) midi.listen(moved).catch(() => {});
  }, []);
  const links = Object.keys(part.links).length;
  const devices = midi.devices.value;
  return html`<${Group} title="Controllers">
    <div class="row">
      <${Button} pressed=${learning !== null} onClick=${() => (learning === null ? begin() : (midi.learning.value = null))}>
        ${learning === null ? "Learn MIDI" : "Done"}<//>
      ${links > 0 && html`<${Button} onClick=${() => change("forgetting knobs", { links: () => ({}) })}>Forget ${links}<//>`}
    </div>
    <p class="hint" role="status">${learning !== null ? "Touch a fader here, then move a knob of the controller."
      : devices?.length ? devices.join(", ") : devices ? "No controller is plugged in." : "Knobs move faders once they are learnt."}</p>
    ${children}
  <//>`;
}
