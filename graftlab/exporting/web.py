"""A page that swaps photos in any browser, with the model beside it and no server behind it.

    export_web(graftlab.load("landscapes-128"), Path("site"), Directions.load("landscapes-128"))

The page is made of the studio's own modules. Where those ask the studio's server, its `wire.js` asks a worker that runs
the ONNX files of `networks` by onnxruntime-web.
"""

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from graftlab.editing.directions import Directions
from graftlab.errors import GraftError
from graftlab.exporting.networks import Exported, description, exported, fineness
from graftlab.images import read, write
from graftlab.networks.model import Network
from graftlab.networks.swapping import SwappingModel
from graftlab.work.examples import example
from graftlab.work.files import atomic_write, spare_others

PACKAGE = Path(__file__).parents[1]
PAGE, STUDIO, BUNDLED = PACKAGE / "exporting" / "page", PACKAGE / "studio" / "page", PACKAGE / "bundled"
SHARED = "camera controls details faders html midi picture shelf store words"  # modules of the studio's page
LIBRARIES = ("preact", "preact-signals", "preact-signals-core", "htm", "onnxruntime-web")
PHOTOS = ("peaks", "autumn-hills", "hilltop-sunset")  # on the shelves when the page is opened


def export_web(model: Network, folder: Path, directions: Directions | None = None, half: bool = False) -> int:
    """Write the page of a model into a folder, with sliders for these directions. Returns its bytes.

    GraftError for a model that does not swap, if the page's libraries are missing in a checkout, and if there are files
    of others in the place of the page's."""
    if not isinstance(model, SwappingModel):
        raise GraftError(f"A page swaps photos, which {model.title} does not: choose a Swapping Autoencoder.")
    if not all((BUNDLED / name / "integrity").is_file() for name in LIBRARIES):
        raise GraftError("The page lacks its libraries in this checkout; run 'make javascript' (npm).")
    spare_others(folder / "index.html")
    made = exported(model, half)
    files = {
        f"model/{one.part.name}.onnx": one.data for one in made if one.part.name != "noise"
    }  # the page draws its own
    files["model/model.json"] = json.dumps(description(model, made), indent=1).encode()
    files["site.json"] = json.dumps(told(model, directions, made)).encode()
    files["NOTICE"] = notice().encode()
    files |= {path.name: path.read_bytes() for path in sorted(PAGE.iterdir()) if path.is_file()}
    files |= {name: (STUDIO / name).read_bytes() for name in [*(f"{one}.js" for one in SHARED.split()), "style.css"]}
    files["mark.svg"] = (STUDIO / "mark.svg").read_bytes()
    for library in LIBRARIES:
        files |= {f"lib/{library}/{path.name}": path.read_bytes() for path in sorted((BUNDLED / library).iterdir())}
    files["photos/CREDITS.md"] = (BUNDLED / "photos" / "CREDITS.md").read_bytes()
    files["index.html"] = knowing(files.pop("index.html").decode(), files["site.json"]).encode()  # last: all is there
    for name, data in files.items():
        atomic_write(folder / name, lambda file, data=data: file.write(data))  # type: ignore[misc]
    for name in PHOTOS:
        write(read(example(name), model.config.size), folder / f"photos/{name}.png", {})
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def told(model: SwappingModel, directions: Directions | None, made: Sequence[Exported]) -> dict[str, Any]:
    """`site.json`: what the page knows of the model, and the digests of its networks."""
    known = [] if directions is None else [name for name in directions.names if not name.startswith("component ")]
    return {
        "name": model.name or "a model",
        "size": model.config.size,
        "stride": model.config.stride,
        "fineness": fineness(model),
        "integrity": {one.part.name: integrity(one.data) for one in made},
        "photos": [{"name": f"@{name}", "file": f"./photos/{name}.png"} for name in PHOTOS],
        "directions": [direction(directions, name) for name in known] if directions else [],
    }


def direction(directions: Directions, name: str) -> dict[str, Any]:
    vector = directions.vectors[directions.index(name)].tolist()
    return {"name": name, "part": directions.part, "told": directions.describe(name), "vector": vector}


def notice() -> str:
    """Whose the libraries and photographs are."""
    return (
        "This page was written by graftlab, under the Apache License 2.0. In lib/ are Preact, its signals and HTM,\n"
        "each with its licence, and onnxruntime-web, copyright Microsoft Corporation, under the MIT licence.\n"
        "photos/CREDITS.md names the photographs' authors and licences.\n"
    )


def knowing(page: str, site: bytes) -> str:
    """The page, whose policy allows its own import map and nothing else that stands in it, with the digest of
    `site.json`: what was damaged or changed since is refused by the browser."""
    (imports,) = re.findall(r'<script type="importmap">(.*?)</script>', page, re.DOTALL)
    return page.replace("IMPORTS", integrity(imports.encode())).replace("SITE", integrity(site))


def integrity(data: bytes) -> str:
    """A digest as browsers want it."""
    return f"sha256-{base64.b64encode(hashlib.sha256(data).digest()).decode()}"
