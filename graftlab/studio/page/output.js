// What every room ends in: the picture saved, and the line that makes it again.

import { useState } from "preact/hooks";
import { Button, Group, Menu } from "./controls.js";
import { html } from "./html.js";
import { call, download, run } from "./wire.js";
import { say } from "./words.js";

const SIZES = [["", "up to 1024 px"], ["model", "as on screen"], ["256", "256 px"], ["512", "512 px"], ["768", "768 px"], ["1024", "1024 px"]];
const FORMATS = [["png", "PNG"], ["jpg", "JPEG"], ["webp", "WebP"]];

/** Save and copy for a scene, or null if there is none yet. `own` is the model's size. */
export function Output({ scene, own }) {
  const [size, choose] = useState("");
  const [format, write] = useState("png");
  const sized = () => ({ ...scene, size: size === "model" ? own : size ? Number(size) : null });
  const save = async () => {
    try {
      const job = await run({ kind: "render", scene: sized(), format });
      if (job.state === "done") download(`/api/jobs/${job.id}/result`);
    } catch (error) {
      say(error.message, "trouble");
    }
  };
  const copy = async (what, words) => {
    try {
      const { text } = await call(`/api/${what}`, sized());
      await navigator.clipboard.writeText(text).then(
        () => say(`Copied ${words}`, "word", { code: text }),
        () => say(`Copy ${words} from here`, "word", { code: text }), // the browser does not let us
      );
    } catch (error) {
      say(error.message, "trouble");
    }
  };
  return html`<${Group} title="Take it with you">
    <div class="pair">
      <${Menu} name="Size" value=${size} set=${choose} options=${SIZES} />
      <${Menu} name="Format" value=${format} set=${write} options=${FORMATS} />
    </div>
    <div class="pair">
      <${Button} sign="save" class="main wide" disabled=${!scene} onClick=${save}>Save picture<//>
      <${Button} disabled=${!scene} onClick=${() => copy("command", "as a graft command")}>Copy as command<//>
      <${Button} disabled=${!scene} onClick=${() => copy("python", "as Python")}>Copy as Python<//>
    </div>
  <//>`;
}
