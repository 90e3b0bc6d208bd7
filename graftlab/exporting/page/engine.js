// The model, in a worker: pictures to codes, arithmetic on codes, codes to a picture. What `editing.edits.edit` does.

import { whole } from "./whole.js";

const NETWORKS = ["encoder", "generator"];
let [ort, site, sessions] = [null, null, null];
const codes = new Map(); // key of a picture -> { structure, texture, size, pad }
const noises = new Map(); // grid -> the generator's noise

const run = (name, given) => sessions[name].run(given);

/** Open the model by WebGPU if that is wanted, else by WebAssembly. Returns what computes, for people. */
async function open({ told, gpu, threads }) {
  site = told;
  ort = await import(`./lib/onnxruntime-web/${gpu ? "ort.jspi.min.mjs" : "ort.wasm.min.mjs"}`);
  ort.env.wasm.numThreads = threads;
  ort.env.logLevel = "error";
  const coming = NETWORKS.map(async (name) => (await whole(`model/${name}.onnx`, site.integrity[name])).arrayBuffer());
  sessions = {};
  for (const [i, name] of NETWORKS.entries()) // one by one: the first starts what computes
    sessions[name] = await ort.InferenceSession.create(await coming[i], {
      executionProviders: [gpu ? "webgpu" : "wasm"], logSeverityLevel: 3,
    });
  if (gpu) { // some fail only when they compute: then the caller takes the processor
    const [width, height] = [site.size, site.size];
    const grey = { pixels: { width, height, data: new Uint8ClampedArray(4 * width * height).fill(128) } };
    await draw({ first: grey, second: null, texture: 0, structure: 0, directions: {} });
  }
  return gpu ? "graphics processor" : `processor, ${threads} ${threads === 1 ? "thread" : "threads"}`;
}

/** Pixels (RGBA) as a tensor in [-1, 1]; sides that the stride does not divide are extended by reflection. */
function tensorOf({ width, height, data }) {
  const { stride } = site;
  const [right, down] = [(stride - (width % stride)) % stride, (stride - (height % stride)) % stride];
  const pad = { left: right >> 1, top: down >> 1 };
  const [wide, high] = [width + right, height + down];
  const mirrored = (place, length) => (place < 0 ? -place : place >= length ? 2 * length - 2 - place : place);
  const values = new Float32Array(3 * wide * high);
  for (let y = 0; y < high; y++) for (let x = 0; x < wide; x++) {
    const from = 4 * (mirrored(y - pad.top, height) * width + mirrored(x - pad.left, width));
    for (let c = 0; c < 3; c++) values[(c * high + y) * wide + x] = data[from + c] / 127.5 - 1;
  }
  return [new ort.Tensor("float32", values, [1, 3, high, wide]), pad];
}

async function encode({ key, pixels }) {
  if (codes.has(key)) return codes.get(key);
  const [images, pad] = tensorOf(pixels);
  const { structure, texture } = await run("encoder", { images });
  const made = { structure, texture, pad, size: { width: pixels.width, height: pixels.height } };
  if (key) codes.set(key, made);
  return made;
}

/** The noise of a layer by position, seed 0: `networks.noise` in Python, whose formula this is. */
function field(layer, rows, columns) {
  const key = Math.imul(layer, 0x85ebca77) + 1;
  const across = Array.from({ length: columns }, (_, x) => scramble(x ^ 0x5bd1e995));
  const values = new Float32Array(rows * columns);
  for (let y = 0, i = 0; y < rows; y++) {
    const down = scramble(y ^ key);
    for (let x = 0; x < columns; x++, i++) {
      const cell = scramble(down + across[x]);
      const [a, b] = [0x27220a95, 0x165667b1].map((salt) => (scramble(cell ^ salt) + 0.5) / 2 ** 32);
      values[i] = Math.sqrt(-2 * Math.log(a)) * Math.cos(2 * Math.PI * b);
    }
  }
  return new ort.Tensor("float32", values, [1, 1, rows, columns]);
}

/** A bijection of 32-bit words in which every bit moves every other. */
function scramble(word) {
  word = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
  return (word ^ (word >>> 16)) >>> 0;
}

function noiseOf([, , rows, columns]) {
  const grid = `${rows} ${columns}`;
  if (!noises.has(grid)) {
    noises.clear(); // that of one grid at a time
    noises.set(grid, Object.fromEntries(Object.entries(site.fineness).map(([layer, times]) =>
      [`noise_${layer}`, field(Number(layer), rows * times, columns * times)])));
  }
  return noises.get(grid);
}

/** `a` with a share of `b`, then moved along directions, each the same everywhere. */
function mixed(a, b, share, moves) {
  const values = Float32Array.from(a.data);
  if (b && share) for (let i = 0; i < values.length; i++) values[i] += share * (b.data[i] - values[i]);
  const each = values.length / a.dims[1];
  for (const { vector, gain } of moves) for (let i = 0; i < values.length; i++) values[i] += gain * vector[Math.floor(i / each)];
  return new ort.Tensor("float32", values, a.dims);
}

async function draw({ first, second, texture, structure, directions }) {
  const start = performance.now();
  const a = await encode(first);
  const b = second && (await encode(second));
  if (b && structure && String(a.structure.dims) !== String(b.structure.dims))
    throw new Error("Structures of pictures of different shape cannot be mixed.");
  const moves = (part) => site.directions.filter((one) => one.part === part && directions[one.name])
    .map(({ name, vector }) => ({ vector, gain: directions[name] }));
  const { images } = await run("generator", {
    structure: mixed(a.structure, b?.structure, structure, moves("structure")),
    texture: mixed(a.texture, b?.texture, texture, moves("texture")),
    ...noiseOf(a.structure.dims),
  });
  const [, , high, wide] = images.dims;
  const { size: { width, height }, pad: { left, top } } = a;
  const data = new Uint8ClampedArray(4 * width * height).fill(255);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) for (let c = 0; c < 3; c++)
    data[4 * (y * width + x) + c] = (images.data[(c * high + y + top) * wide + x + left] + 1) * 127.5; // rounded to nearest
  return { pixels: { width, height, data }, ms: performance.now() - start };
}

let line = Promise.resolve(); // one thing after the other
onmessage = ({ data: { id, what, ...given } }) => {
  line = line.then(() => ({ open, draw })[what](given)).then(
    (answer) => postMessage({ id, answer }),
    (error) => postMessage({ id, error: error.message ?? String(error) }),
  );
};
