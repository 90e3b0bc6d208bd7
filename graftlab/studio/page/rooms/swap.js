// Swap: structures stand at the side, textures along the top; where a row and a column cross is their hybrid.

import { useState } from "preact/hooks";
import { Button, Choice, Group, Slider } from "../controls.js";
import { Details, STEPS } from "../details.js";
import { html } from "../html.js";
import { Output } from "../output.js";
import { Picture } from "../picture.js";
import { Sheet } from "../sheet.js";
import { Shelf, laid, named, picture, squared } from "../shelf.js";
import { apply, doc } from "../store.js";
import { useLive } from "../wire.js";

const MODES = [["one", "One picture", "one"], ["sheet", "All with all", "sheet"]];

export const swap = {
  name: "swap",
  title: "Swap",
  kinds: ["swap"],
  first: ({ shelves }) => ({
    structure: shelves.structures[0] ?? null,
    texture: shelves.textures.find((id) => id !== shelves.structures[0]) ?? shelves.textures[0] ?? null,
    amount_texture: 1,
    amount_structure: 0,
    refine: STEPS,
    mode: "one",
  }),
  Room,
  took: (now, ids, shelf) => (shelf === "textures"
    ? { ...laid(now, "textures", ids), swap: { texture: ids[0], mode: "one" } }
    : { ...laid(now, "structures", ids), swap: { structure: ids[0], mode: "one" } }),
  restore: (now, { structure, texture, amount_texture = 1, amount_structure = 0, refine = 0, model }) => ({
    model,
    shelves: { ...laid(now, "structures", [structure]).shelves, ...laid(now, "textures", [texture]).shelves },
    swap: { structure, texture, amount_texture, amount_structure, refine, mode: "one" },
  }),
};

function Room({ part, model, change, take }) {
  const [over, hover] = useState({}); // what the pointer is over: shown instead of what is chosen
  const scene = (structure, texture) => structure && texture && model
    ? { kind: "swap", model: model.name, structure, texture, amount_texture: part.amount_texture,
        amount_structure: part.amount_structure, refine: part.refine, square: squared(part.amount_structure, structure, texture) }
    : null;
  const [structure, texture] = [over.structure ?? part.structure, over.texture ?? part.texture];
  const sheet = part.mode === "sheet";
  const frame = useLive("swap", sheet ? null : scene(structure, texture));
  const shelf = (one, title, shelf, upright) => html`<${Shelf} shelf=${shelf} title=${title} part=${one} upright=${upright}
    chosen=${part[one]} pick=${(id) => ({ swap: { [one]: id } })} take=${take} over=${(id) => hover({ [one]: id })} />`;
  const { structures, textures } = doc.value.shelves;
  return html`<div class=${`room swap ${part.mode}`} style=${{ "--rows": structures.length || 1, "--columns": textures.length || 1 }}>
    <div class="crossing">
      <div class="corner" aria-hidden="true" />
      ${shelf("texture", "Textures", "textures", false)}
      ${shelf("structure", "Structures", "structures", true)}
      ${sheet
        ? html`<${Sheet} rows=${structures} columns=${textures} scene=${scene}
            name=${(row, column) => `${named(row)} with the texture of ${named(column)}`}
            chosen=${[part.structure, part.texture]}
            choose=${(row, column) => change("going on from a cell", { structure: row, texture: column, mode: "one" })} />`
        : html`<${Picture} frame=${frame} earlier=${structure && picture(structure)}
            label=${structure && texture ? `${named(structure)} with the texture of ${named(texture)}` : "No picture yet"}
            caption=${html`<${Caption} structure=${structure} texture=${texture} />`} />`}
    </div>
    <aside class="panel" aria-label="Controls">
      <${Group} title="Show">
        <div><${Choice} name="Show" value=${part.mode} options=${MODES} set=${(mode) => change("what is shown", { mode })} /></div>
        <div class="row"><${Details} part=${part} change=${change} /></div>
      <//>
      <${Group} title="How much of the other picture">
        <${Slider} name="Texture" part="texture" value=${part.amount_texture} usual=${1} zero=${0} lowest=${-1}
          highest=${2} hint="0: the first picture's own; 1: the other's; type a number to go beyond"
          set=${(amount) => change("amount of texture", { amount_texture: amount }, "swap.texture")} />
        <${Slider} name="Structure" part="structure" value=${part.amount_structure}
          hint="0: the first picture's own; 1: the other's"
          set=${(amount) => change("amount of structure", { amount_structure: amount }, "swap.structure")} />
        <div class="row">
          <${Button} sign="exchange" data-key="x" keys="X" name="Exchange the two pictures"
            onClick=${() => apply("exchanging", exchanged)}>Exchange<//>
          <${Button} sign="on" disabled=${!part.structure} onClick=${() => goOn(part)}>Go on in Edit<//>
        </div>
      <//>
      <${Output} scene=${scene(part.structure, part.texture)} own=${model?.size} ...${sheet && {
        what: "sheet",
        told: ({ size }) => ({ kind: "sheet", model: model.name, structures, textures, size, refine: part.refine }),
        order: (format, { size }) => ({ kind: "sheet", model: model.name, structures, textures, size, refine: part.refine, format }),
      }} />
    </aside>
  </div>`;
}

function Caption({ structure, texture }) {
  if (!structure || !texture) return "Drop a photo on each shelf.";
  return html`<span class="structure">${named(structure)}</span><i class="cut"><span class="unseen"> with the texture of </span></i><span class="texture">${named(texture)}</span>`;
}

/** The other way round; each photo also lies on the other shelf then. */
function exchanged({ shelves, swap: { structure, texture } }) {
  const having = (ids, id) => (id && !ids.includes(id) ? [...ids, id] : ids);
  return {
    shelves: { structures: having(shelves.structures, texture), textures: having(shelves.textures, structure) },
    swap: { structure: texture, texture: structure },
  };
}

function goOn({ structure, texture, amount_texture, amount_structure, refine }) {
  apply("going on in Edit", { edit: { picture: structure, texture, amount_texture, amount_structure, refine, seed_texture: null, found: null } });
  location.hash = "#edit";
}
