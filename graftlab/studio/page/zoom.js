// Sheets of any size, made of tiles that come as one looks closer (OpenSeadragon).

import { signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { Button, Group } from "./controls.js";
import { address } from "./films.js";
import { html } from "./html.js";
import { call, download, jobs } from "./wire.js";
import { say } from "./words.js";

export const opened = signal(null); // the job whose sheet is shown
const VIEWER = "/lib/openseadragon/openseadragon.min.js"; // no module: it leaves itself in the window
let viewer = null;

/** The viewer, once it is loaded. It adds a style of its own, which the page's policy forbids, unless it finds one: it finds
 *  an element of that name which is none. */
const bring = () => (viewer ??= new Promise((resolve, reject) => {
  const script = Object.assign(document.createElement("script"), { src: VIEWER, onload: () => resolve(window.OpenSeadragon) });
  script.onerror = () => reject(new Error("The viewer of sheets could not be loaded: reload the page."));
  const style = document.createElementNS(null, "style");
  style.setAttribute("data-openseadragon-mobile-css", "");
  document.head.append(style, script);
}));

/** The sheet of a job; `close` goes back. */
export function Zoom({ job, close }) {
  const box = useRef(null);
  const [cell, tell] = useState("");
  useEffect(() => {
    let [shown, wanted] = [null, true];
    const show = async () => {
      const [OpenSeadragon, { grid, ...size }] = await Promise.all([bring(), call(`/api/jobs/${job.id}/tiles`)]);
      if (!wanted) return;
      shown = OpenSeadragon({
        element: box.current,
        drawer: "canvas",
        tileSources: { ...size, minLevel: 0, getTileUrl: (level, x, y) => `/api/jobs/${job.id}/tiles/${level}/${x}/${y}` },
        showNavigationControl: false,
        maxZoomPixelRatio: 8,
        animationTime: matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 0.5,
        gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true },
      });
      Object.assign(shown.canvas, { role: "application", ariaLabel: "The sheet: arrows move it, plus and minus zoom" });
      const place = (point) => tell(named(grid, shown.viewport.viewportToImageCoordinates(point)));
      new OpenSeadragon.MouseTracker({
        element: shown.container, moveHandler: ({ position }) => place(shown.viewport.pointFromPixel(position)),
      });
      shown.addHandler("animation-finish", () => place(shown.viewport.getCenter()));
    };
    show().catch((error) => say(error.message, "trouble"));
    return () => {
      wanted = false;
      shown?.destroy();
    };
  }, [job.id]);
  return html`<figure class="picture zoom">
    <div class="box" ref=${box} />
    <figcaption>
      <div class="words" role="status">${cell || "The wheel zooms, a drag moves."}</div>
      <div class="tools">
        <${Button} sign="save" onClick=${() => download(address(job), job.file)}>Download<//>
        <${Button} name="Back to the blend" sign="remove" onClick=${close} />
      </div>
    </figcaption>
  </figure>`;
}

/** What is in the cell at a place in pixels; nothing beside the cells. */
function named(grid, at) {
  if (!grid) return "";
  const count = [grid.columns.length, grid.rows.length];
  const cell = [(at.x - grid.left) / (grid.width + grid.gap), (at.y - grid.top) / (grid.height + grid.gap)].map(Math.floor);
  if (cell.some((number, i) => number < 0 || number >= count[i])) return "";
  return [grid.rows[cell[1]], grid.columns[cell[0]]].filter(Boolean).join(" · ");
}

/** The sheets of tiles that jobs have made. */
export function Sheets() {
  const made = jobs.value.filter(({ state, file }) => state === "done" && file === "sheet.zip");
  if (!made.length) return null;
  return html`<${Group} title="Sheets made here">
    <div class="row">${made.map((job, i) => html`<${Button} key=${job.id} sign="sheet" pressed=${job.id === opened.value}
      onClick=${() => (opened.value = job.id)}>Sheet ${made.length - i}<//>`)}</div>
  <//>`;
}
