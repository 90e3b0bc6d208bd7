// Models: all that are on this machine, what each is, where it comes from, and what it blends with.

import { Button, Group } from "../controls.js";
import { html } from "../html.js";
import { KINDS, allModels, cardOf, kindOf, kinOf } from "../kin.js";
import { Markdown } from "../markdown.js";
import { apply } from "../store.js";

export const models = {
  name: "models",
  title: "Models",
  kinds: [],
  first: () => ({ model: null }), // null: that of the bar
  Room,
  took: (now, ids, shelf) => ({ shelves: { [shelf ?? "structures"]: (old) => [...ids, ...old.filter((id) => !ids.includes(id))] } }),
  restore: () => ({}),
};

function Room({ part, model: usual, change }) {
  const all = allModels() ?? [];
  const model = all.find(({ name }) => name === part.model) ?? all.find(({ name }) => name === usual?.name) ?? all[0];
  const choose = (name) => change(`looking at ${name}`, { model: name }, "model");
  return html`<div class="room models">
    <${List} all=${all} chosen=${model?.name} choose=${choose} />
    ${model ? html`<${Card} model=${model} all=${all} choose=${choose} />` : html`<p class="hint" role="status">Opening models</p>`}
    <aside class="panel" aria-label="Kin">${model && html`<${Kin} model=${model} choose=${choose} all=${all} />`}</aside>
  </div>`;
}

/** All models by kind. Arrows choose another. */
function List({ all, chosen, choose }) {
  const kinds = [...new Set([...Object.keys(KINDS), ...all.map(({ kind }) => kind)])].filter((one) => all.some(({ kind }) => kind === one));
  const names = kinds.flatMap((one) => all.filter(({ kind }) => kind === one).map(({ name }) => name));
  const key = (event) => {
    const way = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const next = way && names[names.indexOf(chosen) + way];
    if (!next) return;
    choose(next);
    requestAnimationFrame(() => document.querySelector('.modellist [aria-current="true"]')?.focus());
    event.preventDefault();
  };
  return html`<nav class="modellist" aria-label="Models" onKeyDown=${key}>
    ${kinds.map((one) => html`<section key=${one}>
      <h2>${plural(kindOf(one))}</h2>
      ${all.filter(({ kind }) => kind === one).map(({ name, size, parameters }) => html`<button key=${name} type="button"
        aria-current=${name === chosen ? "true" : undefined} onClick=${() => choose(name)}>
        <span>${shortened(name)}</span><small>${[size && `${size} px`, million(parameters)].filter(Boolean).join(" · ")}</small>
      </button>`)}
    </section>`)}
  </nav>`;
}

const plural = (kind) => (kind.endsWith("s") ? kind : `${kind}s`);
const million = (count) => (count >= 1e6 ? `${(count / 1e6).toFixed(1)} M` : count >= 1e3 ? `${Math.round(count / 1e3)} k` : `${count}`);
const shortened = (name) => (name.includes("/") ? name.split("/").at(-1) : name);

function Card({ model, all, choose }) {
  const card = cardOf(model.name);
  const follow = (address) => {
    const name = address.replace(/^\.\//, "").replace(/\.md$/, "");
    return all.some((one) => one.name === name) ? () => choose(name) : null;
  };
  const text = card?.card?.replace(/^# .*\n/, "");
  return html`<article class="card" aria-labelledby="card-title" aria-busy=${!card}>
    <h2 id="card-title">${shortened(model.name)}</h2>
    <dl class="facts">${facts(model, card).map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
    ${text ? html`<${Markdown} text=${text} follow=${follow} />` : card && html`<p class="hint">It came without a card.</p>`}
    ${card && html`<details><summary>Configuration</summary><pre tabindex="0">${JSON.stringify(card.config, null, 1)}</pre></details>`}
  </article>`;
}

function facts(model, card) {
  const { images_seen: seen, trained_on: data, licence } = model.about;
  const { texture = 0, structure = 0 } = card?.components ?? {};
  return [
    ["kind", kindOf(model.kind)],
    ["size", model.size ? `${model.size} px` : null],
    ["parameters", million(model.parameters)],
    ["images seen", seen?.toLocaleString("en")],
    ["trained on", data],
    ["licence", licence],
    ["directions", card?.directions.map(({ name }) => name).filter((name) => !name.startsWith("component ")).join(", ")],
    ["components", texture || structure ? `${texture} of texture, ${structure} of structure` : null],
  ].filter(([, value]) => value);
}

const ORIGINS = { bundled: "Came with graftlab", cached: "In the cache", given: "Given by its file", made: "Made here, and gone when the studio ends" };
const ORDER = ["same", "kin", "likely", "doubtful", "unrelated", "different"];

function Kin({ model, choose, all }) {
  const kin = kinOf(model.name);
  const use = () => {
    apply("another model", { model: model.name });
    location.hash = "#swap";
  };
  const blend = (other) => {
    apply("blending", { networks: { model: model.name, others: other ? [other] : [], weights: () => ({}), mapping: "a" } });
    location.hash = "#networks";
  };
  if (!kin) return html`<p class="hint waiting" role="status">Comparing it with other models</p>`;
  const found = [...kin.relatives].sort((a, b) => ORDER.indexOf(a.verdict) - ORDER.indexOf(b.verdict));
  const known = (name) => all.some((one) => one.name === name);
  const line = (name) => html`<li key=${name}>${known(name)
    ? html`<button type="button" class="link" onClick=${() => choose(name)}>${shortened(name)}</button>`
    : html`<span title="The fingerprint of a model that is not here">${name}…</span>`}</li>`;
  return html`<${Group} title="Use it">
      <p class="hint">${ORIGINS[kin.origin]}.</p>
      <div class="row">
        ${model.kind === "swapping-autoencoder" && html`<${Button} sign="on" onClick=${use}>Use it in all rooms<//>`}
        ${kin.relatives.some(({ blends }) => blends) && html`<${Button} sign="on" onClick=${() => blend()}>Blend it<//>`}
      </div>
    <//>
    ${(kin.parents.length > 0 || kin.children.length > 0) && html`<${Group} title="Lineage">
      <ul class="tree">
        ${kin.parents.map(line)}
        <li><ul><li><strong>${shortened(model.name)}</strong>
          ${kin.children.length > 0 && html`<ul>${kin.children.map(line)}</ul>`}
        </li></ul></li>
      </ul>
    <//>`}
    ${found.length > 0 && html`<${Group} title="What it blends with">
      <ul class="relatives">${found.map(({ name, blends, why }) => html`<li key=${name} class=${blends ? "blends" : ""}>
        <button type="button" class="link" onClick=${() => choose(name)}>${shortened(name)}</button>
        ${blends && html`<${Button} sign="on" name=${`Blend ${model.name} with ${name}`} onClick=${() => blend(name)} />`}
        <p class="hint">${why}</p>
      </li>`)}</ul>
    <//>`}`;
}
