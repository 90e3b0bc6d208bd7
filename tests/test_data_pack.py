"""Packs: what is written is what a folder gives, safetensors opens it, and no header can lead a reader astray."""

import io
import json
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from claims import refused
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.numpy import load_file, save_file

from graftlab.data import Pack, TrainingImages, open_source, pack
from graftlab.data.crops import cut
from graftlab.errors import GraftError


def photo(seed: int, size=(60, 44), kind="JPEG") -> bytes:
    file = io.BytesIO()
    coarse = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), np.uint8)
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(file, kind)
    return file.getvalue()


@pytest.fixture
def photos(tmp_path):
    (tmp_path / "photos").mkdir()
    for i in range(7):
        (tmp_path / "photos" / f"é{i}.jpg").write_bytes(photo(i))
    return open_source(tmp_path / "photos")


def test_pack_holds_the_centre_crops(photos, tmp_path):
    steps = []
    report = pack(photos, tmp_path / "new/photos.pack", 16, progress=lambda *step: steps.append(step))
    packed = open_source(tmp_path / "new/photos.pack")
    assert isinstance(packed, Pack)
    assert (packed.kind, packed.size, len(packed), packed.names) == ("pack", 16, 7, list(photos.names))
    for i in range(7):
        assert np.array_equal(packed.images[i], cut(photos.read(i), "", 16, "short"))
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(packed.read(i)))), packed.images[i])
        assert packed.key(i) == photos.key(i)
    assert steps == [(i, 7) for i in range(1, 8)]
    assert (report.images, report.photos, report.unreadable) == (7, 7, 0)
    assert report.bytes == packed.path.stat().st_size
    assert "7 images of 16 px" in report.summary()
    assert json.loads(report.to_json())["size"] == 16
    assert [path.name for path in packed.path.parent.iterdir()] == ["photos.pack"]
    with pytest.raises(ValueError, match="read-only"):
        packed.images[0] = 0


def test_safetensors_opens_a_pack(photos, tmp_path):
    pack(photos, tmp_path / "a.safetensors", 8)
    tensors = load_file(tmp_path / "a.safetensors")
    assert np.array_equal(tensors["images"], Pack(tmp_path / "a.safetensors").images)
    assert json.loads(tensors["names"].tobytes()) == list(photos.names)


def test_several_random_crops_of_each_photo(photos, tmp_path):
    for out in ("a", "b"):
        pack(photos, tmp_path / out, 8, crop="random", crops_per_image=3, seed=5)
    packed = Pack(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert len(packed) == 21
    assert packed.names[:4] == ["é0.jpg#0", "é0.jpg#1", "é0.jpg#2", "é1.jpg#0"]
    assert packed.key(0) == packed.key(2) == photos.key(0)
    assert not np.array_equal(packed.images[0], packed.images[1])


def test_pickled_pack_is_a_path(photos, tmp_path):
    pack(photos, tmp_path / "a", 8)
    data = pickle.dumps(Pack(tmp_path / "a"))
    assert len(data) < 1000
    assert np.array_equal(pickle.loads(data).images, Pack(tmp_path / "a").images)


def test_pack_of_a_pack_keeps_the_keys(photos, tmp_path):
    pack(photos, tmp_path / "a", 16)
    pack(Pack(tmp_path / "a"), tmp_path / "b", 8)
    assert [Pack(tmp_path / "b").key(i) for i in range(7)] == [photos.key(i) for i in range(7)]


def test_unreadable_photos_are_left_out_up_to_half(photos, tmp_path):
    for i in (1, 2, 3):
        (photos.path / f"é{i}.jpg").write_bytes(photo(i)[:300])
    report = pack(photos, tmp_path / "a", 8)
    assert (report.images, report.unreadable) == (4, 3)
    assert "é1.jpg" in report.reasons[0]
    assert "left out as unreadable or too small, 3:" in report.summary()
    assert Pack(tmp_path / "a").names == ["é0.jpg", "é4.jpg", "é5.jpg", "é6.jpg"]
    refused(
        "too small; the first reason: é0.jpg has 60 x 44 pixels, fewer than 60 x 60", pack, photos, tmp_path / "b", 60
    )
    (photos.path / "é0.jpg").write_bytes(b"")
    before = (tmp_path / "a").read_bytes()
    refused(r"More than half of .*photos is unreadable", pack, photos, tmp_path / "a", 8)
    assert (tmp_path / "a").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "photos"]


def test_refused_before_any_work(photos, tmp_path, monkeypatch):
    refused("no crop mode", pack, photos, tmp_path / "a", 8, crop="middle")
    refused("at least 1", pack, photos, tmp_path / "a", 0)
    pack(photos, tmp_path / "a", 8)
    refused("the source itself", pack, Pack(tmp_path / "a"), tmp_path / "a", 8)
    monkeypatch.setattr("graftlab.hardware.disk_usage", lambda path: type("usage", (), {"free": 10_000}))
    refused("make room or choose another disk", pack, photos, tmp_path / "deep/b", 64)
    assert not (tmp_path / "deep").exists()


# --------------------------------------------------------------------------------------------------------- damaged


