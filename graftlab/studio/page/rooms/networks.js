// Networks: two or more with the same layers, blended resolution by resolution along a curve that is dragged, or part by part.

import { useEffect, useState } from "preact/hooks";
import { Button, Choice, Group, Menu, Slider, Typed } from "../controls.js";
import { Curve } from "../curve.js";
import { FORMATS, Player, usePlaying } from "../films.js";
import { html } from "../html.js";
import { Share, isGoing } from "../jobs.js";
import { allModels, kindOf, kinOf } from "../kin.js";
import { Learning } from "../learning.js";
import { Output } from "../output.js";
import { Parts, chooser, useRegions } from "../parts.js";
import { Passages, curvesOf, filmOf, moment, playing, watched } from "../passages.js";
import { Picture } from "../picture.js";
import { Cell } from "../sheet.js";
import { Shelf, laid, named } from "../shelf.js";
import { apply, doc } from "../store.js";
import { download, jobs, run, useLive } from "../wire.js";
import { say } from "../words.js";
import { Sheets, Zoom, opened } from "../zoom.js";

const STRIP = 8; // seeds that are shown at once
const MOST = 4; // networks besides the first
const BEGIN = 8; // pixels up to which a new blend is the first network's
const LETTERS = "ABCDEFGH";
const BLENDED = ["stylegan2", "stylegan1", "stylegan3", "swapping-autoencoder"]; // kinds, those first that one begins with
const CONFINED = ["stylegan2", "swapping-autoencoder"]; // of which B can be drawn in a place

const WAYS = [["curve", "By resolution"], ["parts", "By parts"]];
const STEPS = 300; // of the search for a photo
const USUAL = { // beside what is blended, and of which seed or photo
  way: "curve", layer: null, count: 8, layers: [], hard: false, reverse: false, local: false, // parts: amounts by layer
  photo: false, inverted: [], steps: STEPS, // codes of photos that were found: { model, picture, found, steps }
  film: null, seeds: [], keys: [], path: "linear", seconds: 8, loop: true, ...curvesOf({}),
};

export const networks = {
  name: "networks",
  title: "Networks",
  kinds: ["blend", "blend-film"],
  first: ({ shelves }) => ({
    model: null, // null: one that has kin
    others: [],
    weights: {}, // resolution -> shares of the others
    mapping: "a",
    seed: 3,
    strip: 0, // the first seed of the strip
    psi: 0.7,
    picture: shelves.structures[0] ?? null,
    ...USUAL,
  }),
  Room,
  took: (now, ids) => ({ ...laid(now, "structures", ids), networks: { picture: ids[0] } }),
  codes: "StyleCodes",
  tookCodes: ({ networks: now }, { id, model }) => ({ networks: {
    ...(now.model === model ? {} : { model, others: [], weights: () => ({}) }), picture: null, photo: true,
    inverted: [...(now.inverted ?? []).filter(({ picture }) => picture), { model, picture: null, found: id, steps: STEPS }],
  } }),
  restore: (now, scene) => {
    const { model, others, weights = {}, mapping = null, seed = 0, psi = 0.7, picture = null, found = null, steps = STEPS } = scene;
    const { clusters = [], hard = false, reverse = false, local = false, film = null, seeds = [], keys = [], path = "linear", seconds = 8, loop = false } = scene;
    const { layer = null, count = 8 } = clusters[0] ?? {};
    const inverted = (now.networks.inverted ?? []).filter((one) => !found || one.model !== model || one.picture !== picture);
    moment.value = scene.moment ?? 0;
    return { networks: {
      model, others, weights: () => weights, mapping, seed, psi, picture: found ? picture : picture ?? now.networks.picture, strip: seed - (seed % STRIP),
      way: clusters.length ? "parts" : "curve", layer, count, layers: () => clusters, hard, reverse, local,
      photo: Boolean(found) || keys.length > 0, inverted: found ? [...inverted, { model, picture, found, steps }] : inverted, steps,
      film, seeds, keys: keys.map((key) => ({ model, ...key })), path, seconds, loop, ...curvesOf(scene),
    } };
  },
};

