// Panorama: photos side by side on a strip, each over the next by as much as their seam is dragged to.

import { signal } from "@preact/signals";
import { useRef, useState } from "preact/hooks";
import { Button, Choice, Group, Slider, Typed } from "../controls.js";
import { Details } from "../details.js";
import { Sign, html } from "../html.js";
import { Output } from "../output.js";
import { Picture } from "../picture.js";
import { Shelf, laid, named, photos, thumbnail } from "../shelf.js";
import { doc, settle } from "../store.js";
import { useLive } from "../wire.js";

const OVERLAP = 0.5; // of neighbours, as a share of the height
const MOST = 0.9; // of the narrower of two
const NEAR = 14; // pixels from a seam at which it is taken hold of
const HEIGHTS = [256, 512, 768, 1024, 1536, 2048];
const FADES = [["alike", "Where alike"], ["fade", "Cross-fade"]];
const TEXTURES = [["own", "Each its own"], ["mix", "Mean of all"]];

const chosen = signal(0); // the place on the strip that the shelf and the keys change

export const panorama = {
  name: "panorama",
  title: "Panorama",
  kinds: ["panorama"],
  first: ({ shelves: { structures } }) => ({ items: fresh([], structures.slice(0, 3)), fade: null, texture: null, refine: 0 }),
  Room,
  took: (now, ids, shelf) => (shelf === "textures"
    ? { ...laid(now, "textures", ids), panorama: { texture: ids[0] } }
    : { ...laid(now, "structures", ids), panorama: { items: [...now.panorama.items, ...fresh(now.panorama.items, ids)] } }),
  restore: (now, { model, pictures, overlaps, fade = null, texture = null, refine = 0 }) => ({
    model,
    shelves: {
      ...laid(now, "structures", [...new Set(pictures)]).shelves,
      ...(texture && texture !== "mix" && laid(now, "textures", [texture]).shelves),
    },
    panorama: { items: pictures.map((photo, id) => ({ id, photo, overlap: overlaps[id] ?? OVERLAP })), fade, texture, refine },
  }),
};

/** Places for photos behind those that are there; `overlap` is that with the next. */
function fresh(items, ids) {
  const free = Math.max(-1, ...items.map(({ id }) => id)) + 1;
  return ids.map((photo, i) => ({ id: free + i, photo, overlap: OVERLAP }));
}

/** Where all lie, in heights of the strip: { square, widths, starts, overlaps, total }. */
function laidOut(items) {
  const shapes = items.map(({ photo }) => photos.value[photo]).map((one) => (one ? one.width / one.height : 1));
  const square = shapes.some((shape) => shape < 1) && shapes.some((shape) => Math.abs(shape / shapes[0] - 1) > 0.001);
  const widths = shapes.map((shape) => (square ? 1 : shape));
  const overlaps = items.slice(0, -1).map(({ overlap }, i) => Math.min(overlap, MOST * Math.min(widths[i], widths[i + 1])));
  const starts = widths.reduce((found, _, i) => [...found, i ? found[i - 1] + widths[i - 1] - overlaps[i - 1] : 0], []);
  return { square, widths, starts, overlaps, total: widths.length ? starts.at(-1) + widths.at(-1) : 1 };
}

