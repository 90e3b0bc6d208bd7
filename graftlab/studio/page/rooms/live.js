// Live: a camera, or a walk through the shelf's photos, with another texture, as fast as the machine draws; faders that
// MIDI and OSC move too; shows that are recorded and filmed; and, with an output address, the picture alone.

import { signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Button, Choice, Group, Menu } from "../controls.js";
import { Details } from "../details.js";
import { html } from "../html.js";
import { openCamera, closeCamera } from "../camera.js";
import { Controllers, Faders } from "../faders.js";
import * as midi from "../midi.js";
import { Picture } from "../picture.js";
import { Shelf, laid, named, photos, squared } from "../shelf.js";
import * as stage from "../stage.js";
import { doc } from "../store.js";
import { download, run } from "../wire.js";
import { Videos, videoOf, videos } from "../videos.js";
import { say } from "../words.js";

const SOURCES = [["walk", "Walk", "on"], ["camera", "Camera", "before"], ["film", "Video", "play"]];
const SEEN = { walk: "Walk", camera: "Camera" };
const SIZES = [["", "as on stage"], ...[256, 384, 512, 768, 1024].map((size) => [`${size}`, `${size} px`])];
const FORMATS = [["mp4", "MP4"], ["webm", "WebM"], ["gif", "GIF"]];
const RATES = [12, 25, 30, 50, 60].map((rate) => [`${rate}`, `${rate} a second`]);
const recorded = signal(null); // the show that can be saved and filmed
const LIMIT = 3; // standard deviations, of what a fader reaches

export const live = {
  name: "live",
  title: "Live",
  kinds: ["live"],
  first: ({ shelves }) => ({
    source: "walk",
    video: null,
    seconds: 4, // from one photo to the next
    texture: shelves.textures[0] ?? null,
    amount_texture: 1,
    amount_structure: 0,
    directions: {}, // by name, in standard deviations
    mirror: false,
    refine: 0,
    links: {}, // knobs of MIDI -> names of controls
  }),
  Room,
  took: (now, ids, shelf) => (shelf === "textures"
    ? { ...laid(now, "textures", ids), live: { texture: ids[0] } }
    : laid(now, "structures", ids)),
  tookVideo: (now, { id }) => ({ live: { source: "film", video: id } }),
  restore: (now, { walk, film, texture = null, amount_texture = 1, amount_structure = 0, directions = [], mirror = false, refine = 0, model },
    { show } = {}) => (show && (recorded.value = show), {
    model,
    shelves: { ...(walk && laid(now, "structures", walk.photos).shelves), ...(texture && laid(now, "textures", [texture]).shelves) },
    live: {
      source: film ? "film" : "walk", video: film?.video ?? now.live.video, seconds: walk?.seconds ?? 4, texture, amount_texture, amount_structure, mirror, refine,
      directions: () => Object.fromEntries(directions.map(({ name, gain }) => [name, gain])),
    },
  }),
};

/** What is on stage, but for the time. */
function sceneOf(part, model) {
  const { source, video, seconds, texture, amount_texture, amount_structure, mirror, refine } = part;
  const photos = doc.value.shelves.structures;
  if (!model || (source === "walk" && !photos.length) || (source === "film" && !(video in videos.value))) return null;
  const along = (model.card?.directions ?? []).filter(({ name }) => part.directions[name]);
  return {
    kind: "live", model: model.name, texture, amount_texture, amount_structure, mirror, refine,
    square: source === "walk" ? squared(1, ...photos, ...(amount_structure && texture ? [texture] : [])) : amount_structure !== 0,
    walk: source === "walk" ? { photos, seconds } : null, film: source === "film" ? { video } : null,
    directions: along.map(({ file, name }) => ({ file, name, gain: part.directions[name] })),
  };
}

/** All that can be moved: by hand, by a knob of MIDI (from min to max), by OSC (by its name, in its own unit). */
function controlsOf(part, model, change) {
  const amount = (name, title, field, words, more) => ({
    name, title, value: part[field], min: 0, max: 1, set: (value) => change(words, { [field]: value }, `live.${name}`), ...more,
  });
  return [
    part.texture && amount("texture", "Texture", "amount_texture", "amount of texture", { part: "texture", usual: 1, zero: 0, lowest: -1, highest: 2 }),
    part.texture && amount("structure", "Structure", "amount_structure", "amount of structure", { part: "structure" }),
    part.source === "walk" && amount("seconds", "Seconds", "seconds", "the pace", {
      hint: "From one photo to the next", min: 0.5, max: 20, step: 0.1, digits: 1, usual: 4, zero: 0.5, lowest: 0.1, highest: 3600 }),
    ...(model?.card?.directions ?? []).filter(({ name }) => !name.startsWith("component ")).map(({ name, part: kind, told }) => ({
      name, title: name, hint: told, part: kind, value: part.directions[name] ?? 0, min: -LIMIT, max: LIMIT, step: 0.05,
      lowest: -20, highest: 20, direction: true,
      set: (gain) => change(name, { directions: { [name]: gain } }, `live.${name}`),
    })),
  ].filter(Boolean);
}