/** What is blended: what was chosen, or else models that go together; null as long as that is not known. */
function chosen(part) {
  const all = (allModels() ?? []).filter(({ kind }) => BLENDED.includes(kind));
  const usual = all.find(({ name }) => name === "alpine-128") ?? all.find(({ kind }) => kind === BLENDED[0]) ?? all[0];
  const model = part.model ?? usual?.name ?? null;
  const kin = kinOf(model);
  const relatives = kin?.relatives.filter(({ verdict }) => verdict !== "different") ?? [];
  const first = relatives.find(({ blends }) => blends) ?? relatives[0];
  const known = part.others.filter((name) => all.some((one) => one.name === name)); // what was learned from words may be gone
  const others = known.length ? known : first ? [first.name] : [];
  const rows = (kin?.resolutions ?? []).map((resolution, i, { length }) => {
    const from = length > 4 ? resolution > BEGIN : i >= length / 2;
    const usual = others.map((_, index) => (index === 0 && from ? 1 : 0));
    return { resolution, shares: others.map((_, index) => (part.weights[resolution] ?? usual)[index] ?? 0) };
  });
  return { all, model, kin, relatives, others, rows, seeds: kin?.takes !== "photos" };
}

const table = (rows) => Object.fromEntries(rows.map(({ resolution, shares }) => [resolution, shares]));

/** What is drawn: a blend along its curve or by its parts, of a seed or of a photo; null as long as something is missing. */
function sceneOf(part, { model, others, rows, seeds, found }) {
  if (!others.length || !rows.length) return null;
  const photo = !seeds || part.photo;
  if (photo && !(seeds ? found : part.picture)) return null;
  const drawn = { kind: "blend", model, mapping: mappingOf(part, others), seed: part.seed, psi: part.psi, picture: photo ? part.picture : null };
  if (found) Object.assign(drawn, { found: found.found, steps: found.steps });
  if (part.way === "curve") return { ...drawn, others, weights: table(rows) };
  const two = { ...drawn, others: others.slice(0, 1), mapping: mappingOf(part, others.slice(0, 1)) };
  const here = part.layers.filter(({ layer, count }) => layer === part.layer && count === part.count);
  if (part.local && here.length) return { ...two, weights: {}, clusters: here, local: true };
  if (part.layers.length && !part.local) return { ...two, weights: {}, clusters: part.layers, hard: part.hard, reverse: part.reverse };
  return { ...two, weights: { [rows[0].resolution]: [part.reverse && !part.local ? 1 : 0] } };
}

