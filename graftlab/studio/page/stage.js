// What is on stage: one picture after the other, as fast as the server draws them, of a camera, of a walk through photos or
// of a video.
//
// A walk and a video are functions of the clock alone, and what changes them is written down with its time while a show is recorded: so
// the server can draw the same show again.

import { signal } from "@preact/signals";
import { seen as cameraTime, shot } from "./camera.js";
import { unpack } from "./wire.js";

export const frame = signal({ bitmap: null, waiting: false, notice: null, error: null });
export const rate = signal(0); // pictures per second
export const told = signal({ stage: null, osc: null }); // our stage's name, and the port that hears OSC
export const tape = signal(null); // the show that is being recorded
export const paused = signal(false);

const AHEAD = 2; // pictures asked for and not answered: one is drawn while the other is on its way
const IDLE = 8; // ms until it is asked again whether there is something new
const LEAST = 1000 / 60; // ms between two pictures
const LATEST = 5000; // ms after which a picture is no longer waited for
const JUST_AFTER = 1e-6; // s

let socket = null;
let scene = null; // of now, but for the time
let walk = { seconds: 4, since: 0, place: 0 }; // how it goes since when, and where it was then, in photos
let reel = { video: null, since: 0, place: 0 }; // the same of a video, in its seconds
let still = null; // what the clock shows while it is stopped
let lag = 0; // s that it has been stopped
let last = 0; // time of the last picture that was asked for
let running = 0;
let wake = () => {};

// -- the clock, and what is to be seen ------------------------------------------------------------------------------

const clock = () => still ?? performance.now() / 1000 - lag;
const lastly = () => Math.max(clock(), last + JUST_AFTER); // the time of a change: after all pictures without it

export function pause(on) {
  if (on) still = clock();
  else if (still !== null) [lag, still] = [performance.now() / 1000 - still, null];
  paused.value = on;
}

/** Put a scene on stage: `live` without time; `walk` is { photos, seconds }, `film` { video }; neither: the camera. */
export function put(next) {
  if (next?.walk && next.walk.seconds !== walk.seconds) turn({ seconds: next.walk.seconds });
  if (next?.film && next.film.video !== reel.video) reel = { video: next.film.video, since: lastly(), place: 0 };
  scene = next && { ...next, walk: next.walk && { ...next.walk, ...walk }, film: next.film && { ...reel } };
  note();
  wake();
}

/** Go on from a photo of the walk, by its number. */
export function jump(place) {
  turn({ place });
  if (scene?.walk) put({ ...scene, walk: { ...scene.walk, ...walk } });
}

/** Begin the video again. */
export function rewind() {
  reel = { ...reel, since: lastly(), place: 0 };
  put(scene);
}

function turn(change) {
  const now = lastly();
  walk = { seconds: walk.seconds, since: now, place: walk.place + (now - walk.since) / walk.seconds, ...change };
}

// -- shows ----------------------------------------------------------------------------------------------------------

export function record() {
  const begins = lastly();
  known = scene;
  tape.value = { graftlab: "show", version: 1, begins, ends: begins, scene, events: [], photos: {} };
}

/** The show that was recorded. */
export function stop() {
  const show = { ...tape.value, ends: lastly() };
  tape.value = null;
  return show;
}

let known = null; // the scene of the last event

/** Write down what has changed since the last event. */
function note() {
  const show = tape.value;
  if (!show || !scene) return;
  const changed = Object.entries(scene).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(known[name]));
  if (changed.length) show.events.push([lastly(), Object.fromEntries(changed)]);
  known = scene;
}

// -- pictures -------------------------------------------------------------------------------------------------------

const address = (path) => `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/${path}`;

/** Draw from now on, the pictures of a camera at a short side of `side()` pixels; `heard(control, value)` is told of OSC.
 *  Returns what ends it. */
export function perform(side, heard) {
  const mine = ++running;
  const asked = new Map(); // number -> when
  const times = []; // of pictures that came
  let before = ""; // what was asked for last
  let number = 0;
  const open = () => {
    socket = new WebSocket(address("stage"));
    socket.binaryType = "arraybuffer";
    asked.clear();
    socket.onmessage = async ({ data }) => {
      if (typeof data === "string") hear(JSON.parse(data));
      else await show(data);
      wake();
    };
    socket.onclose = () => mine === running && setTimeout(() => mine === running && open(), 1000);
  };
  const answered = (id) => {
    for (const one of asked.keys()) if (one <= id) asked.delete(one);
  };
  const hear = (word) => {
    if ("stage" in word) told.value = word;
    else if ("control" in word) heard(word.control, word.value);
    else if ("ready" in word) before = "";
    else if ("error" in word) {
      answered(word.id);
      frame.value = { ...frame.value, error: word.error };
    }
  };
  const show = async (data) => {
    const [header, picture] = unpack(data);
    answered(header.id);
    await present(header, picture);
    const now = performance.now();
    times.push(now);
    while (times[0] < now - 2000) times.shift();
    if (times.length > 1) rate.value = Math.round((1000 * (times.length - 1)) / (now - times[0]));
  };
  const loop = async () => {
    let when = 0;
    while (mine === running) {
      const now = performance.now();
      for (const [id, since] of asked) if (now - since > LATEST) asked.delete(id);
      const timed = Boolean(scene?.walk || scene?.film);
      const seen = timed ? clock() : cameraTime();
      const key = `${seen} ${JSON.stringify(scene)}`;
      if (!scene || seen === null || key === before || asked.size >= AHEAD || now - when < LEAST
        || socket.readyState !== WebSocket.OPEN) {
        await new Promise((done) => {
          wake = done;
          setTimeout(done, IDLE);
        });
        continue;
      }
      [before, when] = [key, now];
      const id = ++number;
      asked.set(id, now);
      last = clock();
      const text = JSON.stringify({ view: "stage", id, quality: 90, scene: { ...scene, time: timed ? last : 0 } });
      if (timed) socket.send(text);
      else {
        const picture = await shot(side()).convertToBlob({ type: "image/jpeg", quality: 0.92 });
        const words = new TextEncoder().encode(text);
        if (socket.readyState === WebSocket.OPEN) socket.send(new Blob([new Uint32Array([words.length]), words, picture]));
      }
    }
  };
  open();
  loop();
  return () => {
    running++;
    socket.close();
    rate.value = 0;
  };
}

/** Watch a stage by its name. Returns what ends it. */
export function watch(name) {
  const mine = ++running;
  const open = () => {
    socket = new WebSocket(address(`watch/${encodeURIComponent(name)}`));
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => (typeof data === "string"
      ? (frame.value = { ...frame.value, error: JSON.parse(data).error })
      : present(...unpack(data)));
    socket.onclose = () => mine === running && setTimeout(() => mine === running && open(), 2000);
  };
  open();
  return () => {
    running++;
    socket.close();
  };
}

async function present(header, picture) {
  const bitmap = await createImageBitmap(picture);
  const earlier = frame.value.bitmap;
  frame.value = { ...header, bitmap, error: null, notice: header.notice ?? null, waiting: false };
  earlier?.close();
}
