// Networks from words: the first network learns what a phrase says, and what it becomes is blended with it.

import { useState } from "preact/hooks";
import { Button, Group, Typed } from "./controls.js";
import { html } from "./html.js";
import { Share, isGoing } from "./jobs.js";
import { renew } from "./kin.js";
import { apply, doc } from "./store.js";
import { call, cancel, jobs, run } from "./wire.js";
import { say } from "./words.js";

const NEUTRAL = "a landscape";
const SOON = 20; // images between two looks at its samples

/** What became of a job, as network B of the model that it began with. */
const blendWith = (model, { found, file }) => apply(`blending with ${file}`, {
  networks: { model, others: [found], weights: () => ({}), mapping: "a" },
});

/** The panel; `model` is the network that learns. */
export function Learning({ model }) {
  const [text, write] = useState("");
  const [neutral, from] = useState("");
  const [iterations, last] = useState(100);
  const going = jobs.value.find((job) => job.kind === "words" && isGoing(job));
  const learnt = jobs.value.filter(({ kind, found }) => kind === "words" && found);
  const learn = async (event) => {
    event.preventDefault();
    const phrase = { text: text.trim(), neutral: neutral.trim() || NEUTRAL };
    if (!phrase.text) return;
    try {
      const { notice } = await call("/api/words", phrase);
      if (notice) say(notice);
      const job = await run({ kind: "words", model, ...phrase, iterations });
      if (!job.found) return;
      renew();
      const now = doc.peek().networks.model;
      if (now === null || now === model) blendWith(model, job);
      say(`${model} has learnt "${phrase.text}".`, "word", { action: ["Blend with it", () => blendWith(model, job)] });
    } catch (error) {
      say(error.message, "trouble");
    }
  };
  return html`<${Group} title="From words" open=${Boolean(going)}>
    <form class="say" onSubmit=${learn}>
      <input type="text" aria-label="What the network should learn" placeholder="snowy winter" maxlength="200" value=${text}
        onInput=${(event) => write(event.currentTarget.value)} />
      <input type="text" aria-label="What its pictures are without that" placeholder=${`instead of ${NEUTRAL}`} maxlength="200" value=${neutral}
        onInput=${(event) => from(event.currentTarget.value)} />
      <div class="number"><span aria-hidden="true">Steps</span><${Typed} name="Steps of learning" value=${iterations} step=${50} lowest=${1} highest=${5000}
        set=${(steps) => last(Math.round(steps))} /></div>
      <div class="row"><${Button} type="submit" sign="on" disabled=${!text.trim() || !model || going}
        title="Makes a network B; takes some minutes">Learn it<//></div>
    </form>
    ${going && html`<div class="row" role="status"><span class="hint">Learning</span><${Share} job=${going} />
        <${Button} name="Stop learning" sign="remove" onClick=${() => cancel(going)} /></div>
      ${going.done > 0 && html`<${Samples} job=${going} />`}`}
    ${learnt.length > 0 && html`<div class="row">${learnt.map((job) => html`<${Button} key=${job.id} title=${`Blend ${model} with it`}
      onClick=${() => blendWith(model, job)}>${job.file.replace(/\.\w+$/, "").replaceAll("-", " ")}<//>`)}</div>`}
    <p class="hint">A text model teaches it, without pictures. The network is gone when the studio ends: download it from the list of jobs.</p>
  <//>`;
}

/** What it draws by now, as soon as there is something. */
function Samples({ job }) {
  const [failed, fail] = useState(-1);
  const time = Math.floor(job.done / SOON);
  if (failed === time) return null;
  return html`<img class="samples" src=${`/api/jobs/${job.id}/look?seen=${time}`} alt=${`Samples after ${job.done} images`} onError=${() => fail(time)} />`;
}