function Room({ part: kept, change, take }) {
  const now = chosen(kept);
  const { model, kin, others, rows, seeds } = now;
  const layers = kin?.layers ?? [];
  const layer = layers.some((one) => `${one}` === kept.layer) ? kept.layer : `${layers[Math.floor((layers.length - 1) / 2)]}`;
  const size = now.all.find(({ name }) => name === model)?.size;
  const confined = CONFINED.includes(now.all.find(({ name }) => name === model)?.kind);
  const part = { ...USUAL, ...kept, layer, local: Boolean(kept.local) && confined };
  const photo = !seeds || part.photo;
  now.found = seeds && part.photo ? part.inverted.find((one) => one.model === model && one.picture === part.picture) : null;
  const [inHand, hold] = useState(0);
  const hand = Math.min(inHand, others.length - 1);
  const scene = sceneOf(part, now);
  const still = part.film === "walk" ? sceneOf({ ...part, photo: false }, { ...now, found: null }) : scene;
  const film = seeds && part.film ? filmOf({ ...part, model }, still, moment.value) : null;
  const alone = (index) => table(rows.map(({ resolution }) => ({ resolution, shares: others.map((_, i) => (i === index ? 1 : 0)) })));
  const frame = useLive("networks", film ?? scene);
  const settled = JSON.parse(useSettled(JSON.stringify(scene), 160));
  const byParts = part.way === "parts" && layers.length > 0;
  const regions = useRegions(part, settled, byParts && !film);
  usePlaying(part, frame, moment, playing);
  const done = film && jobs.value.find(({ id, state }) => id === watched.value && state === "done");
  const sheet = jobs.value.find(({ id, state }) => id === opened.value && state === "done");
  const set = (resolution, shares) => change("the curve", { weights: { ...table(rows), [resolution]: shares } }, "curve");
  const end = (index, letter, name) => html`<figure><${Cell} key=${`${letter} ${name}`} view=${`end ${index}`}
    scene=${scene && { ...sceneOf({ ...part, way: "curve" }, now), weights: alone(index) }} name=${`Only ${letter}, ${name}`}
    choose=${() => change(`only ${letter}`, { weights: alone(index) })} />
    <figcaption aria-hidden="true">${letter}</figcaption></figure>`;
  const play = film && html`<${Button} name=${playing.value ? "Pause" : "Play"} keys="P" sign=${playing.value ? "pause" : "play"} data-key="p"
    pressed=${playing.value} onClick=${() => (playing.value = !playing.value)} /> <span class="time">${film.moment.toFixed(2)} s</span>`;
  return html`<div class="room networks">
    <div class="desk">
      ${sheet ? html`<${Zoom} key=${sheet.id} job=${sheet} close=${() => (opened.value = null)} />`
        : done ? html`<${Player} job=${done} back="the blend" close=${() => (watched.value = null)} />` : html`<${Picture} frame=${frame}
        label=${model ? `A blend of ${[model, ...others].join(" and ")}` : "No picture yet"} ...${film ? {} : chooser(part, regions, change)}
        caption=${html`${play}<${Caption} ...${now} part=${part} />`} />`}
      ${!byParts && rows.length > 0 && others.length > 0 && html`<${Curve} rows=${rows} hand=${hand} letters=${others.map((_, i) => LETTERS[i + 1])}
        set=${set} top=${end(hand, LETTERS[hand + 1], others[hand])} bottom=${end(-1, "A", model)} />`}
      ${photo
        ? html`<${Shelf} shelf="structures" title="Photos" part="structure" chosen=${part.picture}
            pick=${(id) => ({ networks: { picture: id } })} take=${take} />`
        : html`<${Strip} part=${part} change=${change} scene=${settled} />`}
    </div>
    <aside class="panel" aria-label="Controls">
      <${Which} ...${now} part=${part} change=${change} />
      ${others.length > 0 && layers.length > 0 && html`<${Group} title="How"><div><${Choice} name="How they are blended" value=${part.way} options=${WAYS}
        set=${(way) => change(way === "parts" ? "by parts" : "by resolution", { way })} /></div><//>`}
      ${others.length > 0 && (byParts
        ? html`<${Parts} part=${part} layers=${layers} regions=${regions} confined=${confined} change=${change} />`
        : html`<${Shape} ...${now} hand=${hand} hold=${hold} change=${change} />`)}
      ${seeds && html`<${Seed} ...${now} part=${part} change=${change} />`}
      ${seeds && html`<${Passages} part=${part} model=${model} others=${others.length} found=${now.found} change=${change} />`}
      <${Keep} ...${now} part=${part} scene=${scene} />
      <${Sheets} />
      <${Learning} model=${model} />
      ${part.film && seeds
        ? html`<${Output} key="film" scene=${film} fixed what="film" formats=${FORMATS} order=${(format, { size, ...scene }) => ({ kind: "film", scene, format })}
            done=${(job) => (watched.value = job.id)} />`
        : html`<${Output} key="picture" scene=${scene} own=${size} fixed=${seeds} />`}
    </aside>
  </div>`;
}

/** Whose mapping network: a letter of a network that is there, or null. */
const mappingOf = ({ mapping }, others) => (mapping && LETTERS.toLowerCase().indexOf(mapping) <= others.length ? mapping : null);

function Caption({ model, kin, others, seeds, part }) {
  if (!model) return "Opening models";
  if (!kin) return `Comparing ${model} with others`;
  if (!others.length) return "No other network of this kind and size is here.";
  return html`${[model, ...others].join(", ")}<i class="cut" />${seeds && !part.photo ? `seed ${part.seed}` : part.picture ? named(part.picture) : "codes of a file"}`;
}

/** A value as it was when it had not changed for a while. */
function useSettled(value, ms) {
  const [kept, keep] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => keep(value), ms);
    return () => clearTimeout(timer);
  }, [value]);
  return kept;
}

/** Seeds side by side, drawn by the same blend: a click chooses one. */
function Strip({ part, scene, change }) {
  const seeds = Array.from({ length: STRIP }, (_, i) => part.strip + i);
  const turn = (by) => change("other seeds", { strip: Math.max(0, part.strip + by) }, "strip");
  return html`<div class="strip" role="group" aria-label="Seeds">
    <${Button} name="Earlier seeds" sign="left" disabled=${part.strip === 0} onClick=${() => turn(-STRIP)} />
    ${seeds.map((seed, i) => html`<${Cell} key=${i} view=${`seed ${i}`} scene=${scene && { ...scene, seed }} name=${`Seed ${seed}`}
      chosen=${seed === part.seed} choose=${() => change("another seed", { seed })} />`)}
    <${Button} name="Later seeds" sign="on" onClick=${() => turn(STRIP)} />
  </div>`;
}

// -- the panel ------------------------------------------------------------------------------------------------------

const VERDICTS = {
  same: "the same network", kin: "kin: they blend", likely: "probably kin", doubtful: "may blend", unrelated: "trained apart: it will draw noise",
};

function Which({ all, model, kin, relatives, others, change }) {
  const first = (name) => change("another first network", { model: name, others: [], weights: () => ({}) });
  const put = (index, name) => change(`blending with ${name}`, { model, others: others.map((one, i) => (i === index ? name : one)) });
  const free = relatives.filter(({ name }) => !others.includes(name));
  const remove = (index) => change(`without ${others[index]}`, {
    model, others: others.filter((_, i) => i !== index), mapping: "a",
    weights: (old) => Object.fromEntries(Object.entries(old).map(([key, shares]) => [key, shares.filter((_, i) => i !== index)])),
  });
  return html`<${Group} title="Networks">
    <${Menu} name="A" value=${model} set=${first}
      options=${all.map(({ name, kind, size }) => [name, `${name} (${kindOf(kind)}, ${size} px)`])} />
    ${!kin && model && html`<p class="hint" role="status">Looking at what it blends with</p>`}
    ${others.map((other, index) => {
      const told = relatives.find(({ name }) => name === other);
      return html`<div class="partner" key=${index}>
        <${Menu} name=${LETTERS[index + 1]} value=${other} set=${(name) => put(index, name)}
          options=${relatives.filter(({ name }) => name === other || free.some((one) => one.name === name)).map(({ name }) => [name, name])} />
        ${others.length > 1 && html`<${Button} name=${`Remove ${other}`} sign="remove" onClick=${() => remove(index)} />`}
        ${told && html`<p class=${`hint ${told.blends ? "" : "trouble"}`} title=${told.why}>${VERDICTS[told.verdict]}</p>`}
      </div>`;
    })}
    ${kin && free.length > 0 && others.length < MOST && html`<div class="row">
      <${Button} sign="add" onClick=${() => change("another network", { model, others: [...others, free[0].name] })}>Add a network<//>
    </div>`}
  <//>`;
}

