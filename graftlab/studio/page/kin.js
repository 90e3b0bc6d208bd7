// Models of all kinds, what blends with what, and which was made from which: asked once, when a room needs it.

import { signal } from "@preact/signals";
import { call } from "./wire.js";
import { say } from "./words.js";

export const models = signal(null); // as the server lists them; null until it has
const kin = signal({}); // name -> { origin, resolutions, takes, relatives, parents, children }
const cards = signal({}); // name -> all that is known of a model
const asked = new Set();

function once(address, keep) {
  if (asked.has(address)) return;
  asked.add(address);
  call(address).then(keep, (error) => {
    asked.delete(address);
    say(error.message, "trouble");
  });
}

/** All models, or null until they are known. */
export function allModels() {
  once("/api/models", (all) => (models.value = all));
  return models.value;
}

/** Ask for all of it again: there is a new model. What is known stays until then. */
export function renew() {
  asked.clear();
  allModels();
}

/** The kin of a model, or null until it is known. */
export function kinOf(name) {
  if (name) once(`/api/kin/${encodeURIComponent(name)}`, (told) => (kin.value = { ...kin.value, [name]: told }));
  return kin.value[name] ?? null;
}

/** The card of a model, or null until it is known. */
export function cardOf(name) {
  if (name) once(`/api/models/${encodeURIComponent(name)}`, (told) => (cards.value = { ...cards.value, [name]: told }));
  return cards.value[name] ?? null;
}

export const KINDS = {
  "swapping-autoencoder": "Swapping Autoencoder",
  stylegan2: "StyleGAN2",
  stylegan1: "StyleGAN1",
  stylegan3: "StyleGAN3",
};
export const kindOf = (kind) => KINDS[kind] ?? kind?.replaceAll("-", " ") ?? "unknown";
