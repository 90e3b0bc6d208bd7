// Films in any room: their moments while they play on the page, and those that were made.

import { useEffect, useRef } from "preact/hooks";
import { Button, Group } from "./controls.js";
import { html } from "./html.js";
import { download, jobs } from "./wire.js";

export const FORMATS = [["mp4", "MP4"], ["webm", "WebM"], ["gif", "GIF"]];
export const address = ({ id }) => `/api/jobs/${id}/result`;

/** Goes on with time as it passes, and asks for a picture when the one before has come: as many as the machine makes.
 *
 *  `film` has { seconds, loop }; `moment` and `playing` are signals. */
export function usePlaying(film, frame, moment, playing) {
  const latest = useRef(film);
  latest.current = film;
  useEffect(() => {
    if (!playing.value) return;
    let [last, now, wanted] = [performance.now(), moment.peek(), true];
    const step = (time) => {
      const { seconds, loop } = latest.current;
      if (!wanted) return;
      now += (time - last) / 1000;
      last = time;
      if (now >= seconds && !loop) return void ((playing.value = false), (moment.value = seconds));
      now %= seconds;
      if (!frame.peek().waiting) moment.value = now;
      requestAnimationFrame(step);
    };
    if (!latest.current.loop && now >= latest.current.seconds) now = 0;
    requestAnimationFrame(step);
    return () => (wanted = false);
  }, [playing.value]);
  useEffect(() => () => (playing.value = false), []);
}

/** A film that a job has made; `back` is where `close` leads. */
export function Player({ job, back, close }) {
  const moving = !job.file.endsWith(".gif");
  return html`<figure class="picture player">
    <div class="box">${moving
      ? html`<video key=${job.id} src=${address(job)} controls autoplay loop muted playsinline aria-label=${job.file} />`
      : html`<img src=${address(job)} alt=${job.file} />`}</div>
    <figcaption>
      <div class="words">${job.file}</div>
      <div class="tools">
        <${Button} sign="save" onClick=${() => download(address(job), job.file)}>Download<//>
        <${Button} name=${`Back to ${back}`} sign="remove" onClick=${close} />
      </div>
    </figcaption>
  </figure>`;
}

/** The films that jobs have made; `watched` is the signal of the one that is shown. */
export function Films({ watched }) {
  const made = jobs.value.filter(({ kind, state }) => kind === "film" && state === "done");
  if (!made.length) return null;
  return html`<${Group} title="Films made here">
    <ul class="made">${made.map((job, i) => html`<li key=${job.id}>
      <${Button} sign="play" pressed=${job.id === watched.value} onClick=${() => (watched.value = job.id)}>
        ${made.length - i}: ${job.file}<//>
      <${Button} name=${`Download ${job.file}`} sign="save" onClick=${() => download(address(job), job.file)} />
    </li>`)}</ul>
  <//>`;
}
