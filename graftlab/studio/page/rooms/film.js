// Film: a lane for structures and one for textures, on which photos stand at their times; or a ride past them, or a dive.

import { signal } from "@preact/signals";
import { useState } from "preact/hooks";
import { Button, Choice, Group, Menu, Slider } from "../controls.js";
import { Details } from "../details.js";
import { Drawn, isDrawn } from "../drawn.js";
import { FORMATS, Films, Player, address, usePlaying } from "../films.js";
import { html } from "../html.js";
import { Output } from "../output.js";
import { Picture } from "../picture.js";
import { Shelf, laid, photos } from "../shelf.js";
import { doc } from "../store.js";
import { Timeline, ending, timed } from "../timeline.js";
import { download, jobs, run, useLive } from "../wire.js";
import { Videos, videoOf, videos } from "../videos.js";
import { say } from "../words.js";

const FILMS = [["timeline", "Timeline"], ["ride", "Ride"], ["dive", "Dive"], ["footage", "Video"]];
const EASES = ["linear", "smooth", "smoother", "sine", "in", "out", "in-out", "jump", "back", "bounce"];
const RATES = [12, 25, 30, 50];
const HEIGHTS = [128, 256, 512, 720].map((size) => [`${size}`, `${size} px`]);
const SIZES = [["", "up to 720 px"], ["model", "as on screen"], ...HEIGHTS];
const USUAL = {
  ease: "smooth", ahead: 0, speed: 0.25, parallax: 0.15, zoom: 0.98, rotate: 0, recall: 0.7, novelty: 0.1, backwards: true,
};

// the numbers of each kind: [name in the scene, name on the page, what its slider is like]
const NUMBERS = {
  timeline: [
    ["ahead", "Ahead, s", { min: -5, max: 5, lowest: -600, highest: 600, step: 0.05, part: "texture",
                            hint: "Seconds by which textures are ahead of structures" }],
  ],
  footage: [
    ["ahead", "Ahead, s", { min: -5, max: 5, lowest: -600, highest: 600, step: 0.05, part: "texture",
                            hint: "Seconds by which textures are ahead of the video" }],
  ],
  ride: [
    ["speed", "Speed", { min: -1, lowest: -10, highest: 10, zero: 0, hint: "Widths of the film per second" }],
    ["parallax", "Parallax", { max: 0.95, zero: 0, hint: "Share by which distant parts are slower" }],
  ],
  dive: [
    ["zoom", "Zoom", { min: 0.95, max: 1.05, lowest: 0.8, highest: 1.25, step: 0.001, digits: 3, zero: 1,
                       hint: "In each frame; below 1 the picture shrinks" }],
    ["rotate", "Turn", { min: -5, max: 5, lowest: -45, highest: 45, step: 0.1, hint: "Degrees in each frame" }],
    ["recall", "Recall", { zero: 0, hint: "How much each step is drawn towards the first picture" }],
    ["novelty", "Novelty", { zero: 0, hint: "Noise from which new things grow" }],
  ],
};

// what a button sets: of the lanes by their photos, of a ride and of a dive by numbers
const PRESETS = {
  timeline: [
    ["Melt", (part, { structures: [first], textures }) => ({
      structures: part.structures.slice(0, 1), textures: spread(part, [null, ...textures.filter((id) => id !== first)]), ahead: 0,
    })],
    ["Walk", (part, { structures }) => ({ structures: spread(part, structures), textures: [], ahead: 0 })],
    ["Out of step", (part, { structures }) => ({
      structures: spread(part, structures), textures: spread(part, structures), ahead: part.seconds / 2 / (structures.length || 1),
    })],
  ],
  footage: [
    ["Its own", { textures: [], texture_video: null, ahead: 0 }],
    ["Melt", (part, { textures }) => ({ textures: spread(part, [null, ...textures]), texture_video: null, ahead: 0 })],
  ],
  ride: [
    ["Train", { speed: 0.25, parallax: 0.15 }],
    ["Slow pan", { speed: 0.08, parallax: 0 }],
    ["Express", { speed: 0.8, parallax: 0.3 }],
  ],
  dive: [
    ["Dive in", { zoom: 0.98, rotate: 0, recall: 0.7, novelty: 0.1, backwards: true }],
    ["Spiral", { zoom: 0.985, rotate: 0.8, recall: 0.7, novelty: 0.1, backwards: true }],
    ["Whirl", { zoom: 1, rotate: 1.5, recall: 0.6, novelty: 0.15, backwards: false }],
    ["Dissolve", { zoom: 0.99, rotate: 0, recall: 0.2, novelty: 0.3, backwards: false }],
  ],
};
const HINTS = {
  timeline: "Drag photos on the lanes, or choose a key and then a photo on the shelf.",
  ride: "Past the structures, from left to right; textures melt over all of them.",
  footage: "The structures of a video; textures of photos melt over it, or another video lends its own. Sound goes along.",
  dive: "Into the first structure, which is drawn again and again. What is shown here is a sketch with fewer steps.",
};