function Room({ part, model, change, take }) {
  const [over, hover] = useState({}); // the photo that the pointer is over, on one of the shelves
  const [width, widen] = useState(null); // of what is saved, pixels, if somebody typed one
  const [held, hold] = useState(null); // the seam that is dragged: { seam, from, overlap }
  const place = Math.min(chosen.value, part.items.length - 1);
  const items = part.items.map((one, i) => (i === place && over.picture ? { ...one, photo: over.picture } : one));
  const lie = laidOut(items);
  const scene = items.length && model ? {
    kind: "panorama", model: model.name, square: lie.square, pictures: items.map(({ photo }) => photo), overlaps: lie.overlaps,
    fade: part.fade, texture: over.texture ?? part.texture, refine: part.refine,
  } : null;
  const frame = useLive("panorama", scene);
  const set = (name, index, patch, key) => change(name, {
    items: part.items.map((one, i) => (i === index ? { ...one, ...patch } : one)),
  }, key && `${key} ${index}`);
  const join = (seam, overlap) => {
    const most = MOST * Math.min(lie.widths[seam], lie.widths[seam + 1]);
    set("a seam", seam, { overlap: Math.round(1e3 * Math.min(Math.max(overlap, 0), most)) / 1e3 }, "seam");
  };
  const middles = lie.overlaps.map((overlap, i) => (lie.starts[i + 1] + overlap / 2) / lie.total);
  const tool = {
    name: "seam",
    cursor: 0,
    begin: ({ x }) => {
      const width = document.querySelector(".panorama .box canvas").clientWidth;
      const far = middles.map((middle, i) => Math.abs(middle - x) / Math.max(NEAR / width, lie.overlaps[i] / lie.total / 2));
      const seam = far.findIndex((one) => one <= 1 && one === Math.min(...far));
      if (seam >= 0) hold({ seam, from: x, overlap: lie.overlaps[seam], total: lie.total });
      else chosen.value = Math.max(0, lie.starts.findLastIndex((start) => start / lie.total <= x));
    },
    move: ({ x }) => held && join(held.seam, held.overlap + (held.from - x) * held.total),
    end: () => (settle(), hold(null)),
  };
  const overlay = (context, area) => seams(context, area, lie, held?.seam);
  const pick = (photo) => (photo === null ? without(part.items, place)
    : { panorama: { items: part.items.map((one, i) => (i === place ? { ...one, photo } : one)) } });
  return html`<div class="room panorama">
    <div class="crossing">
      <div class="corner" aria-hidden="true" />
      <${Shelf} shelf="textures" title="Textures" part="texture" optional take=${take} over=${(texture) => hover({ texture })}
        chosen=${part.texture} pick=${(texture) => ({ panorama: { texture } })} />
      <${Shelf} shelf="structures" title="Pictures" part="structure" upright take=${take}
        over=${(picture) => hover({ picture })} chosen=${part.items[place]?.photo} pick=${pick} />
      <div class="stage">
        <${Picture} frame=${frame} tool=${tool} overlay=${overlay}
          label=${`A panorama of ${part.items.map(({ photo }) => named(photo)).join(", ") || "nothing yet"}`}
          caption=${html`<${Caption} part=${part} />`} />
        <${Strip} items=${part.items} lie=${lie} place=${place} change=${change} join=${join} />
      </div>
    </div>
    <aside class="panel" aria-label="Controls">
      <${Seams} part=${part} lie=${lie} place=${place} change=${change} join=${join} />
      <${Group} title="Texture">
        <div><${Choice} name="Texture" value=${part.texture ?? "own"} options=${TEXTURES}
          set=${(value) => change("whose texture", { texture: value === "own" ? null : value })} /></div>
        <p class="hint">Or one for all: choose it on the shelf of textures.</p>
        <div class="row"><${Details} part=${part} change=${change} /></div>
      <//>
      <${Group} title="Width">
        <div class="row"><${Typed} name="Width of the saved panorama, pixels" value=${width ?? Math.round(1024 * lie.total)}
          lowest=${64} highest=${Math.floor(HEIGHTS.at(-1) * lie.total)} step=${64} set=${widen} /> px wide</div>
      <//>
      <${Output} key=${width} scene=${scene} own=${model?.size} what="panorama" sizes=${sizes(lie, width)} />
    </aside>
  </div>`;
}

/** Heights at which it can be saved, with the widths that it then has; a width that somebody typed comes first. */
function sizes({ total }, width) {
  const told = (height) => `${Math.round(height * total)} × ${height}`;
  const height = width && Math.min(Math.max(Math.round(width / total), 16), HEIGHTS.at(-1));
  const usual = [["", "up to 1024 px"], ["model", "as on screen"], ...HEIGHTS.map((height) => [`${height}`, told(height)])];
  return width ? [[`${height}`, told(height)], ...usual] : usual;
}

function Caption({ part: { items, texture } }) {
  if (!items.length) return "Drop photos.";
  const other = texture && (texture === "mix" ? "their mean" : named(texture));
  return html`<span class="structure">${items.length} ${items.length === 1 ? "picture" : "pictures"}</span>${other && html`<i class="cut"><span
    class="unseen"> with the texture of </span></i><span class="texture">${other}</span>`}`;
}

/** Marks above and below the picture where neighbours meet; the overlap of the one that is dragged. */
function seams(context, area, { starts, overlaps, total }, held) {
  const x = (share) => area.x + (share / total) * area.width;
  overlaps.forEach((overlap, i) => {
    const [left, right] = [x(starts[i + 1]), x(starts[i + 1] + overlap)];
    const middle = (left + right) / 2;
    for (const [colour, width] of [["#0009", 4], ["#fff", 1.5]]) {
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.beginPath();
      for (const [y, way] of [[area.y, 1], [area.y + area.height, -1]]) {
        context.moveTo(middle, y - 4 * way);
        context.lineTo(middle, y + 12 * way);
      }
      if (i === held) for (const edge of [left, right]) {
        context.moveTo(edge, area.y);
        context.lineTo(edge, area.y + area.height);
      }
      context.stroke();
    }
  });
}

/** The patch by which a place is empty no more, the strip one shorter. */
const without = (items, place) => ({ panorama: { items: items.filter((_, i) => i !== place) } });

function moved(items, from, to) {
  const others = items.filter((_, i) => i !== from);
  return [...others.slice(0, to), items[from], ...others.slice(to)];
}

// -- the strip ------------------------------------------------------------------------------------------------------

