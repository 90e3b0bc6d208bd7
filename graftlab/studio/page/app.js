// The page: its bar, the room that is open, what is dropped or pasted, and the keys.

import { computed, effect, signal } from "@preact/signals";
import { render } from "preact";
import { useEffect } from "preact/hooks";
import { Button, Dialog, Menu } from "./controls.js";
import { html } from "./html.js";
import { Jobs } from "./jobs.js";
import { before } from "./picture.js";
import { rooms } from "./rooms.js";
import { saveSession, take } from "./take.js";
import { know, library, photos } from "./shelf.js";
import { knowVideos } from "./videos.js";
import { apply, begin, doc, redo, redoable, undo, undoable } from "./store.js";
import { call, connect, connection } from "./wire.js";
import { Words, say } from "./words.js";

const models = signal([]); // as the server lists them
const swappers = computed(() => models.value.filter(({ kind }) => kind === "swapping-autoencoder"));
const cards = signal({}); // name -> all that is known of a model
const room = signal(rooms[0]);
const helping = signal(false);
const dragging = signal(false);

const model = computed(() => {
  const known = models.value.find(({ name }) => name === doc.value?.model);
  return known && { ...known, card: cards.value[known.name] ?? null };
});

// -- beginning ------------------------------------------------------------------------------------------------------

async function start() {
  const [found, all, videos, { there }] = await Promise.all(
    ["photos", "models", "videos", "library"].map((what) => call(`/api/${what}`)));
  library.value = there;
  know(found);
  knowVideos(videos);
  models.value = all;
  begin(created(found, all), usable);
  effect(() => {
    const name = doc.value.model;
    if (!cards.peek()[name]) call(`/api/models/${encodeURIComponent(name)}`).then(
      (card) => (cards.value = { ...cards.peek(), [name]: card }),
      (error) => say(error.message, "trouble"),
    );
  });
  connect();
}

/** A new document: photos on both shelves, and each room's first part. */
function created(found, all) {
  const ids = found.map(({ id }) => id);
  const first = { model: (all.find(({ begins }) => begins) ?? all[0])?.name, shelves: { structures: ids, textures: ids } };
  return rooms.reduce((made, { name, first }) => ({ ...made, [name]: first(made) }), first);
}

/** A document that was kept, if all its photos are still on the server; rooms that it does not know begin anew. */
function usable(kept) {
  const ids = [...kept.shelves.structures, ...kept.shelves.textures];
  if (!ids.length || !ids.every((id) => id in photos.value) || !models.value.some(({ name }) => name === kept.model)) return null;
  return rooms.reduce((made, { name, first }) => (name in made ? made : { ...made, [name]: first(made) }), kept);
}

function go() {
  room.value = rooms.find(({ name }) => name === location.hash.slice(1).split("?")[0]) ?? rooms[0];
}
addEventListener("hashchange", go);
go();

// -- keys, drops and pastes -----------------------------------------------------------------------------------------

function key(event) {
  const typing = event.target.matches("input[type=text], textarea, select");
  const command = event.ctrlKey || event.metaKey;
  const letter = event.key.toLowerCase();
  const step = command && letter === "z" ? (event.shiftKey ? again : back) : command && letter === "y" ? again : null;
  if (step) step();
  else if (typing || command || event.altKey || document.querySelector("dialog[open]")) return;
  else if (letter === "?") helping.value = true;
  else if (letter === "b") before.value = true;
  else if (/^[1-9]$/.test(letter) && rooms[letter - 1]) location.hash = rooms[letter - 1].name;
  else {
    const button = document.querySelector(`[data-key="${CSS.escape(letter)}"]`);
    if (!button) return;
    button.click();
  }
  event.preventDefault();
}
addEventListener("keydown", key);
addEventListener("keyup", ({ key }) => key.toLowerCase() === "b" && (before.value = false));
addEventListener("blur", () => (before.value = false));

const back = () => told(undo(), "Undone");
const again = () => told(redo(), "Done again");
const told = (name, word) => say(name ? `${word}: ${name}` : "There is nothing more");

const taking = (files, shelf) => take(files, shelf, room.peek());
const shelfOf = (event) => event.target.closest?.("[data-shelf]")?.dataset.shelf ?? null;

addEventListener("dragover", (event) => {
  event.preventDefault();
  dragging.value = event.dataTransfer.types.includes("Files");
});
addEventListener("dragleave", (event) => !event.relatedTarget && (dragging.value = false));
addEventListener("drop", (event) => {
  event.preventDefault();
  dragging.value = false;
  const [shelf, id] = [shelfOf(event), event.dataTransfer.getData("text/graft-photo")];
  if (event.dataTransfer.files.length) taking([...event.dataTransfer.files], shelf);
  else if (id in photos.value) apply("laying a photo elsewhere", (now) => room.peek().took(now, [id], shelf));
});
addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files ?? [])];
  if (files.length) taking(files, shelfOf({ target: document.activeElement }));
});