export const chosen = signal(null); // { lane, id } of a key
const moment = signal(0); // seconds
const playing = signal(false);
const watched = signal(null); // the job whose film is shown

export const film = {
  name: "film",
  title: "Film",
  kinds: ["film", "footage"],
  first: ({ shelves: { structures, textures } }) => ({
    film: "timeline", seconds: 8, fps: 25, loop: true, refine: 0, video: null, texture_video: null, ...USUAL,
    structures: structures.slice(0, 2).map((photo, id) => ({ id, at: 4 * id, photo })),
    textures: [null, textures[2] ?? textures[0] ?? null].map((photo, id) => ({ id, at: 1 + 4 * id, photo })),
  }),
  Room,
  took: (now, ids, shelf) => {
    const lane = shelf ?? "structures";
    const known = now.film[lane];
    const added = ids.map((photo, i) => ({ id: free(known) + i, at: following(now.film, lane, i), photo }));
    const keys = timed([...known, ...added], ending(now.film));
    return { ...laid(now, lane, ids), film: { [lane]: keys } };
  },
  tookVideo: (now, video) => ({ film: taken(now.film, video) }),
  restore: (now, { model, kind, moment: at, size, square, structures, textures = [], ...rest }) => {
    moment.value = at ?? 0;
    const keys = (lane) => lane.map(({ at, photo = null }, id) => ({ id, at, photo }));
    const all = (lane) => [...new Set(lane.map(({ photo }) => photo).filter(Boolean))];
    return {
      model,
      shelves: { ...(structures && laid(now, "structures", all(structures)).shelves), ...laid(now, "textures", all(textures)).shelves },
      film: {
        ...USUAL, refine: 0, ...(structures ? { structures: keys(structures) } : { film: kind, texture_video: null }), ...rest,
        textures: keys(textures),
      },
    };
  },
};

const free = (lane) => Math.max(-1, ...lane.map(({ id }) => id)) + 1;
const following = (part, lane, i) => Math.min(ending(part), (part[lane].at(-1)?.at ?? -1) + 1 + i);

/** The patch by which a video is the film, with its length, its rate, and the keys that are within it. */
function taken(part, { id, seconds, fps }) {
  const length = Math.min(Math.max(Math.round(100 * seconds) / 100, 0.1), 600);
  return {
    film: "footage", video: id, seconds: length, fps: Math.min(Math.max(Math.round(fps), 1), 60),
    texture_video: part.texture_video === id ? null : part.texture_video, textures: part.textures.filter(({ at }) => at < length - 0.1),
  };
}

/** Photos at even distances in time, as keys. */
function spread({ seconds, loop }, ids) {
  const legs = loop ? ids.length : Math.max(1, ids.length - 1);
  return ids.map((photo, id) => ({ id, at: Math.round((100 * seconds * id) / legs) / 100, photo }));
}

/** The key of a lane that its shelf changes: the chosen one, or the one that was met last. */
const current = (part, lane) => part[lane].find(({ id }) => chosen.value?.lane === lane && chosen.value.id === id)
  ?? part[lane].findLast(({ at }) => at <= moment.value) ?? part[lane][0];