function Room(given) {
  const output = new URLSearchParams(location.hash.split("?")[1]).get("output");
  return output ? html`<${Audience} name=${output} />` : html`<${Stage} ...${given} />`;
}

/** The picture alone, for OBS and projectors. */
function Audience({ name }) {
  const canvas = useRef(null);
  useEffect(() => stage.watch(name), [name]);
  const { bitmap, error, id } = stage.frame.value;
  useLayoutEffect(() => {
    if (!bitmap) return;
    Object.assign(canvas.current, { width: bitmap.width, height: bitmap.height });
    canvas.current.getContext("2d").drawImage(bitmap, 0, 0);
    canvas.current.dataset.frame = id;
  }, [bitmap]);
  return html`<div class="audience"><canvas ref=${canvas} role="img" aria-label="What is on stage" />
    ${error && html`<p role="alert">${error}</p>`}</div>`;
}

function Stage({ part, model, change, take }) {
  const scene = sceneOf(part, model);
  const controls = controlsOf(part, model, change);
  const latest = useRef({});
  latest.current = { controls, part, change, size: model?.size ?? 128 };
  useLayoutEffect(() => stage.put(scene), [JSON.stringify(scene)]);
  useEffect(() => {
    const end = stage.perform(() => latest.current.size, heard(latest));
    return () => {
      end();
      midi.ignore();
    };
  }, []);
  useEffect(() => {
    if (part.source !== "camera") return;
    let wanted = true;
    openCamera().then(() => wanted || closeCamera(), (error) => {
      say(error.message, "trouble");
      if (wanted) change("no camera", { source: "walk" });
    });
    return () => {
      wanted = false;
      closeCamera();
    };
  }, [part.source]);
  return html`<div class="room live">
    <div class="crossing">
      <div class="corner" aria-hidden="true" />
      <${Shelf} shelf="textures" title="Textures" part="texture" optional take=${take} chosen=${part.texture}
        pick=${(id) => ({ live: { texture: id } })} />
      <${Shelf} shelf="structures" title="Walk" part="structure" upright take=${take} chosen=${null} pick=${goTo} />
      <${Picture} frame=${stage.frame} label=${`The ${(SEEN[part.source] ?? "video").toLowerCase()}, live`}
        caption=${html`<${Caption} part=${part} />`} actions=${html`<${Actions} part=${part} change=${change} />`} />
    </div>
    <aside class="panel" aria-label="Controls">
      <${Group} title="What is seen">
        <div class="row">
          <${Choice} name="Source" value=${part.source} options=${SOURCES} set=${(source) => change("what is seen", { source, ...(source === "film" && { video: videoOf(part.video)?.id ?? null }) })} />
        </div>
        ${part.source === "camera" && html`<p class="hint">Its pictures go to this studio alone, and nobody keeps them.</p>`}
        ${part.source === "film" && html`<${Videos} name="Video" value=${part.video} take=${take}
          set=${(video) => change("another video", { video })} />
          <p class="hint">Or drop one on the page. It plays in a loop.</p>`}
        <div class="row"><${Details} part=${part} change=${change} /></div>
      <//>
      <${Faders} title="Faders" rows=${controls.filter(({ direction }) => !direction)} links=${part.links} />
      <${Faders} title="Directions" rows=${controls.filter(({ direction }) => direction)} links=${part.links} />
      <${Show} part=${part} take=${take} ready=${Boolean(scene)} />
      <${Controllers} part=${part} change=${change} latest=${latest}>
        <p class="hint">${stage.told.value.osc ? html`OSC: port ${stage.told.value.osc}, <code>/graftlab/NAME NUMBER</code>`
          : html`OSC: start with <code>--osc 9000</code>.`}</p>
      <//>
      <${Elsewhere} />
    </aside>
  </div>`;
}

/** A photo of the walk was chosen: it goes on from there, and the document stays as it is. */
function goTo(id) {
  const place = doc.value.shelves.structures.indexOf(id);
  if (place >= 0) stage.jump(place);
  return {};
}