def test_what_was_changed_after_writing_is_noticed(photos, tmp_path):
    pack(photos, tmp_path / "a", 16)
    whole = (tmp_path / "a").read_bytes()
    places = np.random.default_rng(0).integers(len(whole) * 8, size=60).tolist()
    places += [8 * (whole.index(part) + 1) + 1 for part in (b"sha256", b"short", b"digests", b"photos", b"U8")]
    for place in places:
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        (tmp_path / "b").write_bytes(flipped)
        says = r"b is (not a usable pack|damaged: its image \d .*make it again)"
        refused(says, lambda: Pack(tmp_path / "b").verify())
    assert Pack(tmp_path / "a").verify()


def test_a_damaged_image_is_not_trained_on(photos, tmp_path):
    pack(photos, tmp_path / "a", 16)
    data = bytearray((tmp_path / "a").read_bytes())
    data[4096 + 3 * 16 * 16 * 3 + 5] ^= 128
    (tmp_path / "a").write_bytes(data)
    packed = Pack(tmp_path / "a")
    assert np.array_equal(packed.take(np.array([2, 4])), packed.images[[2, 4]])
    refused(r"its image 3 \(é3\.jpg\) is not what was written", packed.take, np.array([2, 3]))
    refused("its image 3", TrainingImages(packed, 16).batch, 0, 7)


def test_a_pack_of_before_there_were_digests(tmp_path):
    packed = Pack(written(tmp_path / "a", GOOD, DATA))
    assert not packed.verify()
    assert packed.names == ["a"]
    assert packed.take(np.array([0])).shape == (1, 2, 2, 3)


# ------------------------------------------------------------------------------------------------- files made wrong


def written(path: Path, header: object, data: bytes) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def entry(shape: list[int], start: int, dtype="U8") -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, start + int(np.prod(shape))]}


GOOD = {"images": entry([1, 2, 2, 3], 0), "keys": entry([1, 32], 12), "names": entry([5], 44)}
DATA = bytes(44) + b'["a"]'


def test_headers_that_do_not_fit(tmp_path):
    for change, data in (
        ({}, DATA[:-1]),
        ({}, DATA + b" "),
        ({}, DATA[:44] + b'["\xff]'),
        ({}, DATA[:44] + b"[1,2]"),
        ({}, DATA[:44] + b"  [1]"),
        ({}, DATA[:44] + b'{"a"}'),
        ({"images": entry([1, 2, 2, 3], 0, "F32")}, DATA),
        ({"images": entry([1, 2, 3, 2], 0)}, DATA),
        ({"images": entry([12], 0)}, DATA),
        ({"images": entry([-1, 2, -2, 3], 0)}, DATA),
        ({"images": entry([0, 2, 2, 3], 0)}, DATA),
        ({"images": entry([1, 0, 0, 3], 0)}, DATA),
        ({"images": {"dtype": "U8", "shape": [2**40, 2**40, 2**40, 3], "data_offsets": [0, 12]}}, DATA),
        ({"images": {"dtype": "U8", "shape": [True, 2, 2, 3], "data_offsets": [0, 12]}}, DATA),
        ({"images": {"dtype": "U8", "shape": [1, 2, 2, 3], "data_offsets": [0]}}, DATA),
        ({"images": {"dtype": "U8", "shape": 5, "data_offsets": [0, 12]}}, DATA),
        ({"images": [1, 2]}, DATA),
        ({"images": None}, DATA),
        ({"images": entry([1, 2, 2, 3], 10**30)}, DATA),
        ({"keys": entry([2, 16], 12)}, DATA),
        ({"names": entry([0], 44)}, DATA[:44]),
        ({"__metadata__": 3}, DATA),
    ):
        made = written(tmp_path / "a", {**GOOD, **change}, data)
        refused(r"not a usable pack: .*; make one with `graft data pack`", open_source, made)


def test_headers_that_are_no_table_and_other_files(tmp_path):
    for header in (b"{" + b"[" * 100_000, b'{"a":' * 50_000, b"{}", b"{\xff}", b"{" + b" " * (1 << 21)):
        refused("not a usable pack", open_source, written(tmp_path / "a", header, DATA))
    save_file({"weight": np.zeros((3, 3), np.float32)}, tmp_path / "model.safetensors")
    refused("not a usable pack", open_source, tmp_path / "model.safetensors")
    for tiny in (b"", b"12345678", struct.pack("<Q", 2**63) + b"{}"):
        (tmp_path / "tiny").write_bytes(tiny)
        refused("", Pack, tmp_path / "tiny")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_damage_to_the_header_is_noticed_or_harmless(tmp_path, data):
    whole = bytearray(written(tmp_path / "a", GOOD, DATA).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 50))] = data.draw(st.integers(0, 255))
    (tmp_path / "b").write_bytes(whole[: data.draw(st.integers(0, len(whole)) | st.just(len(whole)))])
    try:
        packed = Pack(tmp_path / "b")
    except GraftError:
        return
    assert packed.images.shape[0] == len(packed.names)
    assert packed.images.sum() >= 0  # every byte is inside the file