function sceneOf(part, model) {
  if (!model) return null;
  const { film, seconds, fps, loop, ease, backwards, refine, video, texture_video, ahead } = part;
  const keys = (lane) => lane.map(({ at, photo }) => ({ at, photo }));
  if (film === "footage") return video in videos.value ? {
    kind: "footage", model: model.name, video, texture_video, seconds, fps, loop, refine, ease, ahead,
    textures: texture_video ? [] : keys(part.textures),
  } : null;
  if (!part.structures.length) return null;
  const used = film === "dive" ? part.structures.slice(0, 1) : part.structures;
  const shapes = used.map(({ photo }) => photos.value[photo]).filter(Boolean).map(({ width, height }) => width / height);
  const alike = film === "ride" ? (shape) => shape >= 1 : (shape) => Math.abs(shape / shapes[0] - 1) < 0.001;
  return {
    kind: "film", model: model.name, square: !shapes.every(alike), film, seconds, fps, loop, refine,
    structures: keys(used), textures: keys(part.textures), ...(film === "timeline" && { ease }), ...(film === "dive" && { backwards }),
    ...Object.fromEntries(NUMBERS[film].map(([name]) => [name, part[name]])),
  };
}

function Room({ part, model, change, take }) {
  const [over, hover] = useState({}); // the photo that the pointer is over, by shelf
  const scene = sceneOf(part, model);
  const seen = Object.entries(over).reduce((now, [lane, id]) => (id ? replaced(now, lane, id) : now), part);
  const shown = sceneOf(seen, model);
  const at = Math.min(moment.value, part.seconds);
  const frame = useLive("film", shown && { ...shown, moment: Math.round(at * part.fps) / part.fps });
  usePlaying(part, frame, moment, playing);
  const done = jobs.value.find(({ id, state }) => id === watched.value && state === "done");
  const put = (lane, photo, time) => {
    const id = free(part[lane]);
    chosen.value = { lane, id };
    change("a new key", { [lane]: timed([...part[lane], { id, at: Math.min(time, ending(part)), photo }], ending(part), id) });
  };
  const choose = (lane, photo) => ({ ...laidOn(lane, photo), ...(lane === "structures" && part.film === "footage" && { film: "timeline" }) });
  const laidOn = (lane, photo) => (current(part, lane) ? replaced(part, lane, photo)
    : { ...part, [lane]: [{ id: 0, at: lane === "textures" ? at : 0, photo }] });
  const still = async () => {
    try {
      const job = await run({ kind: "render", scene: { ...scene, moment: at }, format: "png" });
      if (job.state === "done") download(address(job));
    } catch (error) {
      say(error.message, "trouble");
    }
  };
  const play = html`<${Button} name=${playing.value ? "Pause" : "Play"} keys="P" sign=${playing.value ? "pause" : "play"} data-key="p"
    pressed=${playing.value} onClick=${() => (playing.value = !playing.value)} />`;
  return html`<div class="room film">
    <div class="crossing">
      <div class="corner" aria-hidden="true" />
      <${Shelf} shelf="textures" title="Textures" part="texture" optional take=${take} over=${(id) => hover({ textures: id })}
        chosen=${current(part, "textures")?.photo} pick=${(id) => ({ film: choose("textures", id) })} />
      <${Shelf} shelf="structures" title="Structures" part="structure" upright take=${take} over=${(id) => hover({ structures: id })}
        chosen=${current(part, "structures")?.photo} pick=${(id) => (id ? { film: choose("structures", id) } : {})} />
      <div class="stage">
        ${done ? html`<${Player} job=${done} back="the timeline" close=${() => (watched.value = null)} />` : html`<${Picture} frame=${frame} earlier=${null}
          label=${scene ? `The film at ${at.toFixed(2)} seconds` : "No film yet"}
          caption=${html`${play} <span class="time">${at.toFixed(2)} s</span>`}
          actions=${html`<${Button} name="Save this moment as a picture" sign="save" disabled=${!scene} onClick=${still} />`} />`}
        <${Timeline} part=${part} at=${at} seek=${(to) => (moment.value = to)} chosen=${chosen} change=${change} put=${put}
          stop=${() => (watched.value = null)} />
      </div>
    </div>
    <aside class="panel" aria-label="Controls">
      <${Kind} part=${part} change=${change} take=${take} />
      <${Length} part=${part} change=${change} />
      <${Output} scene=${scene} own=${model?.size} what="film" sizes=${SIZES} formats=${FORMATS}
        order=${(format, scene) => ({ kind: "film", scene, format })} done=${(job) => (watched.value = job.id)} />
      <${Films} watched=${watched} />
    </aside>
  </div>`;
}