/** What OSC does: a control is set in its own unit. */
const heard = (latest) => (name, value) => {
  const one = latest.current.controls.find((control) => control.name === name);
  if (one) one.set(Math.min(Math.max(value, one.lowest ?? one.min), one.highest ?? one.max));
};

function Caption({ part: { source, video, texture } }) {
  return html`<span class="structure">${SEEN[source] ?? videos.value[video]?.name ?? "Video"}</span>${texture && html`<i class="cut"><span class="unseen"> with the texture of </span></i>
    <span class="texture">${named(texture)}</span>`}`;
}

function Actions({ part, change }) {
  const quiet = stage.paused.value;
  return html`<output class="rate" aria-label="Pictures a second">${stage.rate.value}<small> a second</small></output>
    ${part.source === "film" && html`<${Button} name="From the beginning" sign="left" onClick=${stage.rewind} />`}
    ${part.source !== "camera" && html`<${Button} name=${quiet ? "Go on" : "Stand still"} keys="P" data-key="p"
      sign=${quiet ? "play" : "pause"} pressed=${quiet} onClick=${() => stage.pause(!quiet)} />`}
    <${Button} name="Mirror" keys="M" data-key="m" sign="exchange" pressed=${part.mirror}
      onClick=${() => change("the mirror", { mirror: !part.mirror })} />`;
}

function Show({ part, take, ready }) {
  const show = recorded.value;
  const [size, choose] = useState("");
  const [format, write] = useState("mp4");
  const [fps, pace] = useState("25");
  const picker = useRef(null);
  const tape = stage.tape.value;
  const toggle = () => {
    if (!tape) return stage.record();
    const made = stage.stop();
    const ids = [made.scene, ...made.events.map(([, change]) => change)].flatMap(({ walk, film, texture }) => [...(walk?.photos ?? []), film?.video, texture]);
    const known = { ...photos.value, ...videos.value };
    recorded.value = { ...made, photos: Object.fromEntries(ids.filter((id) => id in known).map((id) => [id, known[id].name])) };
  };
  const save = () => {
    const address = URL.createObjectURL(new Blob([JSON.stringify(show)], { type: "application/json" }));
    download(address, "show.json");
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
  };
  const film = async () => {
    try {
      const job = await run({ kind: "show", show, size: size ? Number(size) : null, fps: Number(fps), format });
      if (job.state === "done") download(`/api/jobs/${job.id}/result`);
    } catch (error) {
      say(error.message, "trouble");
    }
  };
  return html`<${Group} title="Show">
    <div class="row">
      <${Button} class=${tape ? "main recording" : ""} pressed=${Boolean(tape)} disabled=${!ready && !tape} onClick=${toggle}>
        ${tape ? "Stop recording" : "Record"}<//>
      <${Button} onClick=${() => picker.current.click()}>Open show<//>
      <input type="file" accept=".json,application/json" hidden ref=${picker} aria-label="Show file"
        onChange=${(event) => (take([...event.currentTarget.files]), (event.currentTarget.value = ""))} />
    </div>
    ${part.source === "camera" && html`<p class="hint">With a camera only the controls are recorded, not its pictures,
      so such a show cannot be filmed.</p>`}
    ${show && html`<p class="hint" role="status">${(show.ends - show.begins).toFixed(1)} s, ${show.events.length} events</p>
      <div class="pair">
        <${Menu} name="Size" value=${size} set=${choose} options=${SIZES} />
        <${Menu} name="Format" value=${format} set=${write} options=${FORMATS} />
      </div>
      <${Menu} name="Frames" value=${fps} set=${pace} options=${RATES} />
      <div class="pair">
        <${Button} sign="save" onClick=${save}>Save show file<//>
        <${Button} class="main" disabled=${!show.scene?.walk && !show.scene?.film} onClick=${film}>Film it<//>
      </div>`}
  <//>`;
}

/** Where else the picture can be seen. */
function Elsewhere() {
  const { stage: name } = stage.told.value;
  if (!name) return null;
  const words = `#live?output=${name}`;
  const copy = async () => {
    const where = "at the end of the address that 'graft studio' printed";
    try {
      await navigator.clipboard.writeText(words);
      say(`Copied: put it ${where}`, "word", { code: words });
    } catch { // the browser does not let us
      say(`Put this ${where}`, "word", { code: words });
    }
  };
  return html`<${Group} title="Output">
    <div class="row">
      <${Button} onClick=${() => open("/#live?output=1", "_blank")}>Open in a window<//>
      <${Button} sign="copy" onClick=${copy}>For OBS<//>
    </div>
    <p class="hint">The picture alone. OBS takes it as a browser source.</p>
  <//>`;
}
