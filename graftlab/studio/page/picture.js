// A picture that one looks at closely: zoomed and moved, compared with what it was before, and drawn on with a tool.

import { signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Button } from "./controls.js";
import { Pending } from "./details.js";
import { html } from "./html.js";

export const before = signal(false); // held down: the earlier picture is shown
const HOLD = 180; // ms of pressing on a picture, until it shows what was before
const STEP = 0.02; // of the picture, that an arrow moves a tool's place

/** `frame`: signal of a picture, as of `useLive`. `earlier`: what is shown for "before", an address or null.
 *
 *  A `tool` is { name, begin(place), move(place), end(), cursor }: places are shares of width and height; `cursor` is the
 *  radius of its ring as a share of the width, null for a small one, 0 for none. `overlay(context, rect)` draws over the picture. */
export function Picture({ frame, earlier, label, caption, tool, overlay, actions }) {
  const canvas = useRef(null);
  const box = useRef(null);
  const look = useRef({ zoom: 1, x: 0, y: 0 }); // where the middle of the picture is, from the middle of the box
  const [divider, divide] = useState(null); // share of the width where "before" ends
  const [zoomed, tell] = useState(1);
  const [place, put] = useState(null); // of the tool
  const old = useImage(earlier);
  const told = frame.value;
  const hidden = before.value;

  const rect = () => placed(box.current, frame.peek().bitmap ?? old, look.current);
  const draw = () => {
    if (!canvas.current) return; // the room was left
    const [area, { bitmap, id }] = [rect(), frame.peek()]; // of now: an earlier bitmap is closed
    paint(canvas.current, area, bitmap, old, hidden ? 1 : divider);
    const context = canvas.current.getContext("2d");
    if (area && overlay && !hidden) overlay(context, area);
    if (area && tool && place && tool.cursor !== 0) ring(context, area, place, tool.cursor);
    box.current.style.setProperty("--divider", `${area ? area.x + area.width * (divider ?? 0) : 0}px`);
    if (id) canvas.current.dataset.frame = id;
  };
  useLayoutEffect(draw);
  useEffect(() => {
    const watcher = new ResizeObserver(() => latest.current());
    watcher.observe(box.current);
    return () => watcher.disconnect();
  }, []);
  const latest = useRef(draw);
  latest.current = draw;

  const zoom = (factor, at = { x: 0, y: 0 }) => {
    const now = look.current;
    const next = Math.min(Math.max(now.zoom * factor, 1), 32);
    const by = next / now.zoom;
    look.current = next === 1 ? { zoom: 1, x: 0, y: 0 }
      : { zoom: next, x: at.x - (at.x - now.x) * by, y: at.y - (at.y - now.y) * by };
    tell(next);
    draw();
  };
  const pan = (x, y) => {
    look.current = { ...look.current, x: look.current.x + x, y: look.current.y + y };
    draw();
  };
  const hands = useHands({ box, rect, tool, put, zoom, pan, look });
  const key = (event) => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "+" || event.key === "=") zoom(1.5);
    else if (event.key === "-") zoom(1 / 1.5);
    else if (event.key === "0") zoom(0);
    else if (way && tool) put((now) => {
      const { x, y } = now ?? { x: 0.5, y: 0.5 };
      return { x: clamp(x + STEP * way[0]), y: clamp(y + STEP * way[1]) };
    });
    else if (way) pan(-40 * way[0], -40 * way[1]);
    else if (event.key === "Enter" && tool) {
      tool.begin(place ?? { x: 0.5, y: 0.5 });
      tool.end();
    } else return;
    event.preventDefault();
  };
  return html`<figure class="picture">
    <div class=${`box ${tool ? "tooled" : zoomed > 1 ? "" : "still"} ${told.waiting ? "waiting" : told.pending ? "unfinished" : ""}`} ref=${box}>
      <canvas ref=${canvas} role="img" tabindex="0" aria-label=${label} onKeyDown=${key} ...${hands} />
      ${divider !== null && html`<${Divider} share=${divider} set=${divide} rect=${rect} />`}
      ${told.error && html`<p class="trouble" role="alert">${told.error}</p>`}
    </div>
    <figcaption>
      <div class="words">${caption}</div>
      <div class="said" role="status">${told.notice && html`<${Notice} words=${told.notice} />`}</div>
      <${Pending} names=${told.pending} />
      <div class="tools" role="group" aria-label="View">
        ${earlier && html`<${Button} name="Hold for before" keys="B" sign="before" pressed=${hidden} ...${held} />
          <${Button} name="Split before and after" keys="S" sign="split" pressed=${divider !== null} data-key="s"
            onClick=${() => divide(divider === null ? 0.5 : null)} />`}
        ${zoomed > 1 && html`<${Button} name="Whole picture" keys="0" sign="fit" onClick=${() => zoom(0)} />`}
        <${Button} name="Full screen" keys="F" sign="full" data-key="f" onClick=${() => fill(box.current)} />
        ${actions}
      </div>
    </figcaption>
  </figure>`;
}