function replaced(part, lane, photo) {
  const key = current(part, lane);
  return { ...part, [lane]: part[lane].map((one) => (one === key ? { ...one, photo } : one)) };
}

function Kind({ part, change, take }) {
  const preset = (what) => (typeof what === "function" ? what(part, doc.value.shelves) : what);
  return html`<${Group} title="What kind">
    <div><${Choice} name="Kind of film" value=${part.film} options=${FILMS}
      set=${(kind) => change("another kind of film", kind === "footage" && videoOf(part.video) ? taken(part, videoOf(part.video)) : { film: kind })} /></div>
    <div class="row">${PRESETS[part.film].map(([name, what]) => html`<${Button} key=${name}
      onClick=${() => change(name.toLowerCase(), preset(what))}>${name}<//>`)}</div>
    ${NUMBERS[part.film].map(([name, title, like]) => html`<${Slider} key=${name} name=${title} value=${part[name]} usual=${USUAL[name]}
      ...${like} set=${(value) => change(title.toLowerCase(), { [name]: value }, `film.${name}`)} />`)}
    ${part.film === "footage" && html`<${Videos} name="Video" value=${part.video} take=${take}
      set=${(id) => change("another video", taken(part, videos.value[id]))} />
      ${Object.keys(videos.value).length > 1 && html`<${Menu} name="Textures" value=${part.texture_video ?? ""}
        set=${(id) => change("whose textures", { texture_video: id || null })}
        options=${[["", "of photos, on the lane"], ...Object.values(videos.value).map(({ id, name }) => [id, `of ${name}`])]} />`}`}
    ${["timeline", "footage"].includes(part.film) && html`<${Menu} name="Easing" value=${isDrawn(part.ease) ? "drawn" : part.ease}
      options=${[...EASES, "drawn"].map((name) => [name, name])} set=${(ease) => change("the easing", { ease: ease === "drawn" ? "0=0,1=1" : ease })} />
      ${isDrawn(part.ease) && html`<${Drawn} name="Change" text=${part.ease} when=${(share) => `${Math.round(100 * share)} % of the way`}
        set=${(ease) => change("the curve", { ease }, "ease")} />`}`}
    ${part.film === "dive" && html`<div class="row"><${Button} pressed=${part.backwards}
      onClick=${() => change("the direction", { backwards: !part.backwards })}>Ends with the picture<//></div>`}
    <p class="hint">${HINTS[part.film]}</p>
    <div class="row"><${Details} part=${part} change=${change} /></div>
  <//>`;
}

function Length({ part, change }) {
  const last = Math.max(0, ...[...(part.film === "footage" ? [] : part.structures), ...part.textures].map(({ at }) => at)) + part.seconds - ending(part);
  return html`<${Group} title="Length">
    <${Slider} name="Seconds" value=${part.seconds} min=${1} max=${30} step=${0.5} digits=${1} usual=${8} zero=${1} lowest=${Math.max(0.5, last)}
      highest=${600} set=${(seconds) => change("the length", { seconds: Math.max(seconds, last) }, "seconds")} />
    <div class="pair">
      <${Menu} name="Rate" value=${`${part.fps}`} options=${[...new Set([...RATES, part.fps])].map((rate) => [`${rate}`, `${rate} a second`])}
        set=${(fps) => change("the rate", { fps: Number(fps) })} />
      ${part.film !== "dive" && html`<${Button} pressed=${part.loop}
        onClick=${() => change("the loop", { loop: !part.loop })}>Loop<//>`}
    </div>
  <//>`;
}
