// Networks: two or more with the same layers, blended resolution by resolution along a curve that is dragged.

import { useEffect, useState } from "preact/hooks";
import { Button, Choice, Group, Menu, Slider, Typed } from "../controls.js";
import { Curve } from "../curve.js";
import { html } from "../html.js";
import { allModels, kindOf, kinOf } from "../kin.js";
import { Output } from "../output.js";
import { Picture } from "../picture.js";
import { Cell } from "../sheet.js";
import { Shelf, laid, named } from "../shelf.js";
import { doc } from "../store.js";
import { download, run, useLive } from "../wire.js";
import { say } from "../words.js";

const STRIP = 8; // seeds that are shown at once
const MOST = 4; // networks besides the first
const BEGIN = 8; // pixels up to which a new blend is the first network's
const LETTERS = "ABCDEFGH";
const BLENDED = ["stylegan2", "swapping-autoencoder"]; // kinds, those first that one begins with

export const networks = {
  name: "networks",
  title: "Networks",
  kinds: ["blend"],
  first: ({ shelves }) => ({
    model: null, // null: one that has kin
    others: [],
    weights: {}, // resolution -> shares of the others
    mapping: "a",
    seed: 3,
    strip: 0, // the first seed of the strip
    psi: 0.7,
    picture: shelves.structures[0] ?? null,
  }),
  Room,
  took: (now, ids) => ({ ...laid(now, "structures", ids), networks: { picture: ids[0] } }),
  restore: (now, { model, others, weights, mapping = null, seed = 0, psi = 0.7, picture = null }) => ({
    networks: { model, others, weights: () => weights, mapping, seed, psi, picture, strip: seed - (seed % STRIP) },
  }),
};

/** What is blended: what was chosen, or else models that go together; null as long as that is not known. */
function chosen(part) {
  const all = (allModels() ?? []).filter(({ kind }) => BLENDED.includes(kind));
  const usual = all.find(({ name }) => name === "alpine-128") ?? all.find(({ kind }) => kind === BLENDED[0]) ?? all[0];
  const model = part.model ?? usual?.name ?? null;
  const kin = kinOf(model);
  const relatives = kin?.relatives.filter(({ verdict }) => verdict !== "different") ?? [];
  const first = relatives.find(({ blends }) => blends) ?? relatives[0];
  const others = part.others.length ? part.others : first ? [first.name] : [];
  const rows = (kin?.resolutions ?? []).map((resolution, i, { length }) => {
    const from = length > 4 ? resolution > BEGIN : i >= length / 2;
    const usual = others.map((_, index) => (index === 0 && from ? 1 : 0));
    return { resolution, shares: others.map((_, index) => (part.weights[resolution] ?? usual)[index] ?? 0) };
  });
  return { all, model, kin, relatives, others, rows, seeds: kin?.takes !== "photos" };
}

const table = (rows) => Object.fromEntries(rows.map(({ resolution, shares }) => [resolution, shares]));

function Room({ part, change, take }) {
  const now = chosen(part);
  const { model, others, rows, seeds } = now;
  const [inHand, hold] = useState(0);
  const hand = Math.min(inHand, others.length - 1);
  const scene = (more) => others.length && rows.length && (seeds || part.picture)
    ? { kind: "blend", model, others, weights: table(rows), mapping: mappingOf(part, others), seed: part.seed, psi: part.psi,
        picture: seeds ? null : part.picture, ...more }
    : null;
  const alone = (index) => table(rows.map(({ resolution }) => ({ resolution, shares: others.map((_, i) => (i === index ? 1 : 0)) })));
  const frame = useLive("networks", scene());
  const settled = useSettled(JSON.stringify(scene()), 160);
  const set = (resolution, shares) => change("the curve", { weights: { ...table(rows), [resolution]: shares } }, "curve");
  const end = (index, letter, name) => html`<figure><${Cell} key=${`${letter} ${name}`} view=${`end ${index}`}
    scene=${scene({ weights: alone(index) })} name=${`Only ${letter}, ${name}`} choose=${() => change(`only ${letter}`, { weights: alone(index) })} />
    <figcaption aria-hidden="true">${letter}</figcaption></figure>`;
  return html`<div class="room networks">
    <div class="desk">
      <${Picture} frame=${frame} label=${model ? `A blend of ${[model, ...others].join(" and ")}` : "No picture yet"}
        caption=${html`<${Caption} ...${now} part=${part} />`} />
      ${rows.length > 0 && others.length > 0 && html`<${Curve} rows=${rows} hand=${hand} letters=${others.map((_, i) => LETTERS[i + 1])}
        set=${set} top=${end(hand, LETTERS[hand + 1], others[hand])} bottom=${end(-1, "A", model)} />`}
      ${seeds
        ? html`<${Strip} part=${part} change=${change} scene=${settled === "null" ? null : JSON.parse(settled)} />`
        : html`<${Shelf} shelf="structures" title="Photos" part="structure" chosen=${part.picture}
            pick=${(id) => ({ networks: { picture: id } })} take=${take} />`}
    </div>
    <aside class="panel" aria-label="Controls">
      <${Which} ...${now} part=${part} change=${change} />
      ${others.length > 0 && html`<${Shape} ...${now} hand=${hand} hold=${hold} change=${change} />`}
      ${seeds && html`<${Seed} part=${part} others=${others} change=${change} />`}
      <${Keep} ...${now} part=${part} scene=${scene()} />
      <${Output} scene=${scene()} own=${now.all.find(({ name }) => name === model)?.size} fixed=${seeds} />
    </aside>
  </div>`;
}

