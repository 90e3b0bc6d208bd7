// Long work: how far each job is, ended or cancelled, and what came of it.

import { useId, useState } from "preact/hooks";
import { Button } from "./controls.js";
import { html } from "./html.js";
import { cancel, download, jobs } from "./wire.js";

export const isGoing = ({ state }) => state === "waiting" || state === "running";

/** All jobs, behind a button that tells how many are going; nothing as long as there is none. */
export function Jobs() {
  const [open, show] = useState(false);
  const id = useId();
  if (!jobs.value.length) return null;
  const going = jobs.value.filter(isGoing);
  const leave = ({ currentTarget, relatedTarget }) => !currentTarget.contains(relatedTarget) && show(false);
  return html`<div class="jobs" onFocusOut=${leave} onKeyDown=${({ key }) => key === "Escape" && show(false)}>
    <button type="button" class="button" aria-expanded=${open} aria-controls=${id} onClick=${() => show(!open)}>
      <span>${going.length ? `${going.length} at work` : "Jobs"}</span>${going.length > 0 && html`<${Share} job=${going.at(-1)} />`}
    </button>
    ${open && html`<div id=${id} class="pop"><${JobList} jobs=${jobs.value} /></div>`}
    <span class="unseen" aria-live="polite">${spoken(jobs.value[0])}</span>
  </div>`;
}

/** Jobs one below the other; for a room that shows its own, those of its kind. */
export function JobList({ jobs: list }) {
  return html`<ul class="joblist">${list.map((job) => html`<li key=${job.id} class=${job.state}>
    <span class="title">${job.file}</span>
    <span class="state">${job.error ?? stateOf(job)}</span>
    ${isGoing(job) && html`<${Share} job=${job} />
      <${Button} name=${`Cancel ${job.file}`} sign="remove" onClick=${() => cancel(job)} />`}
    ${job.state === "done" && html`<${Button} name=${`Download ${job.file}`} sign="save"
      onClick=${() => download(`/api/jobs/${job.id}/result`)} />`}
  </li>`)}</ul>`;
}

const shareOf = ({ done, total }) => (total ? Math.min(done / total, 1) : 0);

export function Share({ job }) {
  return html`<progress max="1" value=${shareOf(job)} aria-label=${`${job.file}: progress`} />`;
}

function stateOf(job) {
  if (job.state !== "running") return job.state;
  const count = job.total ? `${job.done} of ${job.total}` : "running";
  return [job.note, count, job.rate && `${job.rate.toFixed(1)} a second`].filter(Boolean).join(", ");
}

/** What a screen reader is told: beginnings and ends, and every tenth of the way. */
function spoken(job) {
  const name = job.file;
  return job.state === "running" ? `${name}: ${10 * Math.floor(10 * shareOf(job))}%` : `${name}: ${job.error ?? job.state}`;
}
