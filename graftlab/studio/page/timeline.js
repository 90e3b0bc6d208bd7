// A timeline of two lanes: photos as keys at their times, which are dragged, nudged and removed; a ruler with the moment.

import { useRef } from "preact/hooks";
import { Button } from "./controls.js";
import { html } from "./html.js";
import { named, thumbnail } from "./shelf.js";
import { settle } from "./store.js";
import { still, videos } from "./videos.js";

const LANES = [["structures", "Structure", "structure"], ["textures", "Texture", "texture"]];
const APART = 0.05; // seconds that two keys of a lane are apart at the least
const STEP = 0.1; // seconds by which an arrow moves a key

/** The last moment at which a key may be: a loop needs time for the way back. */
export const ending = ({ seconds, loop, film }) => (loop && film !== "dive" ? round(seconds - 2 * APART) : seconds);

/** The keys of a lane in order, none at the time of another: the one called `moved` gives way. */
export function timed(keys, seconds, moved = null) {
  const others = keys.filter(({ id }) => id !== moved);
  return keys.map((key) => (key.id === moved ? { ...key, at: beside(key.at, others, seconds) } : key))
    .sort((a, b) => a.at - b.at)
    .reduce((found, key) => [...found, { ...key, at: Math.max(key.at, round((found.at(-1)?.at ?? -1) + APART)) }], []);
}

function beside(at, others, seconds) {
  const kept = round(Math.min(Math.max(at, 0), seconds));
  const taken = (time) => time < 0 || time > seconds || others.some((one) => Math.abs(one.at - time) < APART - 1e-6);
  for (let far = 0; far < seconds; far = round(far + APART / 2)) {
    const time = [round(kept + far), round(kept - far)].find((time) => !taken(time));
    if (time !== undefined) return time;
  }
  return kept;
}

const round = (seconds) => Math.round(100 * seconds) / 100;
const told = (photo) => (photo ? named(photo) : "its own");

/** `part` is { seconds, film, structures, textures } with keys { id, at, photo }; `at` the moment, which `seek(at)` changes;
 *  `chosen` a signal of { lane, id }; `put(lane, photo, at)` adds a key; `stop()` is told when the timeline is touched. */
export function Timeline({ part, at, seek, chosen, change, put, stop }) {
  const { seconds } = part;
  const share = (time) => `${(100 * time) / seconds}%`;
  const place = (event, track) => {
    const { left, width } = track.getBoundingClientRect();
    return Math.min(Math.max((event.clientX - left) / width, 0), 1) * seconds;
  };
  const scrub = (event) => {
    if (event.type === "pointerdown") event.currentTarget.setPointerCapture(event.pointerId);
    else if (!event.currentTarget.hasPointerCapture(event.pointerId)) return;
    stop();
    seek(round(place(event, event.currentTarget)));
  };
  const key = (event) => {
    const to = { ArrowLeft: at - STEP, ArrowRight: at + STEP, PageDown: at - 1, PageUp: at + 1, Home: 0, End: seconds }[event.key];
    if (to === undefined) return;
    stop();
    seek(round(Math.min(Math.max(to, 0), seconds)));
    event.preventDefault();
  };
  const every = [0.5, 1, 2, 5, 10, 30, 60, 120].find((step) => seconds / step <= 10) ?? 300;
  const marks = Array.from({ length: Math.floor(seconds / every) + 1 }, (_, i) => i * every);
  return html`<section class="timeline" aria-label="Timeline">
    <span class="name" aria-hidden="true" />
    <div class="ruler" role="slider" tabindex="0" aria-label="Moment, seconds" aria-valuemin="0" aria-valuemax=${seconds}
      aria-valuenow=${at} aria-valuetext=${`${at.toFixed(2)} seconds`} onPointerDown=${scrub} onPointerMove=${scrub} onKeyDown=${key}>
      ${marks.map((time) => html`<span key=${time} style=${{ left: share(time) }}>${time}</span>`)}
      <i class="head" style=${{ left: share(at) }} />
    </div>
    <span />
    ${LANES.map(([lane, title, colour]) => (part.film === "footage" && (lane === "structures" || part.texture_video)
      ? html`<${Reel} key=${lane} video=${part[lane === "structures" ? "video" : "texture_video"]} ...${{ title, colour, at, share }} />`
      : html`<${Lane} key=${lane}
      ...${{ lane, title, colour, part, at, seek, chosen, change, put, place, share, stop }} />`))}
  </section>`;
}

