// The model, in a worker: pictures to codes, arithmetic on codes, codes to a picture. What `editing.edits.edit` does.

const NETWORKS = ["encoder", "generator", "noise"];
let [ort, site, sessions] = [null, null, null];
const codes = new Map(); // key of a picture -> { structure, texture, size, pad }
const noises = new Map(); // grid -> the generator's noise

const run = (name, given) => sessions[name].run(given);
const whole = (...numbers) => BigInt64Array.from(numbers.map(BigInt));

/** Open the model by WebGPU if that is wanted, else by WebAssembly. Returns what computes, for people. */
async function open({ told, gpu, threads }) {
  site = told;
  ort = await import(`./lib/onnxruntime-web/${gpu ? "ort.jspi.min.mjs" : "ort.wasm.min.mjs"}`);
  ort.env.wasm.numThreads = threads;
  ort.env.logLevel = "error";
  const opened = NETWORKS.map((name) => ort.InferenceSession.create(new URL(`./model/${name}.onnx`, location.href).href, {
    executionProviders: [gpu && name !== "noise" ? "webgpu" : "wasm"],
  }));
  const made = [];
  for (const one of opened) made.push(await one);
  sessions = Object.fromEntries(NETWORKS.map((name, i) => [name, made[i]]));
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

async function noiseOf([, , rows, columns]) {
  const grid = `${rows} ${columns}`;
  if (noises.has(grid)) return noises.get(grid);
  const given = {};
  for (const [layer, times] of Object.entries(site.fineness)) {
    const places = (cells) => new ort.Tensor("int64", whole(...Array(cells * times).keys()), [cells * times]);
    const [seed, number] = [0, layer].map((one) => new ort.Tensor("int64", whole(one), []));
    given[`noise_${layer}`] = (await run("noise", { seed, layer: number, y: places(rows), x: places(columns) })).noise;
  }
  noises.clear(); // that of one grid at a time
  noises.set(grid, given);
  return given;
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
    ...(await noiseOf(a.structure.dims)),
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
