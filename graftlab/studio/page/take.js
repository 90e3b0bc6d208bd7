// What is brought to the page: photos, pictures that graftlab made, sessions.

import { rooms } from "./rooms.js";
import { bring, know, named, photos } from "./shelf.js";
import { apply, doc } from "./store.js";
import { call, download } from "./wire.js";
import { say } from "./words.js";

let expected = null; // { scene, photos (id -> name) } of a picture whose photos are not all here

/** Lay files on a shelf (null: where the room likes them). Sessions are opened, and so is the session of a single picture
 *  that was made here, unless it is laid on a shelf. */
export async function take(files, shelf, room) {
  for (const file of files.filter(isSession)) await openSession(file);
  const found = await bring(files.filter((file) => !isSession(file)), shelf ?? "structures");
  if (!found.length) return;
  const ids = found.map(({ id }) => id);
  const recipe = found.length === 1 && found[0].recipe?.scene ? found[0].recipe : null;
  const lay = () => apply(`adding ${named(ids[0])}`, (now) => room.took(now, ids, shelf));
  const open = (recipe, lay) => restore(recipe, lay).catch((error) => say(error.message, "trouble"));
  if (recipe && !shelf) return open(recipe, lay);
  lay();
  if (recipe) say("This picture was made here.", "word", { action: ["Open as it was made", () => open(recipe, lay)] });
  else if (expected) await open(expected);
}

const isSession = ({ name }) => name.endsWith(".json");

/** Show a picture as it was made, or say which of its photos are missing. */
async function restore(recipe, lay) {
  await recall(recipe);
  const missing = Object.entries(recipe.photos ?? {}).filter(([id]) => !(id in photos.value)).map(([, name]) => name);
  const room = rooms.find(({ kinds }) => kinds.includes(recipe.scene.kind));
  const instead = lay && { action: ["Use it as a photo", lay] };
  expected = missing.length && room ? recipe : null;
  if (!room) return say("This picture was made by something that this page does not show.", "word", instead);
  if (missing.length) return say(`To open it as it was made, drop ${missing.join(" and ")} too.`, "word", instead);
  apply("opening a picture", (now) => room.restore(now, recipe.scene));
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
    if (id in photos.value || !name.startsWith("@")) continue;
    await call(`/api/examples/${name.slice(1)}`, {}).then((one) => know([one]), () => {});
  }
}

/** Open a session that was saved. */
async function openSession(file) {
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
