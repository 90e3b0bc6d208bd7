"""Bring the JavaScript libraries of package.json where the package looks for them: python tools/bring_javascript.py

`make` and the build of a wheel call this. The versions and their hashes are those of package-lock.json; npm fetches
them, and no script of theirs is run. Nothing is fetched while what is there is of the version that the lock names."""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUNDLED = ROOT / "graftlab" / "bundled"
# library -> files of its npm package that are shipped, in bundled/LIBRARY (preact-signals for @preact/signals)
SHIPPED = {
    "openseadragon": ["build/openseadragon/openseadragon.min.js", "LICENSE.txt"],
    "preact": ["dist/preact.mjs", "hooks/dist/hooks.mjs", "LICENSE"],
    "@preact/signals": ["dist/signals.mjs", "LICENSE"],
    "@preact/signals-core": ["dist/signals-core.mjs", "LICENSE"],
    "htm": ["dist/htm.mjs", "LICENSE"],
    "onnxruntime-web": [  # by WebAssembly alone, and by WebGPU too; its licence is in NOTICE, which the package lacks
        *("dist/ort.wasm.min.mjs", "dist/ort-wasm-simd-threaded.mjs", "dist/ort-wasm-simd-threaded.wasm"),
        *("dist/ort.jspi.min.mjs", "dist/ort-wasm-simd-threaded.jspi.mjs", "dist/ort-wasm-simd-threaded.jspi.wasm"),
        "README.md",
    ],
}
TESTS = ROOT / "tests" / "browser"  # which no wheel contains, nor what one is built from
TESTED_WITH = {"axe-core": ["axe.min.js", "LICENSE"]}  # the same for tests, in tests/browser/LIBRARY


class MissingError(Exception):
    """The libraries are not there and cannot be brought; the sentence says what to do."""


def bring() -> None:
    """Lay every library into the package, unless it is there in this version. MissingError if that cannot be done."""
    locked = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    brought = {BUNDLED / folder_of(library): (library, files) for library, files in SHIPPED.items()}
    if TESTS.is_dir():
        brought |= {TESTS / library: (library, files) for library, files in TESTED_WITH.items()}
    stamps = {folder: locked[f"node_modules/{library}"]["integrity"] for folder, (library, _) in brought.items()}
    if all(is_there(folder, stamp) for folder, stamp in stamps.items()):
        return
    npm = shutil.which("npm")
    if npm is None:
        raise MissingError(
            "the pages that graftlab writes need npm at build time: install Node.js, then run 'make javascript'."
        )
    with tempfile.TemporaryDirectory() as folder:
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(ROOT / name, folder)
        run = subprocess.run(
            [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, capture_output=True, text=True
        )
        if run.returncode:
            raise MissingError(
                f"'npm ci' failed, so the pages that graftlab writes lack their libraries: {run.stderr.strip()}"
            )
        for target, (library, files) in brought.items():
            target.mkdir(parents=True, exist_ok=True)
            for name in files:
                shutil.copy(Path(folder, "node_modules", library, name), target)
            (target / "integrity").write_text(stamps[target] + "\n", encoding="utf-8")  # last: all of it is there


def folder_of(library: str) -> str:
    return library.removeprefix("@").replace("/", "-")


def is_there(folder: Path, stamp: str) -> bool:
    written = folder / "integrity"
    return written.is_file() and written.read_text(encoding="utf-8").strip() == stamp


if __name__ == "__main__":
    try:
        bring()
    except MissingError as missing:
        sys.exit(str(missing))
