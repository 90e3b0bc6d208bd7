// What goes between the page and its server: calls, pictures while something moves, and word of jobs.

import { signal } from "@preact/signals";
import { useEffect, useLayoutEffect } from "preact/hooks";

export const connection = signal("opening"); // "open"; "lost" while it is tried again; "ended" if the server knows us no more
export const jobs = signal([]); // as the server tells them, newest first

/** A call of the server: an object is sent as JSON, anything else as it is. Returns what it answers, JSON read.
 *  Throws an Error whose message is a sentence for people. */
export async function call(path, body = undefined, method = body === undefined ? "GET" : "POST") {
  const json = body !== undefined && !(body instanceof FormData) && !(body instanceof Blob);
  const options = { method, body: json ? JSON.stringify(body) : body };
  if (json) options.headers = { "Content-Type": "application/json" };
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The studio does not answer: is it still running?");
  }
  const file = answer.headers.has("Content-Disposition"); // to be saved, also if it is JSON
  const told = !file && answer.headers.get("Content-Type")?.includes("json") ? await answer.json() : await answer.blob();
  if (answer.ok) return told;
  if (answer.status === 403) connection.value = "ended";
  throw new Error(told.error ?? `The studio refused this (${answer.status}).`);
}

/** Where a photo is, its short side at least `side` pixels; null: as it was brought. */
export const photoAddress = (id, side = null) => `/api/photos/${id}${side ? `?side=${side}` : ""}`;

// -- pictures -------------------------------------------------------------------------------------------------------

const AT_ONCE = 2; // pictures of patient views that the server is asked for
const views = new Map(); // name -> { frame, scene (JSON text; null while nobody looks), patient, asked, shown }
const queue = new Set(); // names of patient views that are to be asked for
const asked = new Set(); // and of those that have been, and were not answered yet
let socket = null;
let pause = 250; // ms before the next try
let number = 0;

function view(name) {
  if (!views.has(name)) {
    const frame = signal({ bitmap: null, waiting: false, notice: null, error: null });
    views.set(name, { frame, scene: null, patient: false, asked: 0, shown: 0, pending: [] });
  }
  return views.get(name);
}

/** The newest picture of a view of this scene, as a signal of { bitmap, width, height, ms, notice, error, waiting, id },
 *  with { pending } as long as it lacks something that is being found: then another comes by itself.
 *
 *  A scene goes to the server the moment it changes, and of several waiting there the newest is drawn. `patient` views,
 *  of which there are many, are asked for a few at a time, so that the others need not wait for them. */
export function useLive(name, scene, patient = false) {
  const text = scene ? JSON.stringify(scene) : null;
  useLayoutEffect(() => {
    const one = view(name);
    one.scene = text;
    one.patient = patient;
    if (text) ask(name);
  }, [name, text]);
  useEffect(() => () => {
    view(name).scene = null;
    queue.delete(name);
  }, [name]);
  return view(name).frame;
}

function ask(name) {
  const one = view(name);
  if (!one.frame.value.waiting) one.frame.value = { ...one.frame.value, waiting: true };
  if (!one.patient) return send(name, one);
  queue.add(name);
  askNext();
}

function askNext() {
  for (const name of queue) {
    if (asked.size >= AT_ONCE || socket?.readyState !== WebSocket.OPEN) return;
    queue.delete(name);
    asked.add(name);
    send(name, view(name));
  }
}

function send(name, one) {
  one.asked = ++number;
  if (socket?.readyState !== WebSocket.OPEN) return; // asked when it opens
  socket.send(`{"view":${JSON.stringify(name)},"id":${one.asked},"quality":90,"scene":${one.scene}}`);
}

/** A patient view was answered. */
function answered(name) {
  if (asked.delete(name)) askNext();
}

/** An answer with a picture: its header, and the picture. */
export function unpack(data) {
  const length = new DataView(data).getUint32(0, true);
  const told = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
  return [told, new Blob([new Uint8Array(data, 4 + length)], { type: "image/webp" })];
}

async function show(data) {
  const [told, picture] = unpack(data);
  const one = views.get(told.view);
  if (!one) return;
  answered(told.view);
  one.pending = told.pending ?? [];
  const bitmap = await createImageBitmap(picture);
  if (told.id < one.shown) return bitmap.close(); // a newer one was quicker
  one.shown = told.id;
  const earlier = one.frame.value.bitmap;
  one.frame.value = { ...told, bitmap, error: null, notice: told.notice ?? null, waiting: told.id < one.asked };
  earlier?.close();
}

function hear(told) {
  if (told.job) return heed(told.job);
  if (told.ready) return redraw(told.ready);
  const one = views.get(told.view);
  answered(told.view);
  if (one && told.id >= one.shown) one.frame.value = { ...one.frame.value, error: told.error, waiting: false };
}

/** Ask again for the pictures that were drawn without something. */
function redraw(ready) {
  for (const [name, one] of views) if (one.scene && one.pending.includes(ready)) ask(name);
}

export function connect() {
  socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/live`);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => {
    connection.value = "open";
    pause = 250;
    asked.clear();
    for (const [name, one] of views) if (one.scene) ask(name);
    call("/api/jobs").then((all) => all.reverse().forEach(heed), () => {}); // some may have ended meanwhile
  };
  socket.onmessage = ({ data }) => (typeof data === "string" ? hear(JSON.parse(data)) : show(data));
  socket.onclose = async () => {
    if (connection.value === "open") connection.value = "lost";
    await call("/api/jobs").catch(() => {}); // tells whether the server is another one by now
    if (connection.value === "ended") return;
    setTimeout(connect, pause);
    pause = Math.min(2 * pause, 4000);
  };
}

// -- jobs -----------------------------------------------------------------------------------------------------------

const waiting = new Map(); // id -> what to do with a job that has ended

/** Start a job, `{ kind, ... }`, and wait for its end. Returns the job; throws with its sentence if it failed. */
export async function run(order) {
  const begun = heed(await call("/api/jobs", order));
  const job = ended(begun) ? begun : await new Promise((resolve) => waiting.set(begun.id, resolve));
  if (job.state === "failed") throw new Error(job.error);
  return job;
}

export const cancel = (job) => call(`/api/jobs/${job.id}`, undefined, "DELETE").catch(() => {});
const ended = ({ state }) => !["waiting", "running"].includes(state);

/** Take word of a job, unless its end is known: a short one may end before the answer to its order is here. */
function heed(word) {
  const known = jobs.value.find(({ id }) => id === word.id);
  const job = known && ended(known) ? known : word;
  jobs.value = known ? jobs.value.map((one) => (one === known ? job : one)) : [job, ...jobs.value];
  if (ended(job)) {
    waiting.get(job.id)?.(job);
    waiting.delete(job.id);
  }
  return job;
}

/** Hand a file to the browser, as a download. */
export function download(address, name) {
  const link = Object.assign(document.createElement("a"), { href: address, download: name ?? "" });
  document.body.append(link);
  link.click();
  link.remove();
}
