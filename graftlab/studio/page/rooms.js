// The rooms of the studio, in the order of their tabs. A room is a module of rooms/ and a line here.
//
// A room is { name, title, kinds, first, Room, restore }: `name` is its address and its place in the document; `kinds` are
// the kinds of scene that it can open again; `first(doc)` is its part of a new document; `Room` its component, which is
// given { part, model, change }; `restore(doc, scene)` a patch for the document by which a scene is on screen again.

import { edit } from "./rooms/edit.js";
import { film } from "./rooms/film.js";
import { live } from "./rooms/live.js";
import { models } from "./rooms/models.js";
import { networks } from "./rooms/networks.js";
import { panorama } from "./rooms/panorama.js";
import { swap } from "./rooms/swap.js";
import { train } from "./rooms/train.js";

export const rooms = [swap, edit, panorama, film, live, networks, train, models];