/** Whose mapping network: a letter of a network that is there, or null. */
const mappingOf = ({ mapping }, others) => (mapping && LETTERS.toLowerCase().indexOf(mapping) <= others.length ? mapping : null);

function Caption({ model, kin, others, seeds, part }) {
  if (!model) return "Opening models";
  if (!kin) return `Comparing ${model} with others`;
  if (!others.length) return "No other network of this kind and size is here.";
  return html`${[model, ...others].join(", ")}<i class="cut" />${seeds ? `seed ${part.seed}` : named(part.picture)}`;
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
    <p class="hint">Drag the points. Coarse resolutions, at the left, are the layout; fine ones colour and touch. With Shift a drag draws
      across.</p>
  <//>`;
}

const round = (share) => Math.round(share * 1000) / 1000;

function Seed({ part, others, change }) {
  const options = [["a", "A"], ...others.map((_, index) => [LETTERS[index + 1].toLowerCase(), LETTERS[index + 1]]), [null, "as the curve"]];
  const put = (seed) => change("another seed", { seed, strip: seed - (seed % STRIP) }, "seed");
  return html`<${Group} title="Seed">
    <div class="row">
      <${Typed} name="Seed" value=${part.seed} lowest=${0} highest=${2 ** 32 - 1} set=${(seed) => put(Math.round(seed))} />
      <${Button} sign="dice" data-key="r" keys="R" name="A seed at random" onClick=${() => put(crypto.getRandomValues(new Uint16Array(1))[0])}>
        Random<//>
    </div>
    <${Slider} name="Variety" value=${part.psi} min=${0} max=${1.2} usual=${0.7} zero=${0} lowest=${-2} highest=${3}
      hint="psi, truncation: 1 as trained, towards 0 more typical" set=${(psi) => change("variety", { psi }, "psi")} />
    <div class="row"><span class="hint">Mapping of</span>
      <${Choice} name="Whose mapping network, from seed to style" value=${mappingOf(part, others)} options=${options}
        set=${(mapping) => change("the mapping network", { mapping })} /></div>
  <//>`;
}

const ROWS = [["alpha", "shares of B"], ["models", "networks"]];

/** What takes longer: the blend as a model, and a sheet of levels. */
function Keep({ part, model, others, scene, seeds }) {
  const [rows, lay] = useState("inputs");
  const start = async (order) => {
    try {
      const job = await run(order);
      if (job.state === "done") download(`/api/jobs/${job.id}/result`);
    } catch (error) {
      say(error.message, "trouble");
    }
  };
  const sheet = () => ({
    kind: "levels", models: rows === "alpha" ? [model, others[0]] : [model, ...others], psi: part.psi,
    rows: others.length > 1 && rows === "inputs" ? "models" : rows,
    ...(seeds ? { seeds: [part.seed, ...Array.from({ length: 3 }, (_, i) => part.seed + i + 1)] } : { pictures: doc.peek().shelves.structures.slice(0, 4) }),
  });
  return html`<${Group} title="As a model, as a sheet">
    <div class="pair">
      <${Button} class="wide" sign="save" disabled=${!scene} onClick=${() => start({ kind: "blend", scene })}>Save the blend as a model<//>
    </div>
    <div class="pair">
      <${Menu} name="Rows" value=${rows} set=${lay} options=${[["inputs", seeds ? "seeds" : "photos"], ...ROWS]} />
      <${Button} sign="sheet" disabled=${!scene} onClick=${() => start(sheet())}>Level sheet<//>
    </div>
  <//>`;
}
