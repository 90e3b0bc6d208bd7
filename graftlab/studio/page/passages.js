// Films of blends: a walk through seeds or photos, or the way from the first network to the others.

import { signal } from "@preact/signals";
import { Button, Choice, Group, Menu, Slider } from "./controls.js";
import { Drawn, isDrawn } from "./drawn.js";
import { Films } from "./films.js";
import { html } from "./html.js";
import { named } from "./shelf.js";

export const moment = signal(0); // seconds
export const playing = signal(false);
export const watched = signal(null); // the job whose film is shown
export const FPS = 25;
const KINDS = [[null, "Still"], ["walk", "Walk"], ["models", "A to B"], ["levels", "Levels"]];
const PATHS = [["linear", "straight, in w"], ["spherical", "great circles, in z"], ["spline", "a smooth curve, in w"]];
const HINTS = {
  walk: "From one to the next, drawn by the blend.",
  models: "One picture, while A becomes the other networks.",
  levels: "One picture, while B takes over from the finest layers to the coarsest.",
};

/** What of a film can be drawn over time: [name in the scene, name on the page, range, what it is else, how it begins]. */
const CURVES = {
  psi_over: ["Variety", { low: 0, high: 1.2 }, "", ({ psi }) => `0=${psi},1=${psi}`],
  pace: ["Pace", {}, "", () => "0=0.5,1=0.5"],
  ease: ["Amount", {}, "smooth", () => "0=0,1=1"],
};

export const curvesOf = ({ ease = "smooth", psi_over = "", pace = "" }) => ({ ease, psi_over, pace });
const curvesFor = ({ film, photo }) => (film !== "walk" ? ["ease"] : photo ? ["pace"] : ["psi_over", "pace"]);

const TOO_FEW = {
  false: "Add two seeds or more: choose one on the strip, and press A.",
  true: "Add two photos or more: look for each in A, and press A.",
};

/** The photos of a walk whose codes this network's are. */
const along = ({ keys, model }) => keys.filter((key) => key.model === model);

/** The scene of a film at a moment; `still` is the scene of the picture, in a walk that of any seed. Null if that is, or a
 *  walk has too few stations. */
export function filmOf(part, still, at) {
  const { film, seeds, path, seconds, loop, photo } = part;
  const keys = along(part).map(({ model, ...key }) => key);
  if (!still || (film === "walk" && (photo ? keys : seeds).length < 2)) return null;
  const whole = still.local ? {} : { weights: first(still), clusters: [] };
  const two = film === "levels" ? { others: still.others.slice(0, 1), hard: false, reverse: false, ...whole } : {};
  const way = film !== "walk" ? { seeds: [], path } : photo ? { seeds: [], keys, path: path === "spherical" ? "linear" : path } : { seeds, path };
  const drawn = Object.fromEntries(curvesFor(part).map((curve) => [curve, part[curve]]));
  return {
    ...still, ...two, ...way, ...drawn, kind: "blend-film", film, seconds, fps: FPS,
    loop: loop && film !== "levels", moment: Math.min(Math.round(at * FPS) / FPS, seconds),
  };
}

/** Any shares of one other network: levels take none. */
const first = ({ weights }) => ({ [Object.keys(weights)[0] ?? 4]: [1] });

/** Numbers of the film that are drawn over time, and buttons that begin to. An amount is drawn for each way from one network
 *  to the next, of which there are several in a circle or between more than two. */
function Curves({ part, others, change }) {
  const { film, loop, seconds } = part;
  const ways = film === "models" ? others + (loop ? 1 : 0) : 1;
  const when = (share) => (ways > 1 ? `${Math.round(100 * share)} % of each way` : `${(share * seconds).toFixed(2)} seconds`);
  const gone = (ways * Math.min(moment.value, seconds)) / seconds;
  return html`<div class="row">${curvesFor(part).map((curve) => {
      const [title, , usual, begin] = CURVES[curve];
      const drawn = isDrawn(part[curve]);
      return html`<${Button} key=${curve} pressed=${drawn} onClick=${() => change(`${title.toLowerCase()} over time`,
        { [curve]: drawn ? usual : begin(part) })}>Draw the ${title.toLowerCase()}<//>`;
    })}</div>
    ${curvesFor(part).filter((curve) => isDrawn(part[curve])).map((curve) => html`<${Drawn} key=${curve} name=${CURVES[curve][0]} text=${part[curve]}
      ...${CURVES[curve][1]} when=${when} at=${gone < ways ? gone % 1 : 1}
      set=${(text) => change("the curve", { [curve]: text }, curve)} />`)}`;
}

/** The panel; `model` is network A, `others` how many there are besides, `found` what is known of the photo in A. */
export function Passages({ part, model, others, found, change }) {
  const { film, seeds, seed, photo } = part;
  const keys = along({ ...part, model });
  const stations = photo ? keys.map(({ picture }) => named(picture)) : seeds.map((one) => `seed ${one}`);
  const remove = (i) => change(`without ${stations[i]}`, photo ? { keys: part.keys.filter((key) => key !== keys[i]) } : { seeds: seeds.filter((_, j) => j !== i) });
  const add = () => (photo ? change(`${named(part.picture)} in the walk`, { keys: [...part.keys, found] })
    : change(`seed ${seed} in the walk`, { seeds: [...seeds, seed] }));
  const here = photo ? (found ? named(part.picture) : "The photo") : `Seed ${seed}`;
  return html`<${Group} title="Film">
    <div><${Choice} name="Film" value=${film} options=${KINDS} set=${(film) => change("another film", { film })} /></div>
    ${film === "walk" && html`<ul class="chips" aria-label="Stations of the walk">${stations.map((one, i) => html`<li key=${`${i} ${one}`}>
        ${one.replace("seed ", "")}<${Button} name=${`Take ${one} out of the walk`} sign="remove" onClick=${() => remove(i)} />
      </li>`)}<li><${Button} sign="add" data-key="a" keys="A" disabled=${stations.length >= 40 || (photo && !(found && part.picture))} onClick=${add}>${here}<//></li></ul>
      <${Menu} name="Path" value=${part.path} options=${photo ? PATHS.filter(([name]) => name !== "spherical") : PATHS} set=${(path) => change("the path", { path })} />`}
    ${film && html`
      <${Slider} name="Moment" value=${Math.min(moment.value, part.seconds)} max=${part.seconds} step=${1 / FPS} zero=${0} set=${(at) => (moment.value = at)} />
      <${Slider} name="Seconds" value=${part.seconds} min=${1} max=${30} step=${0.5} digits=${1} usual=${8} zero=${1} lowest=${0.5} highest=${600}
        set=${(seconds) => change("the length", { seconds }, "seconds")} />
      ${film !== "levels" && html`<div class="row"><${Button} pressed=${part.loop} onClick=${() => change("the loop", { loop: !part.loop })}>
        Ends where it begins<//></div>`}
      <${Curves} part=${part} others=${others} change=${change} />
      <p class="hint">${film === "walk" && stations.length < 2 ? TOO_FEW[photo] : HINTS[film]}</p>`}
  <//>
  <${Films} watched=${watched} />`;
}
