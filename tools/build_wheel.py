"""Build what people install, and use it as a stranger would: python tools/build_wheel.py [--built]

Builds dist/*.tar.gz and from it dist/*.whl, has twine look at both, and installs the wheel into an environment that
holds nothing but what the wheel says it needs. From there, in an empty folder, `graft` runs. So that nothing is
fetched, the requirements are linked from the environment that runs this: the same versions, and only those that are
declared. With --built, the files that lie in dist/ already are checked."""

import os
import shutil
import subprocess
import sys
import tempfile
import venv
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
DIST = ROOT / "dist"
USE = """
from pathlib import Path
import graftlab
from graftlab.figures.deepzoom import VIEWER
from graftlab.checkpoints.load import bundled_models
assert VIEWER.is_file() and VIEWER.with_name("LICENSE.txt").is_file(), "the viewer of pages is not in the wheel"
studio, bundled = (Path(graftlab.__file__).with_name(name) for name in ("studio", "bundled"))
assert (studio / "page" / "rooms" / "swap.js").is_file(), "the studio's page is not in the wheel"
assert len([*bundled.glob("*/LICENSE*")]) == 5, "a JavaScript library or its licence is not in the wheel"
models = {"landscapes-256", "landscapes-128", "colours-128", "graft-mini", "alpine-64", "woodblock-64"}
assert models <= set(bundled_models()), "a model is not in the wheel"
print(graftlab.__file__)
"""


def main() -> None:
    if "--built" not in sys.argv:
        for old in DIST.glob("graftlab-*"):
            old.unlink()
        call(sys.executable, "-m", "build", "--no-isolation", "--outdir", DIST, ROOT, read=True)
    (wheel,) = DIST.glob("graftlab-*.whl")
    call(sys.executable, "-m", "twine", "check", "--strict", wheel, *DIST.glob("graftlab-*.tar.gz"))
    with tempfile.TemporaryDirectory(dir=DIST) as folder:  # on the disk of .venv, so that files can be linked
        bare, elsewhere = Path(folder, "bare"), Path(folder, "elsewhere")
        elsewhere.mkdir()
        venv.create(bare, with_pip=True)
        programs = bare / ("Scripts" if os.name == "nt" else "bin")
        python = programs / "python"
        call(python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel)
        site = Path(call(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", read=True).strip())
        for name in needed(site):
            link(name, site)
        call(python, "-m", "pip", "check", "--disable-pip-version-check")
        where = call(python, "-c", USE, cwd=elsewhere, read=True).strip()
        assert Path(where).is_relative_to(site), f"graftlab was imported from {where}, not from the wheel"
        call(programs / "graft", "models", cwd=elsewhere, read=True)
        call(programs / "graft", "demo", cwd=elsewhere)
        made = sorted(path.name for path in (elsewhere / "demo").iterdir())
        assert made, "graft demo wrote nothing"
        print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB, installed alone; graft demo wrote {', '.join(made)}")


def call(*command: object, cwd: Path | None = None, read: bool = False) -> str:
    """Run a program without this environment's settings. Returns what it prints, if `read`."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    command = tuple(map(str, command))
    print("+", *command, flush=True)
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT} if read else {}
    done = subprocess.run(command, cwd=cwd, env=environment, text=True, **output)
    if done.returncode:
        sys.exit(f"{done.stdout or ''}\n{' '.join(command)} ended with {done.returncode}.")
    return done.stdout or ""


def needed(site: Path) -> list[str]:
    """Names of all that graftlab in this folder requires, and what that requires, without extras of graftlab's own."""
    (installed,) = metadata.distributions(name="graftlab", path=[str(site)])
    waiting = [(Requirement(line), "") for line in installed.requires or []]
    known: set[tuple[str, str]] = set()
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        for wanted in ["", *requirement.extras]:
            if (requirement.name, wanted) not in known:
                known.add((requirement.name, wanted))
                lines = metadata.distribution(requirement.name).requires or []
                waiting += [(Requirement(line), wanted) for line in lines]
    return sorted({name for name, _ in known})


def link(name: str, site: Path) -> None:
    """Lay the files of an installed distribution into another site-packages, as links if the disk allows."""
    distribution = metadata.distribution(name)
    here = Path(str(distribution.locate_file(""))).resolve()
    for file in distribution.files or []:
        source = Path(str(file.locate())).resolve()
        if not source.is_relative_to(here) or source.suffix == ".pyc" or not source.is_file():
            continue  # scripts, and what was compiled at installation
        target = site / source.relative_to(here)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, target)
        except OSError:
            shutil.copy2(source, target)


if __name__ == "__main__":
    main()
