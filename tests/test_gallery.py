"""The gallery: its page is what its script says, its pictures exist, and its commands make them.

That the commands exist with all their options, `test_docs.py` checks on the page."""

import importlib.util
import re
import shlex
import shutil
import sys
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest
from PIL import Image

from graftlab.checkpoints import load
from graftlab.figures.charts import chart
from graftlab.images import read_recipe

DOCS = Path(__file__).parents[1] / "docs"
PICTURES = re.compile(r"images/([\w-]+\.(?:jpg|gif|svg))")

GUIDE = ("training.jpg", "training-stylegan2.jpg")


def script(name: str) -> ModuleType:
    """A script of the documents, which is not part of the package."""
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


gallery, curves = script("gallery"), script("curves")


def test_page_is_what_the_script_writes():
    assert (DOCS / "gallery.md").read_text(encoding="utf-8") == gallery.document()


@pytest.mark.parametrize("entry", gallery.ENTRIES.values(), ids=lambda entry: entry.name)
def test_pictures_are_those_of_the_commands_and_films_move(entry):
    assert entry.pictures
    for name in entry.pictures:
        path = DOCS / "images" / name
        assert path.stat().st_size < 1_500_000
        if path.suffix == ".svg":
            continue
        if path.suffix == ".jpg":
            recipe = read_recipe(path)
            command = recipe.get("of", recipe)["command"]  # a film that is played backwards is one of another
            assert shlex.split(command) in map(shlex.split, entry.commands)
        with Image.open(path) as picture:
            assert path.suffix != ".gif" or picture.n_frames >= 24
            low, high = picture.convert("L").getextrema()  # neither black nor of one colour
            assert high - low > 100, name


def test_every_picture_of_the_documents_has_an_entry():
    shown = {
        name for page in [*DOCS.glob("*.md"), DOCS.parent / "README.md"] for name in PICTURES.findall(page.read_text())
    }
    made = {name for entry in gallery.ENTRIES.values() for name in entry.pictures}
    assert shown - made <= {"growth.svg", "upscaled.jpg", *GUIDE}  # which need other networks, or a run's states
    assert made <= shown


def test_inputs_are_bundled_photos():
    words = {word for entry in gallery.ENTRIES.values() for command in entry.commands for word in command.split()}
    photos = {photo for word in words for photo in re.findall(gallery.PHOTOS + r"[\w-]+\.\w+", word)}
    assert len(photos) > 5
    assert [photo for photo in photos if not (DOCS.parent / photo).exists()] == []
    assert [word for word in words if "@" in word] == []


def test_tables_name_entries_and_lead_to_their_headings():
    page = gallery.document()
    headings = {gallery.anchor(heading) for heading in re.findall(r"^### (.*)$", page, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([^)]+)\)", page)) <= headings
    assert len(headings) == len(gallery.ENTRIES)


def test_folded_commands_are_the_same_commands():
    for entry in gallery.ENTRIES.values():
        for command in entry.commands:
            lines = gallery.folded(command).splitlines()
            assert all(len(line) <= 120 for line in lines)
            assert shlex.split(" ".join(line.removesuffix("\\") for line in lines)) == shlex.split(command)


@pytest.fixture
def repository(graft, bundle, tmp_path, monkeypatch) -> Path:
    """A folder like the repository's root, with a tiny model as each of the bundled ones."""
    monkeypatch.setattr(load, "BUNDLED", shutil.copytree(bundle, tmp_path / "bundled"))
    shutil.copy(load.BUNDLED / "landscapes-256.safetensors", load.BUNDLED / "colours-128.safetensors")
    shutil.copytree(bundle / "photos", tmp_path / gallery.PHOTOS)
    (tmp_path / gallery.IMAGES).mkdir(parents=True)
    return tmp_path


def test_an_entry_is_made_again(repository, capsys):
    gallery.make([gallery.ENTRIES["selected"], gallery.ENTRIES["regions"]])
    assert {path.name for path in (repository / "docs" / "images").iterdir()} == {"selected.jpg", "regions.jpg"}
    assert (repository / "demo" / "meadow.png").exists()
    assert capsys.readouterr().out.count("graft select") == 1  # both entries need it


def test_other_programs_run_too(repository):
    gallery.run("mkdir -p demo/a")
    gallery.run("cp graftlab/bundled/photos/{peaks,stream}.jpg demo/a")
    assert len(list((repository / "demo" / "a").iterdir())) == 2


def test_a_command_that_fails_ends_the_work(repository):
    with pytest.raises(SystemExit, match=r"graft swap nowhere.jpg nowhere.jpg.*ended with 2"):
        gallery.run("graft swap nowhere.jpg nowhere.jpg")


def test_entries_for_which_a_program_is_missing_are_left_out(repository, monkeypatch, capsys):
    monkeypatch.setattr(gallery.shutil, "which", lambda program: None)
    gallery.make([gallery.ENTRIES["night"]])
    assert "no povray here" in capsys.readouterr().err
    assert not (repository / "demo").exists()


def test_entries_that_train_are_made_when_they_are_named(monkeypatch, tmp_path):
    made = []
    monkeypatch.setattr(gallery, "make", made.append)
    monkeypatch.setattr(gallery, "ROOT", tmp_path)
    (tmp_path / "docs").mkdir()
    gallery.main([])
    assert {entry.name for entry in gallery.ENTRIES.values()} - {entry.name for entry in made[0]} == {
        "tuning",
        "student",
        "winter-network",
    }
    gallery.main(["student", "moved"])
    assert [entry.name for entry in made[1]] == ["student", "moved"]


def test_unknown_names_are_refused():
    with pytest.raises(SystemExit, match="There is no panroama in the gallery"):
        gallery.main(["panroama"])


def test_curves_are_cut_out_of_a_report(tmp_path):
    titles = [*curves.TITLES, "Another"]
    page = "".join(chart(title, {"this & that": [(0, 0.5), (8, 0.25)]}) for title in titles)
    (tmp_path / "report.html").write_text(f"<html>{page}</html>", encoding="utf-8")
    curves.curves(tmp_path / "report.html", tmp_path / "curves.svg")
    drawn = ElementTree.parse(tmp_path / "curves.svg")
    texts = ["".join(text.itertext()) for text in drawn.iter(f"{{{curves.SVG}}}text")]
    assert [text for text in texts if text in titles] == list(curves.TITLES)
    assert [text for text in texts if "&" in text] == ["this & that 0.25"] * 3
    assert len(list(drawn.iter(f"{{{curves.SVG}}}polyline"))) == 3


def test_names_and_commands_are_unlike():
    assert len(gallery.FILE["entry"]) == len(gallery.ENTRIES)
    pictures = [name for entry in gallery.ENTRIES.values() for name in entry.pictures]
    assert {name for name in pictures if pictures.count(name) > 1} == {"selected.jpg"}  # the region's mask too