function Strip({ items, lie, place, change, join }) {
  const list = useRef(null);
  const drag = useRef(null); // what is dragged: { id, x, going }
  const focus = (index) => {
    chosen.value = Math.min(Math.max(index, 0), items.length - 1);
    requestAnimationFrame(() => list.current?.querySelectorAll(".place")[chosen.value]?.focus());
  };
  const move = (from, to) => {
    if (to < 0 || to >= items.length || to === from) return;
    change("the order", { items: moved(items, from, to) }, "order");
    chosen.value = to;
  };
  const remove = (index) => {
    change(`removing ${named(items[index].photo)}`, without(items, index).panorama);
    if (items.length > 1) focus(Math.min(index, items.length - 2));
  };
  const key = (event) => {
    const index = event.target.closest(".place")?.dataset.place;
    const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (index === undefined || !(way || event.key === "Delete" || event.key === "Backspace")) return;
    if (!way) remove(Number(index));
    else if (event.shiftKey || event.altKey) {
      move(Number(index), Number(index) + way);
      focus(chosen.value);
    } else focus(Number(index) + way);
    event.preventDefault();
  };
  const down = (event) => {
    const one = event.target.closest(".place");
    if (!one || event.button !== 0) return;
    chosen.value = Number(one.dataset.place);
    drag.current = { id: items[chosen.value].id, x: event.clientX, going: false };
  };
  const pull = (event) => {
    const now = drag.current;
    if (!now || (!now.going && Math.abs(event.clientX - now.x) < 6)) return;
    if (!now.going) event.currentTarget.setPointerCapture(event.pointerId);
    now.going = true;
    const from = items.findIndex(({ id }) => id === now.id);
    const middles = [...list.current.querySelectorAll(".place")].map((one) => one.getBoundingClientRect())
      .map(({ left, width }) => left + width / 2);
    const before = middles.filter((middle, i) => i !== from && middle < event.clientX).length;
    move(from, before);
  };
  const up = () => {
    if (drag.current?.going) settle();
    drag.current = null;
  };
  const add = () => {
    const { structures } = doc.value.shelves;
    const next = structures.find((id) => !items.some(({ photo }) => photo === id)) ?? structures[0];
    if (!next) return;
    change("adding a picture", { items: [...items, ...fresh(items, [next])] });
    focus(items.length);
    chosen.value = items.length;
  };
  return html`<div class="strip"><ol aria-label="The strip" ref=${list} onKeyDown=${key} onPointerDown=${down} onPointerMove=${pull}
      onPointerUp=${up} onPointerCancel=${up}>
    ${items.map(({ id, photo }, i) => html`<li key=${id}>
      <button type="button" class="place" data-place=${i} aria-pressed=${i === place} title="Drag to another place"
        aria-label=${`${i + 1}: ${named(photo)}`} onClick=${() => (chosen.value = i)}>
        <img src=${thumbnail(photo)} alt="" draggable="false" style=${{ aspectRatio: lie.widths[i] }} />
      </button>
      ${i < items.length - 1 && html`<span class="joint" title="Overlap, % of the height">
        <${Typed} name=${`Overlap of ${i + 1} and ${i + 2}, % of the height`} value=${100 * lie.overlaps[i]}
          lowest=${0} highest=${800} set=${(value) => join(i, value / 100)} />%</span>`}
    </li>`)}
    <li><button type="button" class="add" aria-label="Add a picture to the strip" title="Add a picture" onClick=${add}>
      <${Sign} name="add" /></button></li>
  </ol>
  <div class="row">
    <${Button} name="Move left" sign="left" disabled=${place < 1} onClick=${() => move(place, place - 1)} />
    <${Button} name="Move right" sign="on" disabled=${place < 0 || place >= items.length - 1} onClick=${() => move(place, place + 1)} />
    <${Button} name="Remove from the strip" sign="remove" disabled=${place < 0} onClick=${() => remove(place)} />
  </div></div>`;
}

function Seams({ part, lie, place, change, join }) {
  const seam = Math.min(place, lie.overlaps.length - 1);
  const all = () => change("all overlaps alike", { items: part.items.map((one) => ({ ...one, overlap: lie.overlaps[seam] })) });
  return html`<${Group} title="Seams">
    <div><${Choice} name="Seams" value=${part.fade === null ? "alike" : "fade"} options=${FADES}
      set=${(value) => change("how they meet", { fade: value === "fade" ? 0.5 : null })} /></div>
    ${part.fade !== null && html`<${Slider} name="Fade" value=${part.fade} usual=${0.5} zero=${0} hint="Share of each overlap"
      set=${(fade) => change("the cross-fade", { fade }, "fade")} />`}
    ${seam >= 0 && html`<${Slider} name=${`Overlap ${seam + 1}, ${seam + 2}`} value=${lie.overlaps[seam]} usual=${OVERLAP} zero=${0}
        max=${Math.round(100 * MOST * Math.min(lie.widths[seam], lie.widths[seam + 1])) / 100} hint="Share of the height"
        set=${(overlap) => join(seam, overlap)} />
      <div class="row"><${Button} disabled=${lie.overlaps.length < 2} onClick=${all}>The same at all seams<//></div>`}
    <p class="hint">Drag a seam on the picture, or a photo on the strip.</p>
  <//>`;
}
