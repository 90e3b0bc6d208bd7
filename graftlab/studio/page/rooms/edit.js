// Edit: one photo, and what is done to it, everywhere or in regions: another texture, directions, components.

import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { Button, Choice, Group, Slider, Typed } from "../controls.js";
import { Details, STEPS } from "../details.js";
import { html } from "../html.js";
import { maskOf, veil } from "../masks.js";
import { Output } from "../output.js";
import { Phrases, guiding } from "../phrases.js";
import { Picture } from "../picture.js";
import { Shelf, laid, named, photos, picture, squared } from "../shelf.js";
import { useLive } from "../wire.js";

const brush = signal(0.06); // radius, as a share of the picture's width
const where = signal(null); // id of the region that is changed; null: everywhere
const COMPONENTS = 8; // that are offered of each part
const COMPONENT = "What varied most in training, the most first; in standard deviations";
const LIMIT = 3; // standard deviations, of what a slider reaches; more can be typed
const NOTHING = { texture: null, directions: {}, components: {}, phrases: [] };

export const edit = {
  name: "edit",
  title: "Edit",
  kinds: ["edit"],
  first: ({ shelves }) => ({
    ...NOTHING,
    picture: shelves.structures[0] ?? null,
    amount_texture: 1,
    amount_structure: 0,
    seed_texture: null,
    found: null,
    psi: 0.8,
    refine: STEPS,
    regions: [],
  }),
  Room,
  took: (now, ids, shelf) => (shelf === "textures"
    ? { ...laid(now, "textures", ids), edit: { texture: ids[0], seed_texture: null, found: null } }
    : { ...laid(now, "structures", ids), edit: { picture: ids[0] } }),
  codes: "SwapCodes",
  tookCodes: (now, { id, model }) => ({ model, edit: ledTo(now.edit, id) }),
  restore,
};

/** The scene that is on screen; regions whose masks are still on their way to the server are left out. */
function sceneOf(part, model, painting) {
  if (!part.picture || !model) return null;
  const { picture, texture, amount_texture, amount_structure, seed_texture, psi, refine, found } = part;
  const square = squared(amount_structure, picture, texture);
  const places = part.regions.map((region) => {
    const marks = painting?.region === region.id ? [...region.marks, painting.mark] : region.marks;
    return { ...region, at: { mask: maskOf(region.id, marks, shapeOf(picture, square), model.name), soft: region.soft } };
  }).filter(({ at }) => at.mask);
  const all = [part, ...places];
  const along = model.card?.directions ?? [];
  return {
    kind: "edit", model: model.name, picture, texture, amount_texture, amount_structure, seed_texture, psi, refine, found, square,
    regions: places.filter(({ texture }) => texture).map(({ at, texture, amount }) => ({ ...at, texture, amount })),
    directions: all.flatMap(({ directions, at }) => along.filter(({ name }) => directions[name])
      .map(({ file, name }) => ({ ...at, file, name, gain: directions[name] }))),
    phrases: all.flatMap(({ phrases = [], at }) => phrases.map((one) => ({ ...at, ...one }))),
    components: all.flatMap(({ components, at }) => Object.entries(components).filter(([, gain]) => gain)
      .map(([name, gain]) => ({ ...at, part: name.split(" ")[0], index: Number(name.split(" ")[1]), gain }))),
  };
}

/** A scene as this room keeps it: what has one mask is one region. */
function restore(now, scene) {
  const regions = new Map();
  const at = ({ mask, soft = 8 }) => {
    if (!mask) return everywhere;
    if (!regions.has(mask)) regions.set(mask, { ...newRegion(), id: mask, soft, marks: [{ kind: "mask", mask }] });
    return regions.get(mask);
  };
  const everywhere = { ...NOTHING, directions: {}, components: {} };
  for (const one of scene.regions ?? []) Object.assign(at(one), { texture: one.texture, amount: one.amount });
  for (const one of scene.directions ?? []) at(one).directions[one.name] = one.gain;
  for (const one of scene.phrases ?? []) {
    const { text, neutral, gain } = one;
    at(one).phrases = [...at(one).phrases, { text, neutral, gain }];
  }
  for (const one of scene.components ?? []) at(one).components[`${one.part} ${one.index}`] = one.gain;
  const { picture, texture = null, amount_texture = 1, amount_structure = 0, seed_texture = null, psi = 0.8, refine = 0, found = null } = scene;
  const textures = [texture, ...(scene.regions ?? []).map((region) => region.texture)].filter(Boolean);
  return {
    model: scene.model,
    shelves: { ...laid(now, "structures", [picture]).shelves, ...laid(now, "textures", textures).shelves },
    edit: () => ({ ...everywhere, picture, texture, amount_texture, amount_structure, seed_texture, psi, refine, found,
      regions: [...regions.values()] }),
  };
}

