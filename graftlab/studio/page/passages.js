// Films of blends: a walk through seeds, or the way from the first network to the others.

import { signal } from "@preact/signals";
import { Button, Choice, Group, Menu, Slider } from "./controls.js";
import { Films } from "./films.js";
import { html } from "./html.js";

export const moment = signal(0); // seconds
export const playing = signal(false);
export const watched = signal(null); // the job whose film is shown
export const FPS = 25;
const KINDS = [[null, "Still"], ["walk", "Walk"], ["models", "A to B"], ["levels", "Levels"]];
const PATHS = [["linear", "straight, in w"], ["spherical", "great circles, in z"], ["spline", "a smooth curve, in w"]];
const HINTS = {
  walk: "From seed to seed, drawn by the blend.",
  models: "One seed, while A becomes the other networks.",
  levels: "One seed, while B takes over from the finest layers to the coarsest.",
};

/** The scene of a film at a moment; `still` is the scene of the picture. Null if that is, or a walk has too few seeds. */
export function filmOf({ film, seeds, path, seconds, loop }, still, at) {
  if (!still || (film === "walk" && seeds.length < 2)) return null;
  const { picture, found, steps, ...scene } = still;
  const two = film === "levels" ? { others: still.others.slice(0, 1), weights: { ...first(still) }, clusters: [], hard: false, reverse: false } : {};
  return {
    ...scene, ...two, kind: "blend-film", film, seeds: film === "walk" ? seeds : [], path, seconds, fps: FPS,
    loop: loop && film !== "levels", moment: Math.min(Math.round(at * FPS) / FPS, seconds),
  };
}

/** Any shares of one other network: levels take none. */
const first = ({ weights }) => ({ [Object.keys(weights)[0] ?? 4]: [1] });

/** The panel. */
export function Passages({ part, change }) {
  const { film, seeds, seed } = part;
  const put = (words, seeds) => change(words, { seeds });
  return html`<${Group} title="Film">
    <div><${Choice} name="Film" value=${film} options=${KINDS} set=${(film) => change("another film", { film })} /></div>
    ${film === "walk" && html`<ul class="chips" aria-label="Seeds of the walk">${seeds.map((one, i) => html`<li key=${`${i} ${one}`}>
        ${one}<${Button} name=${`Take seed ${one} out of the walk`} sign="remove" onClick=${() => put(`without seed ${one}`, seeds.filter((_, j) => j !== i))} />
      </li>`)}<li><${Button} sign="add" data-key="a" keys="A" disabled=${seeds.length >= 40} onClick=${() => put(`seed ${seed} in the walk`, [...seeds, seed])}>Seed ${seed}<//></li></ul>
      <${Menu} name="Path" value=${part.path} options=${PATHS} set=${(path) => change("the path", { path })} />`}
    ${film && html`
      <${Slider} name="Moment" value=${Math.min(moment.value, part.seconds)} max=${part.seconds} step=${1 / FPS} zero=${0} set=${(at) => (moment.value = at)} />
      <${Slider} name="Seconds" value=${part.seconds} min=${1} max=${30} step=${0.5} digits=${1} usual=${8} zero=${1} lowest=${0.5} highest=${600}
        set=${(seconds) => change("the length", { seconds }, "seconds")} />
      ${film !== "levels" && html`<div class="row"><${Button} pressed=${part.loop} onClick=${() => change("the loop", { loop: !part.loop })}>
        Ends where it begins<//></div>`}
      <p class="hint">${film === "walk" && seeds.length < 2 ? "Add two seeds or more: choose one on the strip, and press A." : HINTS[film]}</p>`}
  <//>
  <${Films} watched=${watched} />`;
}
