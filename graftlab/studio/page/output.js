// What every room ends in: the picture saved, and the line that makes it again.

import { useState } from "preact/hooks";
import { Button, Group, Menu } from "./controls.js";
import { html } from "./html.js";
import { call, download, run } from "./wire.js";
import { say } from "./words.js";

const SIZES = [["", "up to 1024 px"], ["model", "as on screen"], ...[256, 512, 768, 1024].map((size) => [`${size}`, `${size} px`])];
const FORMATS = [["png", "PNG"], ["jpg", "JPEG"], ["webp", "WebP"]];

/** Save and copy for a scene, or null if there is none yet. `own` is the model's size.
 *
 *  `order` makes the job of a size and a format, if what is saved is not the scene itself; `what` says what that is, `told`
 *  makes what is copied, if that is not the scene, and `done` what becomes of the job's result, if it is not downloaded.
 *  A scene whose size is its model's is `fixed`. */
export function Output({ scene, own, what = "picture", fixed = false,
                         told = (scene) => scene, order = (format, scene) => ({ kind: "render", scene, format }),
                         sizes = SIZES, formats = FORMATS, done = (job) => download(`/api/jobs/${job.id}/result`) }) {
  const [size, choose] = useState(sizes[0][0]);
  const [format, write] = useState(formats[0][0]);
  const sized = () => ({ ...scene, size: size === "model" ? own : size ? Number(size) : null });
  const save = async () => {
    try {
      const job = await run(order(format, sized()));
      if (job.state === "done") done(job);
    } catch (error) {
      say(error.message, "trouble");
    }
  };
  const copy = async (language, words) => {
    try {
      const { text } = await call(`/api/${language}`, told(sized()));
      const copied = navigator.clipboard?.writeText(text) ?? Promise.reject(); // it is for pages of this machine, and for https
      await copied.then(
        () => say(`Copied ${words}`, "word", { code: text }),
        () => say(`Copy ${words} from here`, "word", { code: text }), // the browser does not let us
      );
    } catch (error) {
      say(error.message, "trouble");
    }
  };
  return html`<${Group} title="Take it with you">
    <div class="pair">
      ${!fixed && html`<${Menu} name="Size" value=${size} set=${choose} options=${sizes} />`}
      <${Menu} name="Format" value=${format} set=${write} options=${formats} />
    </div>
    <div class="pair">
      <${Button} sign="save" class="main wide" disabled=${!scene} onClick=${save}>Save ${what}<//>
      <${Button} disabled=${!scene} onClick=${() => copy("command", "as a graft command")}>Copy as command<//>
      <${Button} disabled=${!scene} onClick=${() => copy("python", "as Python")}>Copy as Python<//>
    </div>
  <//>`;
}