/** A lane that is a video. */
function Reel({ video, title, colour, at, share }) {
  return html`
    <span class=${`name ${colour}`}>${title}</span>
    <div class=${`lane ${colour} reel`} style=${video in videos.value ? { backgroundImage: `url(${still(video)})` } : {}}>
      <i class="head" style=${{ left: share(at) }} />
      <span>${videos.value[video]?.name ?? "Drop a video here"}</span>
    </div>
    <span />`;
}

function Lane({ lane, title, colour, part, at, seek, chosen, change, put, place, share, stop }) {
  const track = useRef(null);
  const drag = useRef(null); // the key that is dragged: { id, x, at, going }
  const keys = part[lane];
  const isChosen = ({ id }) => chosen.value?.lane === lane && chosen.value.id === id;
  const move = (id, time) => change("moving a key", {
    [lane]: timed(keys.map((key) => (key.id === id ? { ...key, at: time } : key)), ending(part), id),
  }, `key ${lane} ${id}`);
  const remove = (id) => {
    chosen.value = null;
    change("removing a key", { [lane]: keys.filter((key) => key.id !== id) });
    requestAnimationFrame(() => track.current?.querySelector(".key")?.focus());
  };
  const down = (event, { id, at }) => {
    if (event.button !== 0) return;
    stop();
    chosen.value = { lane, id };
    drag.current = { id, x: event.clientX, at, going: false };
  };
  const pull = (event) => {
    const now = drag.current;
    if (!now || (!now.going && Math.abs(event.clientX - now.x) < 4)) return;
    if (!now.going) track.current.setPointerCapture(event.pointerId);
    now.going = true;
    move(now.id, now.at + ((event.clientX - now.x) / track.current.clientWidth) * part.seconds);
  };
  const up = () => {
    if (drag.current && !drag.current.going) seek(drag.current.at);
    if (drag.current?.going) settle();
    drag.current = null;
  };
  const nudge = (event, { id, at }) => {
    const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const index = keys.findIndex((key) => key.id === id);
    if (way && event.ctrlKey) track.current.querySelectorAll(".key")[index + way]?.focus();
    else if (way) move(id, at + way * STEP * (event.shiftKey ? 10 : 1));
    else if (event.key === "Delete" || event.key === "Backspace") remove(id);
    else return;
    event.preventDefault();
  };
  const drop = (event) => {
    const id = event.dataTransfer.getData("text/graft-photo");
    if (!id) return; // files go where files go
    event.preventDefault();
    event.stopPropagation();
    put(lane, id, round(place(event, track.current)));
  };
  const idle = lane === "structures" && part.film === "dive" ? 1 : Infinity; // keys from here on do nothing
  const plays = part.film !== "ride" || lane === "textures"; // the times say something
  return html`
    <span class=${`name ${colour}`}>${title}</span>
    <div class=${`lane ${colour} ${plays ? "" : "order"}`} role="group" aria-label=${`${title}: keys`} ref=${track} data-shelf=${lane}
      onPointerMove=${pull} onPointerUp=${up} onPointerCancel=${up} onDrop=${drop}>
      <i class="head" style=${{ left: share(at) }} />
      ${keys.map((key, i) => html`<button key=${key.id} type="button" class=${`key ${i >= idle ? "idle" : ""}`} style=${{ left: share(key.at) }}
        aria-pressed=${isChosen(key)} aria-label=${`${told(key.photo)} at ${key.at} seconds`} title=${`${told(key.photo)}, ${key.at} s`}
        onPointerDown=${(event) => down(event, key)} onKeyDown=${(event) => nudge(event, key)}
        onFocus=${() => (chosen.value = { lane, id: key.id })}>
        ${key.photo ? html`<img src=${thumbnail(key.photo)} alt="" draggable="false" />` : html`<span class="own">own</span>`}
      </button>`)}
    </div>
    <div class="tools">
      <${Button} name=${`A key for ${title.toLowerCase()} at this moment`} sign="add"
        onClick=${() => put(lane, keys.findLast((key) => key.at <= at)?.photo ?? keys[0]?.photo ?? null, at)} />
      <${Button} name=${`Remove the chosen key: ${title.toLowerCase()}`} sign="remove" disabled=${!keys.some(isChosen)}
        onClick=${() => remove(chosen.value.id)} />
    </div>`;
}
