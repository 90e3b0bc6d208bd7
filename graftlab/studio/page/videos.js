// Videos: those that the server holds for us, and the menu in which one is chosen.

import { signal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { Button, Menu } from "./controls.js";
import { html } from "./html.js";
import { call } from "./wire.js";
import { say } from "./words.js";

export const videos = signal({}); // id -> { id, name, width, height, seconds, fps }

const ENDINGS = /\.(mp4|m4v|mov|webm|mkv|avi|mpe?g|m?ts|ogv|wmv|flv)$/i;
export const isVideo = ({ name, type }) => type.startsWith("video/") || ENDINGS.test(name);

export const still = (id) => `/api/videos/${id}`; // its first picture

/** The video of this id, or any if that is not here; undefined if there is none. */
export const videoOf = (id) => videos.value[id] ?? Object.values(videos.value)[0];

/** Bring a video to the server. Returns what it tells, or null if it refuses it, which is said aloud. */
export async function bringVideo(file) {
  const form = new FormData();
  form.append("file", file, file.name);
  say(`Reading ${file.name}`);
  try {
    const video = await call("/api/videos", form);
    knowVideos([video]);
    return video;
  } catch (error) {
    say(error.message, "trouble");
    return null;
  }
}

export function knowVideos(list) {
  videos.value = { ...videos.value, ...Object.fromEntries(list.map((video) => [video.id, video])) };
}

/** One of the videos, `value` an id or null; `take(files)` takes one that is picked. */
export function Videos({ name, value, set, take }) {
  const picker = useRef(null);
  const all = Object.values(videos.value);
  return html`${all.length > 0 && html`<${Menu} name=${name} value=${value} set=${set}
      options=${all.map((video) => [video.id, video.name])} />`}
    <div class="row"><${Button} sign="add" onClick=${() => picker.current.click()}>Open a video<//>
    <input type="file" accept="video/*" hidden ref=${picker} aria-label=${`${name}: file`}
      onChange=${(event) => (take([...event.currentTarget.files]), (event.currentTarget.value = ""))} /></div>`;
}