const newRegion = () => ({ ...NOTHING, id: `${crypto.getRandomValues(new Uint32Array(1))[0]}`, amount: 1, soft: 8, marks: [], directions: {}, components: {} });

function Room({ part, model, change, take }) {
  const [painting, paint] = useState(null); // the stroke that is being drawn: { region, mark }
  const [over, hover] = useState(null); // texture that the pointer is over
  const [hand, hold] = useState("brush"); // "brush", "erase", "select"
  const [shown, show] = useState(false); // the region, over the picture
  const [threshold, set] = useState(0.5); // of what is selected next
  const region = part.regions.find(({ id }) => id === where.value) ?? null;
  const now = region ?? part; // what the controls change
  const changeRegion = (name, patch, key) => change(name, {
    regions: part.regions.map((one) => (one === region ? { ...one, ...(patch instanceof Function ? patch(one) : patch) } : one)),
  }, key && `${key} ${region.id}`);
  const alter = region ? changeRegion : change;
  const shape = shapeOf(part.picture, squared(part.amount_structure, part.picture, part.texture));

  const way = guiding()?.found; // a picture on the way
  const seen = way ? { ...part, ...ledTo(part, way) } : over && !region ? { ...part, texture: over, seed_texture: null, found: null }
    : over ? { ...part, regions: part.regions.map((one) => (one === region ? { ...one, texture: over } : one)) } : part;
  const scene = sceneOf(part, model, painting);
  const frame = useLive("edit", sceneOf(seen, model, painting));

  const tool = region && (hand === "select" ? selecting() : drawing());
  function drawing() {
    const mark = { kind: "stroke", radius: brush.value, erase: hand === "erase", points: [] };
    const end = () => paint((last) => {
      if (last) queueMicrotask(() => changeRegion(hand === "erase" ? "erasing" : "painting", { marks: [...region.marks, last.mark] }));
      return null;
    });
    const to = ({ x, y }) => paint((last) => {
      const { points } = last?.mark ?? mark;
      if (points.length && Math.hypot(points.at(-2) - x, points.at(-1) - y) < 0.004) return last;
      return { region: region.id, mark: { ...mark, points: [...points, round(x), round(y)] } };
    });
    return { name: hand, cursor: brush.value, begin: to, move: to, end };
  }
  function selecting() {
    const begin = ({ x, y }) => {
      const mark = { kind: "select", picture: part.picture, place: [round(x), round(y)], threshold };
      changeRegion("selecting", { marks: [...region.marks, mark] });
    };
    return { name: hand, cursor: null, begin, move() {}, end() {} };
  }
  const marks = region && (painting ? [...region.marks, painting.mark] : region.marks);
  const inside = region && { mask: maskOf(region.id, region.marks, shape, model?.name), soft: region.soft };
  const overlay = region && (painting || shown) && shape && ((context, area) => veil(context, area, marks, shape));

  return html`<div class="room edit">
    <div class="crossing">
      <div class="corner" aria-hidden="true" />
      <${Shelf} shelf="textures" title=${region ? "Texture inside" : "Textures"} part="texture" optional take=${take} over=${hover}
        chosen=${region || (part.seed_texture === null && !part.found) ? now.texture : null} pick=${(id) => picked(part, region, id)} />
      <${Shelf} shelf="structures" title="Pictures" part="structure" upright take=${take}
        chosen=${part.picture} pick=${(id) => ({ edit: { picture: id } })} />
      <${Picture} frame=${frame} earlier=${picture(part.picture)} tool=${tool} overlay=${overlay}
        label=${part.picture ? `${named(part.picture)}, edited` : "No picture yet"}
        caption=${html`<${Caption} part=${part} />`} />
    </div>
    <aside class="panel" aria-label="Controls">
      <${Where} part=${part} region=${region} change=${change} changeRegion=${changeRegion}
        ...${{ hand, hold, shown, show, threshold, set }} />
      <${Texture} part=${part} region=${region} model=${model} alter=${alter} change=${change} />
      ${model?.card?.random && html`<${Phrases} now=${now} alter=${alter} scene=${scene} limit=${LIMIT}
        inside=${inside}
        led=${(text, found) => change(`led to "${text}"`, (now) => ({ ...now, ...ledTo(now, found) }))} />`}
      <${Directions} now=${now} model=${model} alter=${alter} />
      <${Components} now=${now} model=${model} alter=${alter} />
      <${Output} scene=${scene} own=${model?.size} />
    </aside>
  </div>`;
}

