// The page that `graft export web` writes: two shelves, a picture, and what changes it. Made of the studio's modules.

import { computed, signal } from "@preact/signals";
import { render } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { closeCamera, openCamera, seen, shot } from "./camera.js";
import { Button, Group, Menu } from "./controls.js";
import { Controllers, Faders } from "./faders.js";
import { html } from "./html.js";
import * as midi from "./midi.js";
import { Picture } from "./picture.js";
import { Shelf, bring, know, laid, named, photos, picture, squared } from "./shelf.js";
import { apply, begin, doc, redo, undo } from "./store.js";
import { download, engine, example, open, read, useLive } from "./wire.js";
import { whole } from "./whole.js";
import { Words, say } from "./words.js";

const LIMIT = 3; // standard deviations, of what a slider of a direction reaches
const site = signal(null);
const trouble = signal(null); // why the page or the model could not be opened
const filming = signal(false);
const isolable = signal(false); // whether the page would have several threads if it were loaded again
const part = computed(() => doc.value.swap);

// -- beginning ------------------------------------------------------------------------------------------------------

/** See to it that the page has several threads from the next time on: a service worker adds the headers for that. To
 *  load the page again at once would keep its first picture waiting. */
async function isolate() {
  if (crossOriginIsolated || !isSecureContext || !navigator.serviceWorker) return;
  try {
    await navigator.serviceWorker.register("./isolated.js");
    await navigator.serviceWorker.ready;
    isolable.value = true;
  } catch {
    // a private window, for instance, stays with one thread
  }
}

async function start() {
  const told = await (await whole("site.json", document.querySelector("meta[name=site]").content)).json();
  const opening = open(told);
  know(await Promise.all(told.photos.map(example)));
  const ids = told.photos.map(({ name }) => name);
  begin({
    shelves: { structures: ids, textures: ids },
    swap: { structure: ids[0], texture: ids[1], amount_texture: 1, amount_structure: 0, directions: {}, size: told.size, links: {} },
  }, () => null); // photos that were dropped are gone with the page
  site.value = told;
  document.title = `${told.name} · graftlab`;
  await opening;
  if (!engine.value.startsWith("graphics")) await isolate();
}

// -- drops, pastes, keys --------------------------------------------------------------------------------------------

async function take(files, shelf) {
  const found = (await bring(files, shelf ?? "structures")).map(({ id }) => id);
  const one = shelf === "textures" ? "texture" : "structure";
  if (found.length) apply(`adding ${named(found[0])}`, (now) => ({ ...laid(now, `${one}s`, found), swap: { [one]: found[0] } }));
}

const shelfOf = (event) => event.target.closest?.("[data-shelf]")?.dataset.shelf ?? null;
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  const id = event.dataTransfer.getData("text/graft-photo");
  const shelf = shelfOf(event) ?? "structures";
  if (event.dataTransfer.files.length) take([...event.dataTransfer.files], shelf);
  else if (id in photos.value) apply("laying a photo elsewhere", (now) => ({
    ...laid(now, shelf, [id]), swap: { [shelf.slice(0, -1)]: id },
  }));
});
addEventListener("paste", ({ clipboardData }) => clipboardData?.files.length && take([...clipboardData.files], null));
addEventListener("keydown", (event) => {
  const letter = event.key.toLowerCase();
  if (event.target.matches("input[type=text], select")) return;
  if ((event.ctrlKey || event.metaKey) && letter === "z") event.shiftKey ? redo() : undo();
  else if (event.ctrlKey || event.metaKey || event.altKey) return;
  else document.querySelector(`[data-key="${CSS.escape(letter)}"]`)?.click();
});

// -- the page -------------------------------------------------------------------------------------------------------

function App() {
  return html`<div class="studio">
    <header class="bar"><h1><img src="./mark.svg" alt="" width="20" height="20" />graftlab <span>${site.value?.name}</span></h1></header>
    <main>${site.value ? html`<div id="room"><${Room} /></div>` : html`<div class="opening"><p role="status">${trouble.value ?? "Opening the page"}</p></div>`}</main>
    <${Words} />
  </div>`;
}

const change = (name, patch, key) => apply(name, { swap: patch }, key);