/** Curves that one begins with, and which network's is dragged. */
function Shape({ rows, others, hand, hold, change }) {
  const letter = LETTERS[hand + 1];
  const all = (words, share) => change(words, {
    weights: table(rows.map(({ resolution, shares }, i) => {
      const value = share(i / (rows.length - 1 || 1), resolution);
      const rest = 1 - value;
      const sum = shares.reduce((total, one, index) => (index === hand ? total : total + one), 0);
      return { resolution, shares: shares.map((one, index) => (index === hand ? value : sum > rest ? round((one * rest) / sum) : one)) };
    })),
  });
  const middle = rows[Math.floor((rows.length - 1) / 2)]?.resolution;
  return html`<${Group} title="How much of which">
    ${others.length > 1 && html`<div><${Choice} name="Curve of" value=${hand} set=${hold}
      options=${others.map((_, index) => [index, LETTERS[index + 1]])} /></div>`}
    <div class="row">
      <${Button} onClick=${() => all(`layout of A, look of ${letter}`, (_, resolution) => (resolution > middle ? 1 : 0))}>Look of ${letter}<//>
      <${Button} onClick=${() => all(`layout of ${letter}, look of A`, (_, resolution) => (resolution > middle ? 0 : 1))}>Layout of ${letter}<//>
      <${Button} onClick=${() => all("a ramp", (at) => round(at))}>Ramp<//>
      <${Button} onClick=${() => all("half of both", () => 0.5)}>Half<//>
    </div>
    <p class="hint">Drag the points. Coarse resolutions, at the left, decide the layout; fine ones colour and detail. Dragging with
      Shift draws across.</p>
  <//>`;
}

const round = (share) => Math.round(share * 1000) / 1000;

const DRAWN = [[false, "A seed"], [true, "A photo"]];

function Seed({ part, model, others, found, change }) {
  const options = [["a", "A"], ...others.map((_, index) => [LETTERS[index + 1].toLowerCase(), LETTERS[index + 1]]), [null, "as the curve"]];
  const put = (seed) => change("another seed", { seed, strip: seed - (seed % STRIP) }, "seed");
  const ofSeed = html`<div class="row">
      <${Typed} name="Seed" value=${part.seed} lowest=${0} highest=${2 ** 32 - 1} set=${(seed) => put(Math.round(seed))} />
      <${Button} sign="dice" data-key="r" keys="R" name="A seed at random" onClick=${() => put(crypto.getRandomValues(new Uint16Array(1))[0])}>
        Random<//>
    </div>
    <${Slider} name="Variety" value=${part.psi} min=${0} max=${1.2} usual=${0.7} zero=${0} lowest=${-2} highest=${3}
      hint="psi, truncation: 1 as trained, towards 0 more typical" set=${(psi) => change("variety", { psi }, "psi")} />
    <div class="row"><span class="hint">Mapping of</span>
      <${Choice} name="Whose mapping network, from seed to style" value=${mappingOf(part, others)} options=${options}
        set=${(mapping) => change("the mapping network", { mapping })} /></div>`;
  return html`<${Group} title="What is drawn">
    <div><${Choice} name="What is drawn" value=${part.photo} options=${DRAWN} set=${(photo) => change(photo ? "a photo" : "a seed", { photo })} /></div>
    ${part.photo ? html`<${Search} part=${part} model=${model} found=${found} change=${change} />` : ofSeed}
  <//>`;
}

