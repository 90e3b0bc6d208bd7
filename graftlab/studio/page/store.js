// The document: all that a person has chosen, as plain JSON, and its history.
//
//     apply("amount of texture", { swap: { amount_texture: 0.5 } }, "swap.amount_texture");
//     undo();
//
// A document holds ids, numbers and strokes, never pixels, and shares with its predecessor whatever did not change: so
// every step is kept, however many there are. What is only looked at (zoom, the tool in hand) is no part of it.

import { computed, effect, signal } from "@preact/signals";

const PLACE = "graftlab"; // in the browser's storage, which is that of the address
const IDLE = 1200; // ms after which the next change of the same thing is a step of its own

// undo and redo: chains of { name, doc, next }
const history = signal({ now: null, undo: null, redo: null });
export const doc = computed(() => history.value.now);
export const undoable = computed(() => history.value.undo?.name);
export const redoable = computed(() => history.value.redo?.name);

let gesture = null; // what is being changed now, and when it was last
let moment = 0;

/** Take one step that can be undone. `change` is a patch, or a function from the document to one: objects are merged,
 *  everything else takes the place of what was. Steps with the same `key` that follow closely are one. */
export function apply(name, change, key = null) {
  const { now, undo } = history.value;
  const next = merged(now, typeof change === "function" ? change(now) : change);
  if (next === now) return;
  const going = key !== null && key === gesture && performance.now() - moment < IDLE && undo;
  history.value = { now: next, undo: going ? undo : { name, doc: now, next: undo }, redo: null };
  gesture = key;
  moment = performance.now();
}

/** The next change is a step of its own, even of the same thing: a slider was let go. */
export function settle() {
  gesture = null;
}

export function undo() {
  const { now, undo, redo } = history.value;
  if (!undo) return null;
  settle();
  history.value = { now: undo.doc, undo: undo.next, redo: { name: undo.name, doc: now, next: redo } };
  return undo.name;
}

export function redo() {
  const { now, undo, redo } = history.value;
  if (!redo) return null;
  settle();
  history.value = { now: redo.doc, undo: { name: redo.name, doc: now, next: undo }, redo: redo.next };
  return redo.name;
}

/** `value` with what a patch names; itself if that changes nothing. A function in a patch makes the new value of the old. */
export function merged(value, patch) {
  if (typeof patch === "function") return patch(value);
  if (!isObject(value) || !isObject(patch)) return Object.is(value, patch) ? value : patch;
  let result = value;
  for (const [key, part] of Object.entries(patch)) {
    const next = key in value ? merged(value[key], part) : part;
    if (key in value && next === value[key]) continue;
    if (result === value) result = { ...value };
    if (next === undefined) delete result[key];
    else result[key] = next;
  }
  return result;
}

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

// -- across a reload ------------------------------------------------------------------------------------------------

/** Begin with the document that this browser kept of this address, if it is `usable`, or else with `first`; keep later ones. */
export function begin(first, usable) {
  let kept = null;
  try {
    kept = usable(JSON.parse(localStorage.getItem(PLACE)));
  } catch {} // of another version
  history.value = { now: kept ?? first, undo: null, redo: null };
  let waiting = null;
  effect(() => {
    const now = doc.value;
    clearTimeout(waiting);
    waiting = setTimeout(() => localStorage.setItem(PLACE, JSON.stringify(now)), 200);
  });
}
