"""What pyproject.toml, CITATION.cff, the site and the constraints say of the project agrees."""

import json
import re
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import yaml
from packaging.requirements import Requirement

import graftlab
from tools import bring_javascript

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_one_version_and_one_address():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    site = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]
    assert graftlab.__version__ == PROJECT["version"] == citation["version"]
    assert PROJECT["urls"]["Documentation"] == site["site_url"] == citation["url"]
    assert PROJECT["urls"]["Repository"] == site["repo_url"] == citation["repository-code"]
    assert PROJECT["urls"]["Documentation"] in (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_requirement_is_pinned_to_a_version_that_fits():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("#")[0].strip().split("==") for line in lines if line and not line.startswith("#"))
    extras = PROJECT["optional-dependencies"]
    wanted = [*PROJECT["dependencies"], *(line for lines in extras.values() for line in lines)]
    for requirement in map(Requirement, wanted):
        name = canonical(requirement.name)
        if name != "graftlab":
            assert requirement.specifier.contains(pins[name]), requirement


def locked() -> dict[str, tuple[set[str], str]]:
    """Extras and version of what the lock names."""
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    entry = r"^([a-z0-9-]+)(?:\[(.*)\])?==([^ ;]+).*\\\n    --hash=sha256:[0-9a-f]{64}"
    found = {
        name: (set(extras.split(", ")), version) for name, extras, version in re.findall(entry, lines, re.MULTILINE)
    }
    assert len(found) == len(re.findall(r"^[^# ].*==", lines, re.MULTILINE))  # none without a hash
    return found


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_lock_has_the_pinned_versions_with_their_hashes():
    entries = {name: version for name, (_, version) in locked().items()}
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("#")[0].strip().split("==") for line in lines if line and not line.startswith("#"))
    assert {name: entries[name] for name in entries if name in pins} == {n: v for n, v in pins.items() if n in entries}
    for requirement in map(Requirement, PROJECT["dependencies"]):
        assert canonical(requirement.name) in entries, requirement


def test_the_lock_names_the_extras_that_its_packages_ask_for():
    """To pip with --require-hashes, `coverage==7.17.3` does not pin the `coverage[toml]` that pytest-cov asks for."""
    entries, asked = locked(), set()
    for package in distributions():
        for requirement in map(Requirement, package.requires or () if canonical(package.name) in entries else ()):
            if requirement.extras and (not requirement.marker or requirement.marker.evaluate({"extra": ""})):
                extras, _ = entries[canonical(requirement.name)]
                assert requirement.extras <= extras, requirement
                asked.add(requirement.name)
    assert "coverage" in asked


def test_the_lock_of_javascript_names_what_is_shipped():
    wanted = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))["dependencies"]
    locked = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    for library, version in wanted.items():
        entry = locked[f"node_modules/{library}"]
        assert entry["version"] == version
        assert entry["integrity"].startswith("sha512-")
        named = f"{library} {version}".lower()
        assert named in " ".join((ROOT / "NOTICE").read_text(encoding="utf-8").lower().split())


def test_no_javascript_of_others_lies_in_the_tree():
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    ours = [ROOT / "graftlab" / room / "page" for room in ("studio", "exporting")]
    brought = [ROOT / folder.strip("/") for folder in ignored if folder.startswith("/graftlab/bundled/")]
    found = [path for ending in ("*.js", "*.mjs") for path in (ROOT / "graftlab").rglob(ending)]
    assert [path for path in found if not any(path.is_relative_to(folder) for folder in [*ours, *brought])] == []
    assert brought == [bring_javascript.BUNDLED / bring_javascript.folder_of(name) for name in bring_javascript.SHIPPED]
