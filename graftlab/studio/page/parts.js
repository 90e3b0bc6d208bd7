// Parts: what a layer of a network tells apart in its pictures, as coloured regions over them, of which some come from B.

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { Button, Choice, Group, Slider, Typed } from "./controls.js";
import { html } from "./html.js";
import { Share, isGoing } from "./jobs.js";
import { call, jobs, run } from "./wire.js";
import { say } from "./words.js";

const [FEWEST, MOST, MOST_AMOUNT] = [2, 16, 10];
const WHAT = [[false, "Their channels"], [true, "All, where they lie"]];
const fitted = signal(new Set()); // keys of layers whose parts are known
const shown = signal(null); // regions in a picture: { key, width, height, labels, names, areas }
const pointed = signal(null); // the part whose name the pointer is over
const visible = signal(true);
const started = new Set();

const keyOf = (model, { layer, count }) => `${model} ${layer} ${count}`;
const hue = (index, count) => Math.round((360 * index) / count + 20);

/** What is taken of a layer's parts: its amounts, none if the layer is cut into another number of them. */
export const amountsOf = (part) =>
  part.layers.find(({ layer, count }) => layer === part.layer && count === part.count)?.amounts ?? {};

/** The layers of which something is taken, when one part of `part.layer` is taken by an amount, or not (null). */
function taken(part, name, amount) {
  const { [name]: _, ...others } = amountsOf(part);
  const amounts = amount === null ? others : { ...others, [name]: amount };
  const rest = part.layers.filter(({ layer }) => layer !== part.layer);
  return Object.keys(amounts).length ? [...rest, { layer: part.layer, count: part.count, amounts }] : rest;
}

/** Look for parts where that has not been done, and then for where they are in the picture of a scene. Returns these. */
export function useRegions(part, scene, on) {
  const { model } = scene ?? {};
  const key = keyOf(model, part);
  const known = fitted.value.has(key);
  const text = JSON.stringify(scene);
  useEffect(() => {
    if (!on || !scene || known || started.has(key)) return;
    started.add(key);
    run({ kind: "clusters", model, layer: part.layer, count: part.count }).then(
      ({ state }) => (state === "done" ? (fitted.value = new Set([...fitted.peek(), key])) : started.delete(key)),
      (error) => (started.delete(key), say(error.message, "trouble")),
    );
  }, [on && key, Boolean(scene)]);
  useEffect(() => {
    if (!on || !scene || !known) return;
    let wanted = true;
    call("/api/regions", { scene, layer: part.layer, count: part.count }).then(
      (told) => wanted && (shown.value = { ...told, key, labels: Uint8Array.from(atob(told.labels), (one) => one.charCodeAt(0)) }),
      (error) => wanted && say(error.message, "trouble"),
    );
    return () => (wanted = false);
  }, [on && text, key, known]);
  return on && shown.value?.key === key ? shown.value : null;
}

/** What a picture needs to show regions and let one be chosen: its `tool` and its `overlay`. */
export function chooser(part, regions, change) {
  if (!regions || !visible.value) return {};
  const choose = (name) => change(...toggling(part, name));
  const begin = ({ x, y }) => {
    if (x < 0 || y < 0 || x >= 1 || y >= 1) return;
    const place = Math.floor(y * regions.height) * regions.width + Math.floor(x * regions.width);
    choose(regions.names[regions.labels[place]]);
  };
  const amounts = amountsOf(part);
  const overlay = (context, area) => {
    context.save();
    context.imageSmoothingEnabled = true;
    context.drawImage(painted(regions, amounts, pointed.value), area.x, area.y, area.width, area.height);
    context.restore();
  };
  return { tool: { name: "Parts", begin, move() {}, end() {}, cursor: null }, overlay };
}

const toggling = (part, name) => (name in amountsOf(part)
  ? [`without part ${name}`, { layers: taken(part, name, null) }] : [`part ${name} from B`, { layers: taken(part, name, 1) }]);

function painted({ width, height, labels, names }, amounts, over) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d");
  names.forEach((name, index) => {
    const strength = name === over ? 0.7 : name in amounts ? 0.45 : over ? 0.05 : 0.2;
    context.fillStyle = `hsl(${hue(index, names.length)} 85% 55% / ${strength})`;
    labels.forEach((label, place) => label === index && context.fillRect(place % width, Math.floor(place / width), 1, 1));
  });
  return canvas;
}

/** The panel: a layer, its parts with the amount of each, and what is taken of other layers. */
export function Parts({ part, layers, regions, confined, change }) {
  const amounts = amountsOf(part);
  const going = jobs.value.find((job) => job.kind === "clusters" && isGoing(job));
  const others = part.layers.filter(({ layer }) => layer !== part.layer);
  const put = (name, amount) => change(`part ${name}`, { layers: taken(part, name, amount) }, `part ${name}`);
  return html`<${Group} title="Parts from B" tools=${html`<${Button} name="Show regions" sign="before" keys="M" data-key="m"
      pressed=${visible.value} onClick=${() => (visible.value = !visible.value)} />`}>
    <div><${Choice} name="Layer" value=${part.layer} options=${layers.map((one) => [`${one}`, `${one}`])}
      set=${(layer) => change("another layer", { layer })} /></div>
    ${confined && html`<div><${Choice} name="What comes from B" value=${part.local} options=${WHAT}
      set=${(local) => change(local ? "all of B, in places" : "channels of B", { local })} /></div>`}
    <div class="number"><span aria-hidden="true">Parts that it is cut into</span><${Typed} name="Number of parts" value=${part.count}
      lowest=${FEWEST} highest=${MOST} set=${(count) => change("the number of parts", { count: Math.round(count) }, "count")} /></div>
    ${going && html`<div class="row" role="status"><span class="hint">Looking for parts</span><${Share} job=${going} /></div>`}
    <ul class="parts" onPointerLeave=${() => (pointed.value = null)}>${(regions?.names ?? []).map((name, index) => html`<li key=${name}
        onPointerEnter=${() => (pointed.value = name)} onFocusIn=${() => (pointed.value = name)} onFocusOut=${() => (pointed.value = null)}>
      <label><input type="checkbox" checked=${name in amounts} onChange=${() => change(...toggling(part, name))} />
        <i style=${{ background: `hsl(${hue(index, regions.names.length)} 85% 55%)` }} />Part ${name}
        <small>${Math.round(100 * regions.areas[index])}%</small></label>
      ${name in amounts && !part.local && html`<${Slider} name=${`Amount of part ${name}`} value=${amounts[name]} usual=${1} zero=${0}
        highest=${MOST_AMOUNT} set=${(amount) => put(name, amount)} />`}
    </li>`)}</ul>
    ${!part.local && html`<div class="row">
      <${Button} pressed=${part.reverse} title="The parts from A, all else from B"
        onClick=${() => change("the other way round", { reverse: !part.reverse })}>All else<//>
      <${Button} pressed=${part.hard} title="Each channel belongs to one part, not to all in proportion"
        onClick=${() => change("whole channels", { hard: !part.hard })}>Whole channels<//>
    </div>`}
    ${others.length > 0 && !part.local && html`<p class="hint">${others.map(({ layer, amounts }) => `${Object.keys(amounts).length} at ${layer} px`).join(", ")} too
      <${Button} onClick=${() => change("only this layer", { layers: part.layers.filter(({ layer }) => layer === part.layer) })}>Only this layer<//></p>`}
    <p class="hint">${part.local ? "Click the picture, or tick parts: B is drawn where they lie, A everywhere else."
      : 'Click the picture, or tick parts. One layer changes a little, several change more, and "All else" most.'}</p>
  <//>`;
}
