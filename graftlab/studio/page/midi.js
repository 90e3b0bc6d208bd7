// MIDI: knobs and faders of a controller move those of the page. Which moves which is learnt by touching one, then the other.

import { signal } from "@preact/signals";

export const devices = signal(null); // names of what is plugged in; null: nobody has asked yet
export const learning = signal(null); // what waits for a knob: the name of a control, "" before one is touched; null: nothing

let access = null;
let moved = () => {};

/** Listen to all controllers. `told(knob, share)` hears of each movement: knob is such as "1.cc7", share from 0 to 1.
 *  Throws an Error whose message is a sentence for people. */
export async function listen(told) {
  moved = told;
  if (access) return;
  if (!navigator.requestMIDIAccess) throw new Error("This browser has no MIDI: use Chromium, Chrome, Edge or Firefox.");
  try {
    access = await navigator.requestMIDIAccess({ sysex: false });
  } catch {
    throw new Error("The browser does not let the page hear MIDI: allow it beside the address, and try again.");
  }
  access.onstatechange = plug;
  plug();
}

/** Hear no more of them; they stay open. */
export function ignore() {
  moved = () => {};
  learning.value = null;
}

/** A control of the page was touched: while learning, it is the one that waits. */
export function touch(name) {
  if (learning.value !== null) learning.value = name;
}

function plug() {
  const inputs = [...access.inputs.values()].filter(({ state }) => state !== "disconnected");
  for (const input of inputs) input.onmidimessage = hear;
  devices.value = inputs.map(({ name }) => name);
}

/** Controllers (0xB0) count by their value, notes by how hard they are struck (0x90) and 0 when let go (0x80). */
function hear({ data: [status, number, value] }) {
  const [kind, channel] = [status & 0xf0, (status & 0x0f) + 1];
  if (kind === 0xb0) moved(`${channel}.cc${number}`, value / 127);
  else if (kind === 0x90 || kind === 0x80) moved(`${channel}.note${number}`, kind === 0x90 ? value / 127 : 0);
}
