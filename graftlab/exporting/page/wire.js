// What the studio asks its server for, this page answers by itself: photos stay in the browser, a worker draws.

import { signal } from "@preact/signals";
import { useEffect, useLayoutEffect } from "preact/hooks";

export const engine = signal(null); // what computes, for people; null until the model is open
const files = new Map(); // id of a photo -> { blob, address }
let count = 0;

// -- photos ---------------------------------------------------------------------------------------------------------

/** Where a photo is. */
export const photoAddress = (id) => files.get(id)?.address;

/** Bring a photo, from wherever in this page or this site. Returns what shelves know of it. */
async function known(blob, name, id = `photo-${++count}-${Date.now()}`, address = URL.createObjectURL(blob)) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob);
  } catch {
    throw new Error(`${name} is not a picture that this browser reads: save it as JPEG or PNG.`);
  }
  files.set(id, { blob, address });
  const { width, height } = bitmap;
  bitmap.close();
  return { id, name, width, height };
}

/** Photos that come with the page. */
export const example = async ({ name, file }) => known(await (await fetch(file)).blob(), name, name, file);

/** The one call of the studio's shelves: what they bring is kept here. */
export const call = (path, form) => Promise.all(form.getAll("files").map((file) => known(file, file.name)));

/** A photo's pixels, its short side `side`, and its central square if that is wanted. */
async function pixelsOf(id, side, square) {
  const bitmap = await createImageBitmap(files.get(id).blob, { colorSpaceConversion: "default" });
  const short = Math.min(bitmap.width, bitmap.height);
  const [wide, high] = square ? [short, short] : [bitmap.width, bitmap.height];
  const [left, top] = [(bitmap.width - wide) >> 1, (bitmap.height - high) >> 1];
  const [width, height] = [wide, high].map((length) => Math.max(side, Math.round((length * side) / short)));
  const resized = await createImageBitmap(bitmap, left, top, wide, high, { resizeWidth: width, resizeHeight: height, resizeQuality: "high" });
  bitmap.close();
  return read(resized, width, height);
}

/** The pixels of a picture on a canvas or a bitmap. */
export function read(picture, width = picture.width, height = picture.height) {
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.drawImage(picture, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  return { width, height, data };
}

// -- the worker -----------------------------------------------------------------------------------------------------

let worker = null;
const answers = new Map();
const sent = new Set(); // keys of pictures that the worker has codes of

function ask(what, given) {
  const id = ++count;
  worker.postMessage({ id, what, ...given });
  return new Promise((resolve, reject) => answers.set(id, { resolve, reject }));
}

/** Open the model. A graphics processor that is only imitated is slower than the processor; `?backend=` decides, too. */
export async function open(told) {
  worker = new Worker("./engine.js", { type: "module" });
  worker.onmessage = ({ data: { id, answer, error } }) => {
    const { resolve, reject } = answers.get(id);
    answers.delete(id);
    error ? reject(new Error(error)) : resolve(answer);
  };
  const wish = new URLSearchParams(location.search).get("backend");
  const able = "Suspending" in WebAssembly && navigator.gpu;
  const adapter = able && wish !== "wasm" ? await navigator.gpu.requestAdapter().catch(() => null) : null;
  const gpu = Boolean(adapter && (wish === "webgpu" || !(adapter.info ?? adapter).isFallbackAdapter));
  const threads = globalThis.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency ?? 1, 8) : 1;
  try {
    engine.value = await ask("open", { told, gpu, threads });
  } catch (error) {
    if (!gpu) throw error;
    engine.value = await ask("open", { told, gpu: false, threads });
  }
}

/** The picture of a scene { structure, texture (ids), size, square, amount_texture, amount_structure, directions }; with
 *  `pixels`, of those instead of the structure's photo. */
export async function drawn(scene, pixels = null) {
  const { structure, texture, size, square, amount_texture, amount_structure, directions } = scene;
  const given = async (id) => {
    const key = `${id} ${size} ${square}`;
    if (sent.has(key)) return { key };
    return { key, pixels: await pixelsOf(id, size, square) };
  };
  const first = pixels ? { pixels } : await given(structure);
  const second = texture && (amount_texture || amount_structure) ? await given(texture) : null;
  const { pixels: { width, height, data }, ms } = await ask("draw", {
    first, second, texture: amount_texture, structure: amount_structure, directions,
  });
  for (const one of [first, second]) if (one?.key) sent.add(one.key);
  return { bitmap: await createImageBitmap(new ImageData(data, width, height)), width, height, ms };
}

// -- live pictures --------------------------------------------------------------------------------------------------

const view = { frame: signal({ bitmap: null, waiting: true, notice: null, error: null }), scene: null, busy: false, id: 0 };

/** The newest picture of a scene, as the studio's: of several scenes that wait, the newest is drawn. `source` gives the
 *  pixels of a camera, for which it is asked again and again. */
export function useLive(name, scene, source = null) {
  const text = scene && engine.value ? JSON.stringify(scene) : null;
  useLayoutEffect(() => {
    Object.assign(view, { scene: text, source });
    if (text) next();
  }, [text, source]);
  useEffect(() => () => (view.scene = null), []);
  return view.frame;
}

async function next() {
  if (view.busy) return;
  view.busy = true;
  let [done, time] = ["", null];
  while (view.scene && (view.scene !== done || view.source)) {
    const pixels = view.source?.() ?? null;
    if (view.source && !pixels && view.scene === done) {
      await new Promise(requestAnimationFrame);
      continue;
    }
    done = view.scene;
    if (!view.source) view.frame.value = { ...view.frame.value, waiting: true };
    try {
      const picture = await drawn(JSON.parse(done), pixels);
      const earlier = view.frame.value.bitmap;
      view.frame.value = { ...picture, id: ++view.id, waiting: false, error: null, notice: null };
      earlier?.close();
    } catch (error) {
      view.frame.value = { ...view.frame.value, error: error.message, waiting: false };
    }
  }
  view.busy = false;
}

/** Hand a file to the browser, as a download. */
export function download(address, name) {
  const link = Object.assign(document.createElement("a"), { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
}
