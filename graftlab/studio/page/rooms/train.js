// Train: photos of this machine, what a training of them costs, and its curves and newest sheet while it goes on.

import { signal } from "@preact/signals";
import { useEffect, useId } from "preact/hooks";
import { Chart } from "../chart.js";
import { Button, Group, Menu, Typed } from "../controls.js";
import { html } from "../html.js";
import { call } from "../wire.js";
import { say } from "../words.js";

const OFTEN = 1500; // ms between looks at what is going on
const trainings = signal(null); // as the server lists them, the newest first
const presets = signal([]);
const refused = signal(null); // why there are none here

export const train = {
  name: "train",
  title: "Train",
  kinds: [],
  first: () => ({ photos: "", run: "", preset: "small", size: 128, images: 500000, batch: 16 }),
  Room,
  took: (now, ids) => ({ shelves: { structures: (old) => [...ids, ...old.filter((id) => !ids.includes(id))] } }),
  restore: () => ({}),
};

async function look() {
  try {
    const told = await call("/api/trainings");
    [presets.value, trainings.value, refused.value] = [told.presets, told.trainings, null];
  } catch (error) {
    refused.value = error.message;
  }
}

const isGoing = ({ state }) => state === "running" || state === "stopping";

async function begin(plan) {
  try {
    const told = await call("/api/trainings", plan);
    trainings.value = [told, ...(trainings.value ?? [])];
  } catch (error) {
    say(error.message, "trouble");
  }
}

const stop = ({ id }) => call(`/api/trainings/${id}`, undefined, "DELETE").then(look, (error) => say(error.message, "trouble"));

function Room({ part, change }) {
  useEffect(() => {
    look();
    const timer = setInterval(() => !document.hidden && (trainings.value ?? []).some(isGoing) && look(), OFTEN);
    return () => clearInterval(timer);
  }, []);
  if (refused.value) return html`<div class="room train"><p class="away">${refused.value}</p></div>`;
  const all = trainings.value ?? [];
  const [photos, run] = [part.photos.trim(), part.run.trim()];
  const training = all.find(({ plan }) => plan.kind === "train" && (!run || plan.run === run));
  const newest = (kind) => all.find(({ plan }) => plan.kind === kind && plan.photos === photos);
  const put = (words, name) => (value) => change(words, { [name]: value }, `train.${name}`);
  const whole = (words, name) => (value) => put(words, name)(Math.round(value));
  const start = (kind) => begin({ kind, ...part, photos, run });
  const going = training && isGoing(training);
  const ready = photos && run;
  return html`<div class="room train">
    <div class="progress">
      ${training ? html`<${Progress} training=${training} />` : html`<${Beginning} />`}
      ${["scan", "estimate"].map((kind) => newest(kind) && html`<${Found} key=${kind} kind=${kind} training=${newest(kind)} />`)}
    </div>
    <aside class="panel" aria-label="Controls">
      <${Group} title="Photos">
        <${Path} name="Folder, zip or pack" value=${part.photos} set=${put("the photos", "photos")} hint="/home/me/photos" />
        <div class="row"><${Button} sign="select" disabled=${!photos || newest("scan")?.state === "running"}
          onClick=${() => start("scan")}>Look through them<//></div>
      <//>
      <${Group} title="Training">
        <${Path} name="Folder of the run" value=${part.run} set=${put("the folder of the run", "run")} hint="/home/me/runs/mine" />
        <${Menu} name="Networks" value=${part.preset} set=${put("the networks", "preset")}
          options=${(presets.value.length ? presets.value : [part.preset]).map((name) => [name, name])} />
        <${Number} name="Size, pixels" value=${part.size} step=${32} lowest=${16} highest=${1024} set=${whole("the size", "size")} />
        <${Number} name="Images to see" value=${part.images} step=${10000} lowest=${1} highest=${1e9} set=${whole("the length", "images")} />
        <${Number} name="In a batch" value=${part.batch} lowest=${1} highest=${4096} set=${whole("the batch", "batch")} />
      <//>
      <${Group} title="Go">
        <div class="pair">
          <${Button} class="wide" disabled=${!ready || newest("estimate")?.state === "running"} onClick=${() => start("estimate")}>
            Estimate its cost<//>
          ${going
            ? html`<${Button} class="wide main" sign="remove" disabled=${training.state === "stopping"} onClick=${() => stop(training)}>
                ${training.state === "stopping" ? "Saving" : "Stop and save"}<//>`
            : html`<${Button} class="wide main" sign="on" disabled=${!ready} onClick=${() => start("train")}>
                ${training?.seen ? "Resume" : "Start"}<//>`}
        </div>
        <p class="hint">It goes on when the page is closed, and is saved when the studio ends. The same folder resumes it.</p>
      <//>
    </aside>
  </div>`;
}

function Path({ name, value, set, hint }) {
  const id = useId();
  return html`<div class="path"><label for=${id}>${name}</label>
    <input id=${id} type="text" value=${value} placeholder=${hint} spellcheck="false" autocomplete="off" autocapitalize="off"
      onInput=${(event) => set(event.currentTarget.value)} /></div>`;
}

function Number({ name, ...rest }) {
  return html`<div class="number"><span aria-hidden="true">${name}</span><${Typed} name=${name} ...${rest} /></div>`;
}

const STATES = { running: "training", stopping: "saving", stopped: "stopped and saved", done: "done", failed: "failed" };

function Progress({ training }) {
  const { state, seen = 0, images, plan, figures = [], sheet, error, id } = training;
  const total = images || plan.images;
  return html`
    <header class="run">
      <h2>${plan.run.split("/").filter(Boolean).at(-1)}</h2>
      <p role="status">${STATES[state]}, ${seen.toLocaleString("en")} of ${total.toLocaleString("en")} images</p>
      <progress max="1" value=${seen / total} aria-label="Progress of the training" />
      ${error && html`<p class="trouble" role="alert">${error}</p>`}
    </header>
    ${sheet && html`<figure class="newest"><img src=${`/api/trainings/${id}/sheet?seen=${sheet}`} alt=${`Samples after ${+sheet} images`} />
      <figcaption>after ${(+sheet).toLocaleString("en")} images</figcaption></figure>`}
    <div class="charts">${figures.map((one) => html`<${Chart} key=${one.title} ...${one} />`)}</div>
    ${isGoing(training) && !figures.length && html`<p class="hint">The first figures come after a thousand images.</p>`}`;
}

const FOUND = { scan: "The photos", estimate: "What it costs" };

function Found({ kind, training: { state, text, error } }) {
  return html`<section class="found" aria-label=${FOUND[kind]}>
    <h3>${FOUND[kind]}</h3>
    ${state === "running" && html`<p class="hint" role="status">${kind === "scan" ? "Looking through them" : "Trying a few steps"}</p>`}
    ${error && html`<p class="trouble" role="alert">${error}</p>`}
    ${text && html`<pre tabindex="0">${text}</pre>`}
  </section>`;
}

function Beginning() {
  return html`<div class="beginning"><h2>Train a model of your photos</h2>
    <p>Type the path of a folder of photos on this machine, and of a folder for the run. Look through the photos first, and see what the
      training costs. A few hundred photos are enough to begin with.</p></div>`;
}
