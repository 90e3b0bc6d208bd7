// Words: a phrase is a slider, or leads the picture step by step.

import { useState } from "preact/hooks";
import { Button, Group, Slider } from "./controls.js";
import { html } from "./html.js";
import { Share, isGoing } from "./jobs.js";
import { call, cancel, jobs, run } from "./wire.js";
import { say } from "./words.js";

const NEUTRAL = "a landscape";
const USUAL = 1.5; // standard deviations that a new slider begins with

/** The job that leads pictures of this page now, if there is one. */
export const guiding = () => jobs.value.find((job) => job.kind === "guide" && isGoing(job));

/** `now` has the phrases that are changed by `alter`; `scene` is what a guide begins with, `inside` the
 *  mask in which it may change something, if there is one, and `led(text, id)` takes what it finds. */
export function Phrases({ now, alter, scene, inside, led, limit }) {
  const [text, write] = useState("");
  const [neutral, from] = useState("");
  const [avoid, shun] = useState("");
  const phrases = now.phrases ?? [];
  const going = guiding();
  const read = async (then) => {
    const phrase = { text: text.trim(), neutral: neutral.trim() || NEUTRAL };
    if (!phrase.text) return;
    try {
      for (const each of [phrase.text, ...(then === guide ? avoided() : [])]) {
        const { notice } = await call("/api/words", { ...phrase, text: each });
        if (notice) say(notice);
      }
      await then(phrase);
    } catch (error) {
      say(error.message, "trouble");
    }
  };
  const same = (one, other) => one.text === other.text && one.neutral === other.neutral;
  const others = (phrase) => phrases.filter((one) => !same(one, phrase));
  const add = (phrase) => {
    alter(`"${phrase.text}"`, { phrases: [...others(phrase), { ...phrase, gain: USUAL }] });
    write("");
  };
  const avoided = () => [avoid.trim()].filter(Boolean);
  const guide = async ({ text, neutral }) => {
    const { found, notices } = await run({ kind: "guide", scene, text: [text], avoid: avoided(), neutral, ...inside });
    notices.forEach((notice) => say(notice, "trouble"));
    if (found) led(text, found); // also if it was stopped on the way
  };
  const set = (phrase, gain) => alter(`"${phrase.text}"`, {
    phrases: phrases.map((one) => (one === phrase ? { ...one, gain } : one)),
  }, `phrase ${phrase.text}`);
  const submit = (event) => {
    event.preventDefault();
    read(add);
  };
  return html`<${Group} title="Words">
    <form class="say" onSubmit=${submit}>
      <input type="text" aria-label="What it should become" placeholder="golden sunset" maxlength="200" value=${text}
        onInput=${(event) => write(event.currentTarget.value)} />
      <input type="text" aria-label="What it is without that" placeholder=${`instead of ${NEUTRAL}`} maxlength="200" value=${neutral}
        onInput=${(event) => from(event.currentTarget.value)} />
      <input type="text" aria-label="What Guide should move away from" placeholder="away from (Guide)" maxlength="200" value=${avoid}
        onInput=${(event) => shun(event.currentTarget.value)} />
      <div class="row">
        <${Button} type="submit" sign="add" disabled=${!text.trim()} title="A slider, at once">Slider<//>
        <${Button} sign="on" disabled=${!text.trim() || !scene || going || (inside && !inside.mask)} onClick=${() => read(guide)}
          title=${`Leads the ${inside ? "region" : "picture"} there step by step; takes a minute`}>${inside ? "Guide inside" : "Guide"}<//>
      </div>
    </form>
    ${phrases.map((phrase) => html`<div class="phrase" key=${`${phrase.text} ${phrase.neutral}`}>
      <${Slider} name=${phrase.text} part="texture" hint=${`${phrase.text}, instead of ${phrase.neutral}`} min=${-limit} max=${limit}
        step=${0.05} lowest=${-20} highest=${20} value=${phrase.gain} set=${(gain) => set(phrase, gain)} />
      <${Button} name=${`Remove ${phrase.text}`} sign="remove"
        onClick=${() => alter(`removing "${phrase.text}"`, { phrases: others(phrase) })} />
    </div>`)}
    ${going && html`<div class="row"><${Button} disabled=${!going.found} onClick=${() => cancel(going)}>Stop here<//><${Share} job=${going} /></div>
      ${going.notices.map((notice) => html`<p class="hint trouble" role="status" key=${notice}>${notice}</p>`)}`}
  <//>`;
}
