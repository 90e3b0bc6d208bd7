// What is brought to the page: photos, videos, pictures and films that graftlab made, sessions and show files.

import { rooms } from "./rooms.js";
import { bring, know, named, photos } from "./shelf.js";
import { apply, doc } from "./store.js";
import { bringVideo, isVideo, videos } from "./videos.js";
import { call, download } from "./wire.js";
import { say } from "./words.js";

let expected = null; // { scene, photos (id -> name) } of a picture whose photos are not all here

/** Lay files on a shelf (null: where the room likes them). Sessions are opened, and so is the session of a single picture
 *  or film that was made here, unless it is laid on a shelf. */
export async function take(files, shelf, room) {
  for (const file of files.filter(isSession)) await openSession(file);
  for (const file of files.filter(isVideo)) await takeVideo(file, room);
  for (const file of files.filter(isCodes)) await takeCodes(file);
  const found = await bring(files.filter((file) => ![isSession, isVideo, isCodes].some((is) => is(file))), shelf ?? "structures");
  if (!found.length) return;
  const ids = found.map(({ id }) => id);
  const recipe = found.length === 1 ? ours(found[0]) : null;
  const lay = () => apply(`adding ${named(ids[0])}`, (now) => room.took(now, ids, shelf));
  if (recipe && !shelf) return open(recipe, lay);
  lay();
  if (recipe) say("This picture was made here.", "word", { action: ["Open as it was made", () => open(recipe, lay)] });
  else if (expected) await open(expected);
}

/** A video goes to the room that is open, if it takes videos, or else on stage. */
async function takeVideo(file, room) {
  const video = await bringVideo(file);
  if (!video) return;
  const into = room.tookVideo ? room : rooms.find(({ name }) => name === "live");
  const lay = () => {
    apply(`taking ${video.name}`, (now) => into.tookVideo(now, video));
    location.hash = into.name;
  };
  const recipe = ours(video) ?? expected;
  await (recipe ? open(recipe, recipe === expected ? undefined : lay) : lay());
}

/** Codes go to the room that draws such codes: w of a StyleGAN, or a texture of a Swapping Autoencoder. */
async function takeCodes(file) {
  const form = new FormData();
  form.append("file", file, file.name);
  try {
    const told = await call("/api/codes", form);
    if (!told.model) throw new Error(`${file.name} holds codes of a model that is not here: start the studio with that (--model).`);
    const into = rooms.find(({ codes }) => codes === told.kind);
    apply(`taking ${file.name}`, (now) => into.tookCodes(now, told));
    location.hash = into.name;
    say(into.name === "edit" ? `The texture of ${file.name} is on the picture.` : `The blend draws ${file.name}.`);
  } catch (error) {
    say(error.message, "trouble");
  }
}

/** How a picture or a film was made, if that can be shown again; a film of a show tells how that began. */
const ours = ({ recipe }) => (recipe?.show?.scene ? { ...recipe, scene: recipe.show.scene } : recipe?.scene ? recipe : null);
const open = (recipe, lay) => restore(recipe, lay).catch((error) => say(error.message, "trouble"));
const here = (id) => id in photos.value || id in videos.value;

const isSession = ({ name }) => name.endsWith(".json");
const isCodes = ({ name }) => name.endsWith(".safetensors");

/** Show a picture as it was made, or say which of its photos are missing. */
async function restore(recipe, lay) {
  await recall(recipe);
  const missing = Object.entries(recipe.photos ?? {}).filter(([id]) => !here(id)).map(([, name]) => name);
  const room = rooms.find(({ kinds }) => kinds.includes(recipe.scene.kind));
  const instead = lay && { action: ["Use it as it is", lay] };
  expected = missing.length && room ? recipe : null;
  if (!room) return say("This picture was made by something that this page does not show.", "word", instead);
  if (missing.length) return say(`To open it as it was made, drop ${missing.join(" and ")} too.`, "word", instead);
  apply("opening a picture", (now) => room.restore(now, recipe.scene, recipe));
  location.hash = room.name;
  say("Open as it was made.", "word", instead);
}

/** Bring back what a picture carries itself, its masks and the texture that words led to, and what comes with graftlab. */
async function recall({ photos: needed = {}, masks = {}, codes = {} }) {
  for (const [shelf, all] of [["masks", masks], ["codes", codes]]) for (const data of Object.values(all)) {
    const form = new FormData();
    form.append("file", new Blob([Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0))]), shelf);
    await call(`/api/${shelf}`, form);
  }
  for (const [id, name] of Object.entries(needed)) {
    if (here(id) || !name.startsWith("@")) continue;
    await call(`/api/examples/${name.slice(1)}`, {}).then((one) => know([one]), () => {});
  }
}

/** Open a session that was saved, or a show file. */
async function openSession(file) {
  if (/"graftlab":\s*"show"/.test(await file.slice(0, 100).text())) {
    const show = await file.text().then(JSON.parse).catch(() => null);
    if (show?.scene) return open({ scene: show.scene, photos: show.photos, show });
  }
  const form = new FormData();
  form.append("file", file, file.name);
  try {
    const told = await call("/api/session/open", form);
    know(told.photos);
    apply("opening a session", (now) => Object.fromEntries(
      Object.entries({ ...now, ...told.document }).map(([name, part]) => [name, () => part]),
    ));
    say(`${file.name} is open.`);
  } catch (error) {
    say(error.message, "trouble");
  }
}

/** Download all that is on the page, in one file that opens again by drop. */
export async function saveSession() {
  const document = doc.peek();
  const text = JSON.stringify(document);
  const ids = new Set(text.match(/(?<=")[0-9a-f]{16}(?=")/g)); // of photos and of masks
  const masks = new Set(text.match(/(?<="mask":")[0-9a-f]{16}(?=")/g));
  const codes = new Set(text.match(/(?<="found":")[0-9a-f]{16}(?=")/g));
  try {
    const saved = { document, photos: [...ids].filter((id) => id in photos.value), masks: [...masks], codes: [...codes] };
    const address = URL.createObjectURL(await call("/api/session", saved));
    download(address, `studio-${new Date().toISOString().slice(0, 16).replace(":", "")}.graft.json`);
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  } catch (error) {
    say(error.message, "trouble");
  }
}
