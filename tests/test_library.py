"""An index of photos: what is found is what a comparison with every photo finds, and new photos join it."""

import shutil

import pytest
import torch
from claims import refused
from tiny import new_model, pictures

from graftlab.checkpoints.load import load
from graftlab.checkpoints.native import save_model
from graftlab.codes import SwapCodes
from graftlab.data import open_source
from graftlab.editing import photo_index as module
from graftlab.editing.photo_index import PhotoIndex, Places, index
from graftlab.images import read, write
from graftlab.rendering.renderer import Renderer
from graftlab.rendering.sheets import draw_found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("photos")
    for i, picture in enumerate(pictures(24)):
        write(picture[None], path / f"{i:02d}.png")
    return path


@pytest.fixture
def known(model, folder):
    return index(model, folder, 32)


def planted(photos=500, channels=40):
    """An index of random codes, of which the first axes tell most, as of photos."""
    rng = torch.Generator().manual_seed(0)
    scales = 1 / torch.arange(1, channels + 1)

    def places():
        rows = torch.randn(photos, channels, generator=rng) * scales
        return Places(torch.zeros(channels), torch.eye(channels), rows.half())

    names = tuple(f"{i}.jpg" for i in range(photos))
    return PhotoIndex(names, torch.arange(photos), places(), places(), None, {"photos": "p", "size": 32})


@pytest.mark.parametrize("parts", [("texture",), ("structure",), ("texture", "structure")])
def test_found_are_the_nearest_of_all(parts):
    library, rng = planted(), torch.Generator().manual_seed(1)
    wanted = {part: torch.randn(40, generator=rng) / torch.arange(1, 41) for part in parts}
    every = sum((getattr(library, part).rows.float() - place).square().sum(1) for part, place in wanted.items())
    assert library.places_of_nearest(wanted, 7).tolist() == every.topk(7, largest=False).indices.tolist()


def test_a_photo_that_can_no_longer_be_read_is_left_out_and_counted(model, folder, tmp_path):
    photos = shutil.copytree(folder, tmp_path / "photos")
    source = open_source(photos)
    (photos / "05.png").unlink()
    found = index(model, source, 32)
    assert (len(found), "05.png" in found.names, found.about["unreadable"]) == (23, False, 1)


def test_a_photo_is_nearest_to_itself_and_distances_count_from_0_to_1(model, folder, known):
    codes = model.encode(read(folder / "05.png", size=32))
    for asked in ({"texture": codes}, {"structure": codes}, {"texture": codes, "structure": codes}):
        first, *others = known.nearest(**asked, count=24)
        assert (first.name, len(others)) == ("05.png", 23)
        assert first.distance < 0.01
        assert 0.3 < sum(each.distance for each in others) / 23 < 2
        assert {part: getattr(first, part) is not None for part in SwapCodes.parts} == {
            part: part in asked for part in SwapCodes.parts
        }


def test_index_is_kept_in_a_file_and_brought_up_to_date(monkeypatch, model, folder, known, tmp_path):
    loaded = PhotoIndex.load(known.save(tmp_path / "i.safetensors"))
    assert (loaded.names, loaded.model, loaded.about) == (known.names, model.fingerprint, known.about)
    photos = shutil.copytree(folder, tmp_path / "photos")
    (photos / "03.png").unlink()
    (photos / "04.png").rename(photos / "other.png")
    (photos / "broken.png").write_bytes((photos / "05.png").read_bytes()[:60])
    write(pictures(25)[24:], photos / "new.png")
    seen = []
    monkeypatch.setattr(module, "SAMPLE", 24)
    encode = model.encode
    monkeypatch.setattr(model, "encode", lambda images: seen.append(len(images)) or encode(images))
    found = index(model, photos, 32, loaded)
    assert seen == [1]  # all others are known
    assert set(found.names) == {path.name for path in photos.iterdir()} - {"broken.png"}
    assert (len(found), found.about["unreadable"]) == (24, 1)
    places = dict(zip(found.keys.tolist(), found.texture.rows, strict=True))
    assert all(torch.equal(places[key], row) for key, row in zip(*_kept(known, places), strict=True))


def _kept(known, places):
    """Of the photos of an index that another has, the keys and the rows."""
    both = [i for i, key in enumerate(known.keys.tolist()) if key in places]
    return known.keys[both].tolist(), known.texture.rows[both]


def test_others_indexes_and_photos_that_are_gone(model, folder, known, tmp_path):
    other = new_model(seed=3)
    save_model(tmp_path / "other.safetensors", other, {})
    other = load(tmp_path / "other.safetensors", device="cpu")
    (tmp_path / "other.safetensors").unlink()
    refused("another model .*graft index", known.nearest, texture=other.encode(pictures(1)))
    refused("another model or another size", index, model, folder, 64, known)
    refused("texture, a structure, or both", known.nearest)
    (tmp_path / "none.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    refused("no readable picture", index, model, tmp_path, 32)
    codes = model.encode(read(folder / "05.png", size=32))
    found = known.nearest(texture=codes, count=2)
    photos = shutil.copytree(folder, tmp_path / "photos")
    moved = index(model, photos, 32)
    (photos / found[1].name).unlink()
    renderer = Renderer(model, size=32, square=True)
    refused("no longer in .*graft index", draw_found, renderer, moved, {"texture": pictures(1)}, found)
    assert draw_found(renderer, known, {"texture": pictures(1)}, found).ndim == 4


def test_commands(graft):
    assert "photos." in graft("index", "photos").err
    found = graft("find", "--texture", "photos/hill.png", "--structure", "photos/hill.png", "-o", "f.png")
    assert found.out.splitlines()[0] == "0.000  hill.png"
    assert read("f.png").shape[0] == 1
    assert "--texture, --structure or both" in graft("find").refusal()