// -- the page -------------------------------------------------------------------------------------------------------

function App() {
  const open = room.value;
  useEffect(() => void (document.title = `${open.title} · graftlab studio`), [open]);
  if (!doc.value) return html`<${Opening} open=${open} />`;
  const change = (name, patch, key) => apply(name, { [open.name]: patch }, key);
  return html`<div class=${`studio ${dragging.value ? "dragging" : ""}`}>
    <header class="bar">
      <${Title} />
      <${Tabs} open=${open} />
      <div class="tools" role="group" aria-label="Document">
        <${Menu} name="Model" value=${doc.value.model} set=${(name) => apply("another model", { model: name })}
          options=${swappers.value.map(({ name, size }) => [name, `${name} (${size} px)`])} />
        <${Jobs} />
        <${Button} name=${`Undo ${undoable.value ?? ""}`} keys="Ctrl Z" sign="undo" disabled=${!undoable.value} onClick=${back} />
        <${Button} name=${`Redo ${redoable.value ?? ""}`} keys="Ctrl Shift Z" sign="redo" disabled=${!redoable.value}
          onClick=${again} />
        <${Button} name="Save session" sign="save" onClick=${saveSession} />
        <${Button} name="Keys" keys="?" sign="help" onClick=${() => (helping.value = true)} />
      </div>
    </header>
    ${connection.value !== "open" && connection.value !== "opening" && html`<p class="connection" role="alert">
      ${connection.value === "ended" ? ENDED : "The connection is lost; trying again. Nothing of yours is gone."}</p>`}
    <main>
      <div id="room" role="tabpanel" aria-labelledby=${`tab-${open.name}`}>
        <${open.Room} part=${doc.value[open.name]} model=${model.value} change=${change} take=${taking} />
      </div>
    </main>
    <${Words} />
    ${helping.value && html`<${Keys} />`}
  </div>`;
}

/** What is there while the server is still getting ready. */
function Opening({ open }) {
  return html`<div class="studio">
    <header class="bar"><${Title} /><${Tabs} open=${open} /></header>
    <main class="opening"><p role="status">${connection.value === "ended" ? ENDED : "Opening the studio"}</p></main>
    <${Words} />
  </div>`;
}

function Title() {
  return html`<h1><img src="/mark.svg" alt="" width="20" height="20" />graftlab <span>studio</span></h1>`;
}

const ENDED = "This studio has ended. Start 'graft studio' again, and open the address that it prints.";

function Tabs({ open }) {
  useEffect(() => document.getElementById(`tab-${open.name}`).scrollIntoView({ block: "nearest", inline: "nearest" }), [open]);
  const key = (event) => {
    const way = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!way) return;
    const next = rooms[(rooms.indexOf(open) + way + rooms.length) % rooms.length];
    location.hash = next.name;
    document.getElementById(`tab-${next.name}`).focus();
  };
  return html`<div class="tabs" role="tablist" aria-label="Rooms" onKeyDown=${key}>
    ${rooms.map((one) => html`<button key=${one.name} type="button" role="tab" id=${`tab-${one.name}`}
      aria-selected=${one === open} aria-controls="room" tabindex=${one === open ? 0 : -1}
      onClick=${() => (location.hash = one.name)}>${one.title}</button>`)}
  </div>`;
}

const KEYS = [
  ["Ctrl Z", "undo"], ["Ctrl Shift Z", "redo"], ["1 … 9", "rooms"], ["B, or hold the picture", "before"], ["S", "split before and after"],
  ["F", "full screen"], ["+ − 0", "on a picture: nearer, farther, whole"], ["Space", "hold and drag: move the picture"],
  ["X", "exchange structure and texture"], ["[ ]", "smaller and larger brush"], ["P", "play a film"], ["Enter", "on a picture: use the tool at its place"],
  ["Arrows", "on a shelf: choose; on a slider: nudge (Shift: by ten); on a picture: move"], ["Delete", "remove from a shelf"],
  ["L", "on a shelf, with a collection: more like this"],
  ["Double click", "reset a slider"], ["?", "this list"],
];

function Keys() {
  return html`<${Dialog} title="Keys" close=${() => (helping.value = false)}>
    <dl class="keys">${KEYS.map(([keys, words]) => html`<div key=${keys}><dt><kbd>${keys}</kbd></dt><dd>${words}</dd></div>`)}</dl>
    <p>Drop or paste photos anywhere. A picture that was saved here opens again as it was made.</p>
  <//>`;
}

render(html`<${App} />`, document.getElementById("studio"));
start().catch((error) => say(error.message, "trouble"));