/** Width and height of what is drawn, as far as their ratio goes. */
const shapeOf = (picture, square) => (square ? { width: 1, height: 1 } : photos.value[picture]);
const round = (share) => Math.round(share * 1e4) / 1e4;

/** The patch by which a picture has the texture that words have led to. A structure that is mixed in stays. */
const ledTo = (part, found) => ({ found, seed_texture: null, amount_texture: 1, ...(!part.amount_structure && { texture: null }) });

/** The patch by which a texture is chosen, everywhere or in a region. */
function picked(part, region, texture) {
  if (!region) return { edit: { texture, found: null, ...(texture && { seed_texture: null }) } };
  return { edit: { regions: part.regions.map((one) => (one === region ? { ...one, texture } : one)) } };
}

function Caption({ part: { picture, texture, seed_texture, found } }) {
  if (!picture) return "Drop a photo.";
  const other = found ? "what words led to" : seed_texture !== null ? `random texture ${seed_texture}` : texture && named(texture);
  return html`<span class="structure">${named(picture)}</span>${other && html`<i class="cut"><span class="unseen"> with the texture of </span></i>
    <span class="texture">${other}</span>`}`;
}

// -- the panel ------------------------------------------------------------------------------------------------------

const HANDS = [["brush", "Brush", "brush"], ["erase", "Erase", "erase"], ["select", "Select alike", "select"]];

function Where({ part, region, change, changeRegion, hand, hold, shown, show, threshold, set }) {
  useEffect(() => {
    const key = (event) => {
      if (event.target.matches("input:not([type=range]), select, textarea") || event.ctrlKey || event.metaKey) return;
      if (event.key === "[") brush.value = Math.max(brush.value / 1.25, 0.005);
      else if (event.key === "]") brush.value = Math.min(brush.value * 1.25, 0.5);
    };
    addEventListener("keydown", key);
    return () => removeEventListener("keydown", key);
  }, []);
  const places = [[null, "Everywhere"], ...part.regions.map(({ id }, i) => [id, `Region ${i + 1}`])];
  const add = () => {
    const one = newRegion();
    change("a new region", { regions: [...part.regions, one] });
    where.value = one.id;
  };
  const last = region?.marks.findLastIndex(({ kind }) => kind === "select") ?? -1;
  const select = (value) => {
    set(value);
    if (last >= 0) changeRegion("what is alike", {
      marks: region.marks.map((mark, i) => (i === last ? { ...mark, threshold: value } : mark)),
    }, "alike");
  };
  return html`<${Group} title="Where">
    <div class="row">
      <${Choice} name="Where" value=${region?.id ?? null} options=${places} set=${(id) => (where.value = id)} />
      <${Button} name="New region" sign="add" onClick=${add} />
      ${!region && html`<${Details} part=${part} change=${change} />`}
    </div>
    ${region && html`<${Choice} name="Tool" value=${hand} set=${hold} options=${HANDS} />
      ${hand === "select"
        ? html`<${Slider} name="Alike" value=${threshold} usual=${0.5} zero=${0} min=${0} lowest=${-1} set=${select}
            hint="Least similarity to the place that you click, -1 to 1" />`
        : html`<${Slider} name="Brush" value=${100 * brush.value} min=${0.5} max=${30} step=${0.5} digits=${1} usual=${6} zero=${0.5}
            highest=${50} hint="Radius, % of the width; [ and ]" set=${(value) => (brush.value = value / 100)} />`}
      <${Slider} name="Soft edge" value=${region.soft} max=${64} step=${1} digits=${0} usual=${8} zero=${0} highest=${512}
        hint="Width of the edge, pixels" set=${(soft) => changeRegion("the soft edge", { soft }, "soft")} />
      <div class="row">
        <${Button} sign="before" pressed=${shown} onClick=${() => show(!shown)}>Show region<//>
        <${Button} disabled=${!region.marks.length} onClick=${() => changeRegion("clearing the region", { marks: [] })}>Clear<//>
        <${Button} onClick=${() => change("removing a region", { regions: part.regions.filter((one) => one !== region) })}>
          Remove<//>
      </div>`}
  <//>`;
}