/** What is to be known of a picture, on one line, and whole when it is clicked. */
function Notice({ words }) {
  const [open, show] = useState(false);
  return html`<button type="button" class="notice" title=${words} aria-expanded=${open} onClick=${() => show(!open)}>
    ${words}</button>`;
}

const clamp = (share) => Math.min(Math.max(share, 0), 1);

export const fill = (element) =>
  document.fullscreenElement ? document.exitFullscreen() : element.requestFullscreen?.();

/** A button that shows what was before while it is held. */
const held = {
  onPointerDown: () => (before.value = true),
  onPointerUp: () => (before.value = false),
  onPointerLeave: () => (before.value = false),
  onKeyDown: ({ key }) => (key === " " || key === "Enter") && (before.value = true),
  onKeyUp: () => (before.value = false),
  onBlur: () => (before.value = false),
};

/** Where a picture lies in its box, in CSS pixels. */
function placed(box, picture, { zoom, x, y }) {
  if (!box || !picture) return null;
  const fit = Math.min(box.clientWidth / picture.width, box.clientHeight / picture.height) * zoom;
  const [width, height] = [picture.width * fit, picture.height * fit];
  return { x: (box.clientWidth - width) / 2 + x, y: (box.clientHeight - height) / 2 + y, width, height };
}

function paint(canvas, area, picture, old, divider) {
  const sharp = window.devicePixelRatio;
  const [width, height] = [Math.round(canvas.clientWidth * sharp), Math.round(canvas.clientHeight * sharp)];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  context.setTransform(sharp, 0, 0, sharp, 0, 0);
  context.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
  if (!area) return;
  context.imageSmoothingQuality = "high";
  context.imageSmoothingEnabled = area.width / (picture ?? old).width < 8; // nearer, one wants to see the pixels
  if (picture) context.drawImage(picture, area.x, area.y, area.width, area.height);
  if (!old || divider === null) return;
  context.save();
  context.beginPath();
  context.rect(area.x, area.y, area.width * divider, area.height);
  context.clip();
  const [ratio, wide] = [area.width / area.height, old.width / old.height]; // its middle, where the picture is cropped
  const [w, h] = wide > ratio ? [old.height * ratio, old.height] : [old.width, old.width / ratio];
  context.drawImage(old, (old.width - w) / 2, (old.height - h) / 2, w, h, area.x, area.y, area.width, area.height);
  context.restore();
}

function ring(context, area, { x, y }, radius) {
  const at = [area.x + x * area.width, area.y + y * area.height, radius ? radius * area.width : 6, 0, 7];
  for (const [colour, width] of [["#000a", 3], ["#fff", 1.2]]) {
    context.beginPath();
    context.arc(...at);
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.stroke();
  }
}

/** A picture of the server's, as soon as it is loaded. */
export function useImage(address) {
  const [image, set] = useState(null);
  useEffect(() => {
    set(null);
    if (!address) return;
    const one = new Image();
    one.src = address;
    let wanted = true;
    one.decode().then(() => wanted && set(one), () => {});
    return () => (wanted = false);
  }, [address]);
  return image;
}

