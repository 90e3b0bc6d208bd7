// Regions of a picture: kept as what a hand did, drawn here, and brought to the server as a grey picture when it changes.
//
// A region's `marks` are, in their order: { kind: "stroke", radius, erase, points: [x, y, x, y, ...] }, lengths as shares of
// the picture's width and places as shares of both sides; { kind: "select", picture, place: [x, y], threshold }: all places
// alike; { kind: "mask", mask }: one that the server has, of a picture that was opened.

import { signal } from "@preact/signals";
import { call } from "./wire.js";
import { say } from "./words.js";

const LONG = 512; // pixels of a mask's long side

/** A region drawn on a canvas, white on black, for a picture of this shape. */
function drawn(marks, { width, height }) {
  const scale = LONG / Math.max(width, height);
  const canvas = new OffscreenCanvas(Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale)));
  const context = canvas.getContext("2d");
  context.fillRect(0, 0, canvas.width, canvas.height);
  for (const mark of marks) {
    if (mark.kind === "stroke") stroke(context, mark, canvas);
    else if (images.has(key(mark))) {
      context.globalCompositeOperation = "lighten";
      context.drawImage(images.get(key(mark)), 0, 0, canvas.width, canvas.height);
      context.globalCompositeOperation = "source-over";
    }
  }
  return canvas;
}

function stroke(context, { points, radius, erase }, { width, height }) {
  context.strokeStyle = context.fillStyle = erase ? "#000" : "#fff";
  context.lineWidth = 2 * radius * width;
  context.lineCap = context.lineJoin = "round";
  context.beginPath();
  context.moveTo(points[0] * width, points[1] * height);
  for (let i = 2; i < points.length; i += 2) context.lineTo(points[i] * width, points[i + 1] * height);
  if (points.length === 2) context.lineTo(points[0] * width + 0.01, points[1] * height); // a single dab
  context.stroke();
}

// -- on the server --------------------------------------------------------------------------------------------------

const ids = signal({}); // JSON of marks and shape -> the mask's id there
const images = new Map(); // JSON of a mark -> picture of the mask that the server has of it
const newest = new Map(); // name of a region -> the id that it had last
const going = new Set(); // what is on its way

const key = (mark) => JSON.stringify(mark);
const arrived = (marks) => marks.every((mark) => mark.kind === "stroke" || images.has(key(mark)));

/** The mask of a region on the server: until that has the newest one, the one before; null as long as there is none.
 *  `name` tells regions apart; `model` is the one that knows which places are alike. */
export function maskOf(name, marks, shape, model) {
  if (!marks.length || !shape) return null;
  const text = JSON.stringify([marks, shape.width, shape.height]);
  const known = ids.value[text];
  if (known) newest.set(name, known);
  else if (!going.has(text)) send(text, marks, shape, model);
  return known ?? newest.get(name) ?? null;
}

async function send(text, marks, shape, model) {
  going.add(text);
  try {
    for (const mark of marks) if (!arrived([mark])) await load(mark, model);
    const blob = await drawn(marks, shape).convertToBlob({ type: "image/png" });
    const form = new FormData();
    form.append("file", blob, "mask.png");
    const { id } = await call("/api/masks", form);
    ids.value = { ...ids.value, [text]: id };
  } catch (error) {
    say(error.message, "trouble");
  }
  going.delete(text);
}

async function load(mark, model) {
  const { kind, picture, place, threshold } = mark;
  const wanted = { model, picture, places: [place], threshold };
  const mask = kind === "select" ? (await call("/api/select", wanted)).id : mark.mask;
  const image = new Image();
  image.src = `/api/masks/${mask}`;
  await image.decode();
  images.set(key(mark), image);
}

// -- shown ----------------------------------------------------------------------------------------------------------

const tinted = { text: null, canvas: null };

/** Draw a region over a picture: what is outside is darkened, and its edge is drawn. */
export function veil(context, area, marks, shape) {
  const text = JSON.stringify([marks, shape.width, shape.height, arrived(marks)]);
  if (tinted.text !== text) {
    const mask = drawn(marks, shape);
    const [pixels, { data }] = [mask.getContext("2d"), mask.getContext("2d").getImageData(0, 0, mask.width, mask.height)];
    const veiled = new ImageData(mask.width, mask.height);
    for (let i = 0; i < data.length; i += 4) veiled.data[i + 3] = 130 * (1 - data[i] / 255); // black, where the mask is
    pixels.putImageData(veiled, 0, 0);
    Object.assign(tinted, { text, canvas: mask });
  }
  context.drawImage(tinted.canvas, area.x, area.y, area.width, area.height);
}