function Texture({ part, region, model, alter, change }) {
  const dice = () => change("a random texture", { seed_texture: crypto.getRandomValues(new Uint16Array(1))[0], texture: null, found: null });
  const other = part.texture || part.found || part.seed_texture !== null;
  if (region) return html`<${Group} title="How much of it inside">
    <${Slider} name="Texture" part="texture" value=${region.amount} usual=${1} zero=${0}
      set=${(amount) => alter("texture inside", { amount }, "inside")} />
    ${!region.texture && html`<p class="hint">Choose one on the shelf of textures.</p>`}
  <//>`;
  return html`<${Group} title="Texture">
    ${!other && html`<p class="hint">Its own. Choose another on the shelf, or a random one.</p>`}
    ${other && html`<${Slider} name="Texture" part="texture" value=${part.amount_texture} usual=${1} zero=${0} lowest=${-1} highest=${2}
      set=${(amount) => change("amount of texture", { amount_texture: amount }, "edit.texture")} />
    <${Slider} name="Structure" part="structure" value=${part.amount_structure}
      set=${(amount) => change("amount of structure", { amount_structure: amount }, "edit.structure")} />`}
    ${model?.card?.random && html`<div class="row">
      <${Button} sign="dice" onClick=${dice}>Random texture<//>
      ${part.seed_texture !== null && html`<${Typed} name="Seed" value=${part.seed_texture} lowest=${0} highest=${2 ** 32 - 1}
        set=${(seed) => change("the seed", { seed_texture: Math.round(seed) }, "seed")} />`}
      ${other && html`<${Button} sign="undo" onClick=${() => change("its own texture", { texture: null, seed_texture: null, found: null })}>
        Its own<//>`}
    </div>`}
    ${part.seed_texture !== null && html`<${Slider} name="Variety" value=${part.psi} max=${1.5} usual=${0.8} zero=${0} highest=${3}
      hint="psi: how far random textures vary" set=${(psi) => change("variety", { psi }, "psi")} />`}
  <//>`;
}

/** Sliders in standard deviations; `reset` sets all of them to 0. */
function Moves({ title, rows, values, set, reset, tools }) {
  const moved = rows.some(({ key }) => values[key]);
  return html`<${Group} title=${title} tools=${html`${tools}${moved && html`<${Button} name=${`Reset: ${title}`} sign="undo"
      onClick=${reset} />`}`}>
    ${rows.map(({ key, name, part, hint }) => html`<${Slider} key=${key} name=${name} part=${part} hint=${hint} min=${-LIMIT}
      max=${LIMIT} step=${0.05} lowest=${-20} highest=${20} value=${values[key] ?? 0} set=${(gain) => set(key, name, gain)} />`)}
  <//>`;
}

function Directions({ now, model, alter }) {
  const rows = (model?.card?.directions ?? []).filter(({ name }) => !name.startsWith("component "))
    .map(({ name, part, told }) => ({ key: name, name, part, hint: told }));
  if (!rows.length) return null;
  const set = (key, name, gain) => alter(name, { directions: { ...now.directions, [key]: gain } }, `direction ${key}`);
  return html`<${Moves} title="Directions" rows=${rows} values=${now.directions} set=${set}
    reset=${() => alter("resetting directions", { directions: { ...now.directions, ...zeros(rows) } })} />`;
}

function Components({ now, model, alter }) {
  const [part, show] = useState("texture");
  const count = Math.min(model?.card?.components?.[part] ?? 0, COMPONENTS);
  if (!Object.values(model?.card?.components ?? {}).some(Boolean)) return null;
  const rows = Array.from({ length: count }, (_, i) => ({ key: `${part} ${i}`, name: `Component ${i + 1}`, part, hint: COMPONENT }));
  const set = (key, name, gain) => alter(`${part} ${name.toLowerCase()}`, { components: { ...now.components, [key]: gain } }, key);
  return html`<${Moves} title="Components" rows=${rows} values=${now.components} set=${set}
    reset=${() => alter("resetting components", { components: { ...now.components, ...zeros(rows) } })}
    tools=${html`<${Choice} name="Components of" value=${part} set=${show} options=${[["texture", "Texture"], ["structure", "Structure"]]} />`} />`;
}

const zeros = (rows) => Object.fromEntries(rows.map(({ key }) => [key, 0]));