/** All that can be moved, by hand or by a knob of MIDI. */
function controls({ amount_texture, amount_structure, directions }) {
  const amount = (name, title, field, value, more) => ({
    name, title, value, part: name, min: 0, max: 1, set: (value) => change(`amount of ${name}`, { [field]: value }, name), ...more,
  });
  return [
    amount("texture", "Texture", "amount_texture", amount_texture, { usual: 1, zero: 0, lowest: -1, highest: 2 }),
    amount("structure", "Structure", "amount_structure", amount_structure),
    ...site.value.directions.map(({ name, part, told }) => ({
      name, title: name, hint: told, part, value: directions[name] ?? 0, min: -LIMIT, max: LIMIT, step: 0.05, lowest: -20, highest: 20,
      direction: true, set: (gain) => change(name, { directions: { [name]: gain } }, name),
    })),
  ];
}

let shown = null; // time of the camera's picture that was drawn last
const size = () => part.value.size;
function camera() {
  const time = seen();
  if (time === null || time === shown) return null;
  shown = time;
  return read(shot(size()));
}

function Room() {
  const now = part.value;
  const { structure, texture } = now;
  const live = filming.value;
  const both = structure && texture;
  const scene = both ? { ...now, links: undefined, square: !live && squared(now.amount_structure, structure, texture) } : null;
  const frame = useLive("swap", scene, live ? camera : null);
  const rows = controls(now);
  const latest = useRef({});
  latest.current = { controls: rows, part: now, change };
  useEffect(() => () => midi.ignore(), []);
  const shelf = (one, title, upright) => html`<${Shelf} shelf=${`${one}s`} title=${title} part=${one} upright=${upright}
    chosen=${now[one]} pick=${(id) => ({ swap: { [one]: id } })} take=${take} />`;
  const caption = both ? html`<span class="structure">${live ? "Camera" : named(structure)}</span><i class="cut"><span
    class="unseen"> with the texture of </span></i><span class="texture">${named(texture)}</span>` : "Put a photo on each shelf.";
  return html`<div class="room swap one">
    <div class="crossing">
      <div class="corner" aria-hidden="true" />
      ${shelf("texture", "Textures", false)}
      ${shelf("structure", "Structures", true)}
      <${Picture} frame=${frame} earlier=${live ? null : picture(structure)} caption=${caption}
        label=${both ? `${live ? "The camera" : named(structure)} with the texture of ${named(texture)}` : "No picture yet"} />
    </div>
    <aside class="panel" aria-label="Controls">
      <${Faders} title="How much of the other picture" rows=${rows.filter(({ direction }) => !direction)} links=${now.links} />
      <${Faders} title="Directions" rows=${rows.filter(({ direction }) => direction)} links=${now.links} />
      <${Group} title="Picture">
        <div class="row">
          <${Button} sign="exchange" data-key="x" keys="X" name="Exchange the two pictures" onClick=${exchange}>Exchange<//>
          <${Button} sign="before" pressed=${live} onClick=${toggle}>Camera<//>
          <${Button} sign="save" class="main" disabled=${!frame.value.bitmap} onClick=${() => save(frame.value.bitmap)}>Save<//>
        </div>
        <${Menu} name="Size" value=${now.size} set=${(size) => change("the size", { size: Number(size) })}
          options=${[1, 1.5, 2, 3].map((times) => times * site.value.size).map((side) => [side, `${side} px`])} />
      <//>
      <${Controllers} part=${now} change=${change} latest=${latest} />
      <${Group} title="About">
        <p class="hint">Drop, paste or choose photos. They stay here: this page computes everything itself and sends nothing.</p>
        <p class="hint" role="status">${trouble.value ?? (engine.value ? `${site.value.name}, on this machine's ${engine.value}` : "Opening the model")}${
          frame.value.ms ? `, ${Math.round(frame.value.ms)} ms a picture` : ""}</p>
        ${isolable.value && html`<${Button} name="Load the page again, without the photos that were dropped, for more threads"
          onClick=${() => location.reload()}>Use all processors<//>`}
      <//>
    </aside>
  </div>`;
}

function exchange() {
  apply("exchanging", ({ shelves, swap: { structure, texture } }) => ({
    shelves: {
      structures: [...new Set([...shelves.structures, texture])], textures: [...new Set([...shelves.textures, structure])],
    },
    swap: { structure: texture, texture: structure },
  }));
}

async function toggle() {
  if (filming.value) {
    filming.value = false;
    return closeCamera();
  }
  await openCamera().then(() => (filming.value = true), (error) => say(error.message, "trouble"));
}

async function save(bitmap) {
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  const address = URL.createObjectURL(await canvas.convertToBlob());
  download(address, "swap.png");
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

render(html`<${App} />`, document.getElementById("studio"));
start().catch((error) => (trouble.value = error.message));