/** Codes of the photo in network A, which are searched for once; then the blend draws them. */
function Search({ part, model, found, change }) {
  const { picture, steps } = part;
  const going = jobs.value.find((job) => job.kind === "invert" && isGoing(job));
  const search = async () => {
    try {
      const { found } = await run({ kind: "invert", model, picture, steps });
      const others = ({ inverted = [] }) => inverted.filter((one) => one.model !== model || one.picture !== picture);
      if (found) apply(`${named(picture)} in ${model}`, (now) => ({ networks: { inverted: [...others(now.networks), { model, picture, found, steps }] } }));
    } catch (error) {
      say(error.message, "trouble");
    }
  };
  return html`<div class="number"><span aria-hidden="true">Steps of the search</span><${Typed} name="Steps of the search" value=${steps} step=${50}
      lowest=${1} highest=${2000} set=${(steps) => change("the length of the search", { steps: Math.round(steps) }, "steps")} /></div>
    ${going ? html`<div class="row" role="status"><span class="hint">Looking for it</span><${Share} job=${going} /></div>`
      : html`<div class="row"><${Button} class=${found ? "" : "main"} sign="near" disabled=${!picture} onClick=${search}>${found ? "Look again" : `Look for it in ${model}`}<//></div>`}
    <p class="hint">${found ? "The blend draws the photo's codes: drag the curve." : "A search finds codes from which A draws the photo, as near as it can."}</p>`;
}

const ROWS = [["alpha", "shares of B"], ["models", "networks"], ["snapshots", "snapshots of B"]];

/** What takes longer: the blend as a model, and sheets. */
function Keep({ part, all, model, others, scene, seeds }) {
  const [rows, lay] = useState("inputs");
  const [columns, put] = useState("levels");
  const [count, take] = useState(4);
  const inputs = seeds ? "seeds" : "photos";
  const snapshots = all.find(({ name }) => name === others[0])?.snapshots;
  const down = [["inputs", inputs], ...ROWS].filter(([name]) => (name !== "snapshots" || snapshots) && name !== columns);
  const row = down.some(([name]) => name === rows) ? rows : down[0][0];
  const start = async (order, then) => {
    try {
      const job = await run(order);
      if (job.state === "done") then(job);
    } catch (error) {
      say(error.message, "trouble");
    }
  };
  const save = (job) => download(`/api/jobs/${job.id}/result`);
  const sheet = (format) => ({
    kind: "levels", models: row === "models" ? [model, ...others] : [model, others[0]], psi: part.psi, rows: row, columns, format,
    ...(seeds ? { seeds: Array.from({ length: count }, (_, i) => part.seed + i) } : { pictures: doc.peek().shelves.structures.slice(0, count) }),
  });
  return html`<${Group} title="As a model, as a sheet">
    <div class="pair">
      <${Button} class="wide" sign="save" disabled=${!scene} onClick=${() => start({ kind: "blend", scene }, save)}>Save the blend as a model<//>
    </div>
    <div class="pair">
      <${Menu} name="Rows" value=${row} set=${lay} options=${down} />
      <${Menu} name="Columns" value=${columns} set=${put} options=${[["levels", "levels"], ["inputs", inputs]]} />
    </div>
    <div class="number"><span aria-hidden="true">How many ${inputs}</span><${Typed} name=${`Number of ${inputs}`} value=${count} lowest=${1}
      highest=${seeds ? 1000 : 64} set=${(number) => take(Math.round(number))} /></div>
    <div class="pair">
      <${Button} sign="sheet" disabled=${!others.length} title="As one picture" onClick=${() => start(sheet("png"), save)}>Level sheet<//>
      <${Button} sign="near" disabled=${!others.length} title="Of any size, opened here" onClick=${() => start(sheet("zoom"), (job) => (opened.value = job.id))}>
        Zoom in it<//>
    </div>
  <//>`;
}