function Divider({ share, set, rect }) {
  const move = (event) => {
    if (!event.currentTarget.hasPointerCapture(event.pointerId)) return;
    const area = rect();
    const left = event.currentTarget.parentElement.getBoundingClientRect().left;
    set(clamp((event.clientX - left - area.x) / area.width));
  };
  const key = (event) => {
    const way = { ArrowLeft: -0.02, ArrowRight: 0.02, Home: -1, End: 1 }[event.key];
    if (!way) return;
    event.preventDefault();
    set(clamp(share + way));
  };
  return html`<div class="divider" role="slider" tabindex="0" aria-label="Before to the left, after to the right"
    aria-valuemin="0" aria-valuemax="100" aria-valuenow=${Math.round(100 * share)} onKeyDown=${key} onPointerMove=${move}
    onPointerDown=${(event) => event.currentTarget.setPointerCapture(event.pointerId)} />`;
}

// -- hands ----------------------------------------------------------------------------------------------------------

let spaced = false; // the space bar is down: the pointer moves the picture
addEventListener("keyup", ({ key }) => key === " " && (spaced = false));
addEventListener("keydown", (event) => {
  const free = event.target === document.body || event.target instanceof HTMLCanvasElement;
  if (event.key !== " " || !free) return;
  spaced = true;
  event.preventDefault();
});

/** What pointers do on a picture: one draws with the tool or holds for "before"; with the space bar, the middle button,
 *  without a tool when zoomed in, or with two fingers it is moved; the wheel and two fingers zoom. */
function useHands({ box, rect, tool, put, zoom, pan, look }) {
  const down = useRef(new Map()); // pointers -> where they were
  const doing = useRef(null); // "tool", "pan", "hold"
  const timer = useRef(null);
  const inBox = ({ clientX, clientY }) => {
    const edge = box.current.getBoundingClientRect();
    return { x: clientX - edge.left, y: clientY - edge.top };
  };
  const inPicture = (event) => {
    const [area, at] = [rect(), inBox(event)];
    return area && { x: (at.x - area.x) / area.width, y: (at.y - area.y) / area.height };
  };
  const fromMiddle = (at) => ({ x: at.x - box.current.clientWidth / 2, y: at.y - box.current.clientHeight / 2 });
  const stop = () => {
    clearTimeout(timer.current);
    if (doing.current === "tool") tool?.end();
    if (doing.current === "hold") before.value = false;
    doing.current = null;
  };
  return {
    onWheel: (event) => {
      event.preventDefault();
      zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.002)), fromMiddle(inBox(event)));
    },
    onPointerDown: (event) => {
      event.currentTarget.setPointerCapture(event.pointerId);
      down.current.set(event.pointerId, inBox(event));
      if (down.current.size > 1) {
        stop();
        doing.current = "pan";
      } else if (spaced || event.button === 1 || (!tool && look.current.zoom > 1)) doing.current = "pan";
      else if (tool && event.button === 0) {
        doing.current = "tool";
        tool.begin(inPicture(event));
      } else if (event.button === 0) {
        doing.current = "hold";
        timer.current = setTimeout(() => (before.value = true), HOLD);
      }
    },
    onPointerMove: (event) => {
      const [at, was] = [inBox(event), down.current.get(event.pointerId)];
      if (tool) put(inPicture(event));
      if (!was) return;
      if (doing.current === "tool") tool.move(inPicture(event));
      if (doing.current === "pan") {
        const others = [...down.current].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
        if (others.length) {
          const far = (place) => Math.hypot(place.x - others[0].x, place.y - others[0].y) || 1;
          zoom(far(at) / far(was), fromMiddle({ x: (at.x + others[0].x) / 2, y: (at.y + others[0].y) / 2 }));
        }
        pan((at.x - was.x) / (others.length + 1), (at.y - was.y) / (others.length + 1));
      }
      down.current.set(event.pointerId, at);
    },
    onPointerUp: (event) => {
      down.current.delete(event.pointerId);
      if (!down.current.size) stop();
    },
    onPointerCancel: (event) => {
      down.current.delete(event.pointerId);
      if (!down.current.size) stop();
    },
    onPointerLeave: () => put(null),
    onContextMenu: (event) => doing.current && event.preventDefault(), // a long press is "before"
  };
}
