// Photos: those that the server holds for us, and the shelves on which a person lays them out.

import { signal } from "@preact/signals";
import { useId, useRef } from "preact/hooks";
import { Sign, html } from "./html.js";
import { apply, doc } from "./store.js";
import { call, photoAddress } from "./wire.js";
import { say } from "./words.js";

export const photos = signal({}); // id -> { id, name, width, height }
export const coming = signal({}); // shelf -> how many photos are on their way to it

export const library = signal(false); // whether there is a collection in which photos are found

export const thumbnail = (id) => photoAddress(id, 160);
export const picture = (id) => id && photoAddress(id);
export const named = (id) => (photos.value[id]?.name ?? "photo").replace(/^@|\.\w{1,5}$/g, "");

/** Whether two photos are to be cropped to squares: their structures are mixed, and they differ in shape. */
export function squared(amount, ...ids) {
  const shapes = ids.map((id) => photos.value[id]).filter(Boolean).map(({ width, height }) => width / height);
  return amount !== 0 && shapes.some((shape) => Math.abs(shape / shapes[0] - 1) > 0.001);
}

/** Bring files to the server. Returns what it tells of each; those that it refuses are said aloud. */
export async function bring(files, shelf) {
  coming.value = { ...coming.value, [shelf]: (coming.value[shelf] ?? 0) + files.length };
  const found = [];
  for (const file of files) {
    const form = new FormData();
    form.append("files", file, file.name);
    try {
      found.push(...(await call("/api/photos", form)));
    } catch (error) {
      say(error.message, "trouble");
    }
    coming.value = { ...coming.value, [shelf]: coming.value[shelf] - 1 };
  }
  know(found);
  return found;
}

export function know(list) {
  photos.value = { ...photos.value, ...Object.fromEntries(list.map((photo) => [photo.id, photo])) };
}

/** The patch by which photos lie on a shelf, the first of them first. */
export function laid(now, shelf, ids) {
  const others = now.shelves[shelf].filter((id) => !ids.includes(id));
  return { shelves: { [shelf]: [...ids, ...others] } };
}

/** Lay photos of the collection beside one whose `part` is like its own. */
async function more(id, shelf, part) {
  coming.value = { ...coming.value, [shelf]: (coming.value[shelf] ?? 0) + 1 };
  try {
    const found = await call(`/api/photos/${id}/like`, { model: doc.value.model, part });
    know(found);
    const fresh = found.map((one) => one.id).filter((one) => !doc.value.shelves[shelf].includes(one));
    if (!fresh.length) say(`All that is like ${named(id)} lies here`);
    apply(`more like ${named(id)}`, { shelves: { [shelf]: (now) => now.flatMap((one) => (one === id ? [one, ...fresh] : [one])) } });
  } catch (error) {
    say(error.message, "trouble");
  }
  coming.value = { ...coming.value, [shelf]: coming.value[shelf] - 1 };
}

/** A row of photos of which one is chosen. Arrows choose another, Delete removes the one that is chosen, L
 *  lays more beside it that are like it.
 *
 *  `pick(id)` is the patch of the document by which a photo is chosen, or none (null), as by a second click if `optional`;
 *  `over(id)` is told over which photo the pointer is, null when it leaves; `take(files, shelf)` takes what is picked. */
export function Shelf({ shelf, title, part, chosen, pick, take, over = () => {}, optional = false, upright = false }) {
  const ids = doc.value.shelves[shelf];
  const heading = useId();
  const list = useRef(null);
  const picker = useRef(null);
  const choose = (id) => {
    const next = optional && id === chosen ? null : id;
    apply(next ? `choosing ${named(next)}` : `leaving ${named(id)}`, pick(next), `choosing ${shelf}`);
  };
  const focus = (index) => {
    const id = ids[Math.min(Math.max(index, 0), ids.length - 1)];
    if (!id || id === chosen) return;
    choose(id);
    requestAnimationFrame(() => list.current?.querySelector('[aria-selected="true"]')?.focus());
  };
  const remove = (id) => {
    const left = ids.filter((one) => one !== id);
    const next = id !== chosen ? chosen : optional ? null : (left[Math.min(ids.indexOf(id), left.length - 1)] ?? null);
    over(null);
    apply(`removing ${named(id)}`, { ...pick(next), shelves: { [shelf]: left } });
  };
  const key = (event) => {
    const index = ids.indexOf(chosen);
    const way = { ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1, Home: -ids.length, End: ids.length }[event.key];
    if (way) focus(index + way);
    else if ((event.key === "Enter" || event.key === " ") && document.activeElement.dataset.id)
      choose(document.activeElement.dataset.id);
    else if ((event.key === "Delete" || event.key === "Backspace") && document.activeElement.dataset.id) {
      remove(document.activeElement.dataset.id);
      requestAnimationFrame(() => list.current?.querySelector('[tabindex="0"]')?.focus());
    } else if (event.key === "l" && library.value && document.activeElement.dataset.id)
      more(document.activeElement.dataset.id, shelf, part);
    else return;
    event.preventDefault();
  };
  const drag = (event, id) => {
    event.dataTransfer.setData("text/graft-photo", id);
    event.dataTransfer.effectAllowed = "copy";
  };
  const stop = ids.includes(chosen) ? chosen : ids[0]; // where Tab stops
  return html`<section class=${`shelf ${part} ${upright ? "upright" : ""}`} data-shelf=${shelf} aria-labelledby=${heading}>
    <h2 id=${heading}>${title}</h2>
    <ul role="listbox" aria-labelledby=${heading} aria-orientation=${upright ? "vertical" : "horizontal"} ref=${list}
      onKeyDown=${key} onPointerLeave=${() => over(null)}>
      ${ids.map((id) => html`<li key=${id} role="option" aria-selected=${id === chosen} aria-label=${named(id)}
          title=${named(id)} data-id=${id} tabindex=${id === stop ? 0 : -1} draggable="true" onDragStart=${(event) => drag(event, id)}
          onClick=${() => choose(id)} onPointerEnter=${(event) => event.pointerType === "mouse" && over(id)}
          onFocus=${() => over(null)}>
        <img src=${thumbnail(id)} alt="" loading="lazy" draggable="false" />
        <span class="off" title=${`Remove ${named(id)}`} aria-hidden="true"
          onClick=${(event) => (event.stopPropagation(), remove(id))}><${Sign} name="remove" /></span>
        ${library.value && id === chosen && html`<span class="more" title=${`More like ${named(id)}, in its ${part} (L)`} aria-hidden="true"
          onClick=${(event) => (event.stopPropagation(), more(id, shelf, part))}><${Sign} name="near" /></span>`}
      </li>`)}
    </ul>
    ${Array.from({ length: coming.value[shelf] ?? 0 }, (_, i) => html`<span key=${i} class="coming" aria-hidden="true" />`)}
    <button type="button" class="add" aria-label=${`Add photos: ${title}`} title="Add photos; or drop or paste them"
      onClick=${() => picker.current.click()}><${Sign} name="add" /></button>
    <input type="file" accept="image/*" multiple hidden ref=${picker} aria-label=${`Photos: ${title}`}
      onChange=${(event) => {
        take([...event.currentTarget.files], shelf);
        event.currentTarget.value = "";
      }} />
  </section>`;
}
