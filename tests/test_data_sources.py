"""Every place photos come from, made on the spot, and every way such a place can be broken or hostile."""

import gzip
import importlib.machinery
import io
import json
import multiprocessing
import os
import pickle
import struct
import sys
import types
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from claims import refused
from PIL import Image

from graftlab.data import TrainingImages, open_source, pack, scan
from graftlab.data.image_source import ENDS, content_key, fraction
from graftlab.errors import GraftError
from graftlab.images import open_rgb


def encoded(color=(200, 40, 10), kind="PNG", size=(40, 36)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, color).save(file, kind)
    return file.getvalue()


def put(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def make_lmdb(folder: Path, entries: dict[bytes, bytes]) -> Path:
    lmdb = pytest.importorskip("lmdb")
    folder.mkdir(parents=True)
    with lmdb.open(str(folder), map_size=1 << 24) as environment, environment.begin(write=True) as view:
        for key, value in entries.items():
            view.put(key, value)
    (folder / "lock.mdb").unlink()
    return folder


def make_zip(path: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return path


def counted(source) -> dict[str, int]:
    return {kind: found.count for kind, found in source.left_out.items()}


# ---------------------------------------------------------------------------------------------------------- folders


def test_folder_of_any_tree(tmp_path):
    wanted = ["B.JPEG", "a.png", "deep/er/山.WebP", "with space/ü.Jpg", "z.tif"]
    for name in wanted:
        put(tmp_path / name, encoded(kind="JPEG"))
    for name in (".hidden.png", "._a.png", ".thumbnails/a.png", "notes.txt", "clip.mpg", "a.png.part", "no_extension"):
        put(tmp_path / name, b"not to be read")
    source = open_source(tmp_path)
    assert counted(source) == {"hidden": 3, "other": 3, "video": 1}
    assert (source.kind, source.path) == ("folder", tmp_path)
    assert list(source.names) == sorted(wanted)
    assert all(open_rgb(source.read(i)).size == (40, 36) for i in range(len(source)))


def test_order_is_that_of_composed_characters(tmp_path):
    """macOS hands out é as e + accent: it must sort after f there too."""
    for name in ("e\u0301.png", "f.png"):
        put(tmp_path / name, encoded())
    assert open_source(tmp_path).names[0] == "f.png"


@pytest.mark.skipif(os.name == "nt", reason="symbolic links need a privilege on Windows")
def test_links_are_followed_once(tmp_path):
    put(tmp_path / "photos/real/a.png", encoded())
    put(tmp_path / "elsewhere/b.png", encoded())
    root = tmp_path / "photos"
    (root / "loop").symlink_to(root)
    (root / "real/up").symlink_to(root / "real")
    (root / "again").symlink_to(root / "real")
    (root / "other").symlink_to(tmp_path / "elsewhere")
    (root / "broken.png").symlink_to(tmp_path / "nowhere.png")
    (root / "c.png").symlink_to(tmp_path / "elsewhere/b.png")
    (root / "self.png").symlink_to(root / "self.png")
    (root / "self").symlink_to("self")
    source = open_source(root)
    assert list(source.names) == ["c.png", "other/b.png", "real/a.png"]
    assert counted(source) == {"broken link": 3}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in folders here")
def test_pipes_are_passed_by(tmp_path):
    put(tmp_path / "a.png", encoded())
    for name in ("b.png", "c"):  # opening one would wait for somebody who writes
        os.mkfifo(tmp_path / name)
    source = open_source(tmp_path)
    assert (list(source.names), counted(source)) == (["a.png"], {"pipe or device": 2})


HEIC = b"\0\0\0\x18ftypheic" + bytes(8) + b"mif1"
JXL, DNG = b"\xff\x0a" + bytes(20), b"II*\0" + bytes(20)
PHOTOS = {  # whose names tell nothing, or something wrong
    "0001": "JPEG",
    "photo.jpg_large": "JPEG",
    "c.jpg?w=640": "JPEG",
    "photo.jpeg~": "PNG",
    "x.txt": "PNG",
    "y.bin": "WEBP",
    "z.NEF": "JPEG",
    "0002": "TIFF",
    "g": "GIF",
    "b": "BMP",
}
OTHERS = {
    "a.HEIC": (HEIC, "HEIC"),
    "b": (HEIC, "HEIC"),
    "c.dng": (DNG, "camera RAW"),
    "d.CR2": (b"II*\0\x10\0\0\0CR" + bytes(20), "camera RAW"),
    "e": (b"FUJIFILMCCD-RAW 0201", "camera RAW"),
    "f.jxl": (JXL, "JPEG XL"),
    "shard-000.tar": (bytes(600), "archive"),
    "photos": (b"PK\3\4" + bytes(30), "archive"),
    "x.parquet": (b"PAR1", "records"),
    "x.npy": (b"\x93NUMPY\1\0", "records"),
    "x.tfrecord": (bytes(40), "records"),
    "clip.mov": (b"\0\0\0\x14ftypqt  ", "video"),
    "a.json": (b"{}", "other"),
    "empty": (b"", "other"),
}
EXPECTED = {"HEIC": 2, "camera RAW": 3, "JPEG XL": 1, "archive": 2, "records": 3, "video": 1, "other": 2}


@pytest.fixture
def unaided(monkeypatch):
    monkeypatch.setattr("graftlab.images.plugins.find_spec", lambda module: None)


@pytest.mark.parametrize("zipped", [False, True])
def test_content_decides_and_what_is_passed_over_is_counted(tmp_path, zipped, unaided):
    files = {f"a/{name}": encoded(kind=kind) for name, kind in PHOTOS.items()}
    files |= {f"b/{name}": data for name, (data, _) in OTHERS.items()}
    if zipped:
        source = open_source(make_zip(tmp_path / "photos.zip", files))
    else:
        for name, data in files.items():
            put(tmp_path / "photos" / name, data)
        source = open_source(tmp_path / "photos")
    assert sorted(source.names) == sorted(f"a/{name}" for name in PHOTOS)
    assert all(open_rgb(source.read(i)).size == (40, 36) for i in range(len(source)))
    assert counted(source) == EXPECTED
    assert set(source.left_out["HEIC"].names) == {"b/a.HEIC", "b/b"}
    report = scan(source)
    assert "left out   2 HEIC (pip install 'graftlab[heif]', or export as JPEG): b/" in report.summary()
    assert json.loads(report.to_json())["left_out"]["camera RAW"]["count"] == 3
    packed = pack(source, tmp_path / "x.pack", 8)
    assert packed.images == len(PHOTOS)
    assert "left out   3 records (" in packed.summary()


@pytest.mark.parametrize("zipped", [False, True])
def test_what_systems_keep_is_no_photo(tmp_path, zipped):
    """Thumbnails, deleted photos, and what is in iCloud alone."""
    library, names = "a.photoslibrary/originals/0/b.png", ["@eaDir/a.png/thumb.png", "$RECYCLE.BIN/S-1/$R1.png"]
    names += ["a.photoslibrary/resources/derivatives/b_c.png", "__MACOSX/c.png", ".d.HEIC.icloud"]
    for name in (library, *names):
        put(tmp_path / "photos" / name, encoded())
    make_zip(tmp_path / "photos.zip", {name: encoded() for name in (library, *names)})
    source = open_source(tmp_path / ("photos.zip" if zipped else "photos"))
    assert list(source.names) == [library]
    assert counted(source) == {"hidden": 1, "in iCloud": 1, "system folder": 3}


def test_a_folder_of_other_things_says_what_is_there(tmp_path, unaided):
    for number in range(3):
        put(tmp_path / f"IMG_{number}.HEIC", HEIC)
    put(tmp_path / "shard.tar", bytes(600))
    refused(r"holds no images.*3 HEIC \(IMG_0.*graftlab\[heif\].*1 archive .*unpack it", open_source, tmp_path)


def test_a_photo_that_needs_a_helper_says_which(tmp_path, unaided):
    refused(
        r"a\.jpg is HEIC, which is not read here: pip install 'graftlab\[heif\]'",
        open_rgb,
        put(tmp_path / "a.jpg", HEIC),
    )


def test_raw_photos_are_developed_where_rawpy_is(tmp_path, monkeypatch):
    class Developed:
        def __init__(self, file):
            assert file.read(4) == DNG[:4]

        __enter__, __exit__ = lambda self: self, lambda self, *error: None

        def postprocess(self, use_camera_wb):
            return np.full((36, 40, 3), 77, np.uint8)

    helper = types.ModuleType("rawpy")
    helper.__spec__, helper.imread = importlib.machinery.ModuleSpec("rawpy", None), Developed
    monkeypatch.setitem(sys.modules, "rawpy", helper)
    put(tmp_path / "c.dng", DNG)
    source = open_source(tmp_path)
    assert open_rgb(source.read(0), source.names[0]).getpixel((3, 3)) == (77, 77, 77)
    assert scan(source).usable == 1


@pytest.mark.parametrize(("module", "ending"), [("pillow_heif", "heic"), ("pillow_jxl", "jxl")])
def test_helpers_of_pillow(tmp_path, module, ending):
    helper = pytest.importorskip(module)
    getattr(helper, "register_heif_opener", lambda: None)()
    Image.new("RGB", (40, 36), (200, 40, 10)).save(tmp_path / f"a.{ending}")
    (tmp_path / f"a.{ending}").rename(tmp_path / "a.jpg")
    source = open_source(tmp_path)
    assert np.abs(np.subtract(open_rgb(source.read(0)).getpixel((20, 18)), (200, 40, 10))).max() < 10


@pytest.mark.parametrize(
    ("zipped", "inside"),
    [
        (False, ("config.json", "stats.jsonl")),
        (True, ("config.json", "samples/1.jpg")),
        (False, ("training_options.json", "reals.png")),
        (True, ("reals.png", "fakes000200.png", "log.txt")),
    ],
)
def test_a_run_among_the_photos_is_no_source(tmp_path, zipped, inside):
    files = {"a.png": encoded(), "old/runs/one/deep/b.png": encoded(), "config.json": b"{}"}
    files |= {f"old/runs/one/{name}": encoded() for name in inside}
    for name, data in files.items():
        put(tmp_path / "photos" / name, data)
    make_zip(tmp_path / "photos.zip", files)
    source = open_source(tmp_path / ("photos.zip" if zipped else "photos"))
    assert list(source.names) == ["a.png"]
    assert counted(source) == {"run folder": 1, "other": 1}
    assert source.left_out["run folder"].names[0].rstrip("/") == "old/runs/one"
    refused("1 run folder", open_source, tmp_path / "photos/old/runs/one")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_odd_file_names_can_be_printed(tmp_path):
    """Bytes that are no text, and what would move the cursor of a terminal, or begin a new line."""
    for name in (b"caf\xe9.png", b"a\nb\x1b[2J.png"):
        put(Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)), encoded())
    source = open_source(tmp_path)
    assert [name.encode("utf-8") for name in source.names] == [b"a\\x0ab\\x1b[2J.png", b"caf\\xe9.png"]
    assert source.read(0) == source.read(1) == encoded()


def test_file_gone_or_too_large(tmp_path, monkeypatch):
    path = put(tmp_path / "a.png", encoded())
    source = open_source(tmp_path)
    monkeypatch.setattr("graftlab.data.image_source.MAX_BYTES", 10)
    refused(r"a\.png claims", source.read, 0)
    path.unlink()
    for access in (source.read, source.key):
        refused(r"a\.png cannot be read", access, 0)


def test_key_of_a_folder_is_that_of_the_bytes(tmp_path):
    for length in (0, 5, ENDS, ENDS + 1, 3 * ENDS + 7):
        data = np.random.default_rng(length).bytes(length)
        put(tmp_path / "a.png", data)
        assert open_source(tmp_path).key(0) == content_key(data)
    assert 0 <= fraction("0" * 64) < fraction("f" * 64) < 1


# -------------------------------------------------------------------------------------------------------------- zip


def test_zip_decided_by_content(tmp_path):
    entries = {
        "b/2.PNG": encoded(),
        "a.jpg": encoded(kind="JPEG"),
        "../../up.png": encoded((1, 2, 3)),
        "C:\\x\\.secret.png": b"",
        "__MACOSX/._a.jpg": b"",
        ".hidden/a.png": b"",
        "dataset.json": b"{}",
        "folder.png/": b"",
    }
    source = open_source(make_zip(tmp_path / "photos.dat", entries))
    assert source.kind == "zip"
    assert counted(source) == {"hidden": 3, "other": 1}
    assert list(source.names) == ["../../up.png", "a.jpg", "b/2.PNG"]
    assert [source.read(i) for i in range(3)] == [entries[name] for name in source.names]
    assert source.key(1) == content_key(entries["a.jpg"])
    assert [path.name for path in tmp_path.iterdir()] == ["photos.dat"]  # nothing was unpacked


def test_zip_bomb_is_refused_before_it_expands(tmp_path, monkeypatch):
    monkeypatch.setattr("graftlab.data.image_source.MAX_BYTES", 1 << 20)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.png", bytes(2 << 20))
        archive.writestr("fine.png", encoded())
    source = open_source(tmp_path / "a.zip")
    refused(r"bomb\.png claims 2 MiB", source.read, 0)
    assert source.read(1) == encoded()


def test_zip_that_lies_about_sizes(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.png", bytes(1 << 20))
    data = (tmp_path / "a.zip").read_bytes()
    lie = data.replace(struct.pack("<L", 1 << 20), struct.pack("<L", 100))
    put(tmp_path / "lie.zip", lie)
    refused(r"bomb\.png in .* cannot be unpacked", open_source(tmp_path / "lie.zip").read, 0)


def test_zip_member_damaged_or_encrypted(tmp_path):
    make_zip(tmp_path / "a.zip", {"a.png": b"A" * 100})
    data = (tmp_path / "a.zip").read_bytes()
    put(tmp_path / "damaged.zip", data.replace(b"AAAA", b"AABA", 1))
    secret = bytearray(data)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        secret[data.index(signature) + offset] |= 1
    put(tmp_path / "secret.zip", bytes(secret))
    for name in ("damaged", "secret"):
        refused("cannot be unpacked", open_source(tmp_path / f"{name}.zip").read, 0)


def test_zip_with_a_damaged_directory(tmp_path):
    data = bytearray(make_zip(tmp_path / "a.zip", {"a.png": encoded()}).read_bytes())
    data[data.index(b"PK\x01\x02")] = 0
    put(tmp_path / "a.zip", bytes(data))
    refused("damaged zip", open_source, tmp_path / "a.zip")


def test_unreadable_member_is_reported_and_trained_around(tmp_path, monkeypatch):
    make_zip(tmp_path / "a.zip", {"bomb.png": bytes(2000), **{f"{i}.png": encoded((i, i, i)) for i in range(9)}})
    monkeypatch.setattr("graftlab.data.image_source.MAX_BYTES", 1000)
    source = open_source(tmp_path / "a.zip")
    report = scan(source)
    assert (report.usable, report.findings["unreadable"].count) == (9, 1)
    images = TrainingImages(source, 8)
    images.batch(0, len(images))
    images.held_out(len(source))
    assert images.unreadable == {"bomb.png"}


# ------------------------------------------------------------------------------------------------------------- LMDB


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_lsun_colours_do_not_depend_on_the_path(tmp_path, kind):
    red = encoded((220, 30, 20), kind)
    for folder in ("lsun/church_outdoor_train_lmdb", "photos_lmdb"):
        source = open_source(make_lmdb(tmp_path / folder, {b"0a1b": red, b"ff\xff": red}))
        assert (source.kind, list(source.names)) == ("lmdb", ["0a1b", "ff\\xff"])
        pixel = open_rgb(source.read(0)).getpixel((20, 18))
        assert np.abs(np.subtract(pixel, (220, 30, 20))).max() < 8
        assert source.key(0) == content_key(red)


class Trap:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (self.marker,)


def test_pickled_key_cache_is_never_opened(tmp_path):
    folder = make_lmdb(tmp_path / "lsun", {b"a": encoded(), b"b": encoded()})
    cache = put(folder / "_cache_lsun", pickle.dumps(Trap(str(tmp_path / "marker"))))
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    source = open_source(folder)
    assert [source.read(i) for i in range(len(source))] == [encoded()] * 2
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert not (tmp_path / "marker").exists()
    pickle.loads(cache.read_bytes())
    assert (tmp_path / "marker").exists()  # the trap would have worked


def test_lmdb_as_a_file_and_twice(tmp_path):
    folder = make_lmdb(tmp_path / "x", {b"a": encoded()})
    first, second = open_source(folder), open_source(folder / "data.mdb")
    assert first.read(0) == second.read(0) == encoded()
    with pytest.raises(IndexError):
        first.read(1)


def test_rosinality_takes_the_largest_complete_size(tmp_path):
    entries = {f"{size}-{i:05d}".encode(): encoded((size, i, 0)) for size in (8, 64, 128) for i in range(3)}
    entries |= {b"length": b"3", b"256-00000": encoded()}
    source = open_source(make_lmdb(tmp_path / "x", entries))
    assert list(source.names) == ["128-00000", "128-00001", "128-00002"]
    assert source.names[1:] == ["128-00001", "128-00002"]
    assert counted(source) == {"smaller copy": 7}
    assert source.read(2) == entries[b"128-00002"]


@pytest.mark.parametrize("unfinished", [0, 1])
def test_rosinality_that_was_cut_short(tmp_path, unfinished):
    """Without `length` every photo is there at each size, and its copies would lie on both sides of the hold-out."""
    entries = {
        f"{size}-{i:05d}".encode(): encoded((i, 9, 0), size=(size, size))
        for size in (64, 128)
        for i in range(24 - unfinished * (size == 128))
    }
    source = open_source(make_lmdb(tmp_path / "x", entries))
    assert list(source.names) == [f"128-{i:05d}" for i in range(24 - unfinished)]
    assert counted(source) == {"missing entry": 1, "smaller copy": 24}
    assert "left out   1 missing entry (preparing this LMDB was cut short" in scan(source).summary()
    images = TrainingImages(source, 16, holdout=0.2)
    assert len(images) + len(images.names_held_out) == len(source)


def test_keys_that_only_look_like_sizes(tmp_path):
    entries = {f"{year}-{i:05d}".encode(): encoded((i, 9, 0)) for year in (2019, 2020) for i in range(3)}
    source = open_source(make_lmdb(tmp_path / "x", entries))
    assert (len(source), counted(source)) == (6, {})


def test_lmdb_with_bookkeeping(tmp_path):
    entries = {b"image-%09d" % i: encoded((i, 0, 0)) for i in range(5)}
    entries |= {b"label-%09d" % i: b"word" for i in range(5)}
    entries |= {b"num-samples": b"5", b"__keys__": pickle.dumps([b"a"]), b"__len__": pickle.dumps(5), b"length": b"5"}
    source = open_source(make_lmdb(tmp_path / "x", entries))
    assert list(source.names) == [f"image-{i:09d}" for i in range(5)]
    assert counted(source) == {"bookkeeping": 4, "other": 5}
    assert scan(source).usable == 5


def test_lmdb_of_pickles_is_named_and_not_opened(tmp_path):
    trap = pickle.dumps((encoded(), Trap(str(tmp_path / "marker"))))
    folder = make_lmdb(tmp_path / "x", {b"%d" % i: trap for i in range(4)} | {b"__len__": pickle.dumps(4)})
    refused(r"LMDB without images.* 4 pickle \(0, \.\.\.: .*not run; export the pictures", open_source, folder)
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize("beside", [{}, {b"a": encoded()}])
def test_databases_inside_an_lmdb_are_named(tmp_path, beside):
    lmdb = pytest.importorskip("lmdb")
    folder = make_lmdb(tmp_path / "x", beside)
    with lmdb.open(str(folder), map_size=1 << 24, max_dbs=2) as environment:
        for name in (b"images", b"labels"):
            with environment.begin(write=True, db=environment.open_db(name)) as view:
                view.put(b"0", encoded())
    if beside:
        source = open_source(folder)
        assert (list(source.names), source.left_out["sub-database"].names) == (["a"], ["images", "labels"])
    else:
        refused(r"2 sub-database \(images, \.\.\.: export its pictures", open_source, folder)


def test_keys_alone_tell_in_a_large_lmdb(tmp_path, monkeypatch):
    monkeypatch.setattr("graftlab.data.lmdb_source.LOOKED_AT", 1)
    source = open_source(make_lmdb(tmp_path / "x", {b"a": encoded(), b"b": b"damaged", b"num-samples": b"2"}))
    assert (list(source.names), counted(source)) == (["a", "b"], {"bookkeeping": 1})


@pytest.mark.parametrize("length", [b"5", b"0", b"many"])
def test_rosinality_without_a_complete_size(tmp_path, length):
    folder = make_lmdb(tmp_path / "x", {b"length": length, b"64-00000": b"", b"128-00000": b""})
    refused(r"no complete size .sizes begun: 64, 128", open_source, folder)


def test_lmdb_empty_cut_short_or_false(tmp_path):
    refused("LMDB without entries", open_source, make_lmdb(tmp_path / "empty", {}))
    data = (make_lmdb(tmp_path / "whole", {b"%d" % i: encoded() * 20 for i in range(30)}) / "data.mdb").read_bytes()
    put(tmp_path / "short/data.mdb", data[: len(data) // 2])
    refused("the copy did not finish", open_source, tmp_path / "short")
    for fake in (b"", b"text", data[:100], bytes(4096) + data[4096:]):
        put(tmp_path / "fake/data.mdb", fake)
        refused("not a readable LMDB", open_source, tmp_path / "fake")


def test_lmdb_package_absent(tmp_path, monkeypatch):
    folder = make_lmdb(tmp_path / "x", {b"a": encoded()})
    monkeypatch.setitem(sys.modules, "lmdb", None)
    refused(r"pip install graftlab\[lmdb\]", open_source, folder)


# ----------------------------------------------------------------------------------------------- all kinds, and none


def test_nothing_to_open(tmp_path):
    (tmp_path / "empty").mkdir()
    cases = {
        tmp_path / "absent": "does not exist",
        tmp_path / "empty": "holds no images",
        make_zip(tmp_path / "empty.zip", {}): "zip without images",
        make_zip(tmp_path / "text.zip", {"a.txt": b""}): "zip without images",
        put(tmp_path / "photo.png", encoded()): "no collection of images, but one picture; give the folder",
        put(tmp_path / "zero", b""): "no collection of images",
        put(
            tmp_path / "noise.zip", b"PK\x03\x04 and then nothing"
        ): "images, but a zip that is cut off or damaged; fetch",
        put(tmp_path / "set.tfrecords", bytes(99)): r"images, but records \(export the pictures as files",
        put(tmp_path / "set.tar.gz", gzip.compress(bytes(10240))): r"images, but an archive \(unpack it",
    }
    for path, reason in cases.items():
        with pytest.raises(GraftError, match=reason) as caught:
            open_source(path)
        assert str(path) in str(caught.value)
        assert "a folder or zip of images" in str(caught.value)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions do not bind here")
def test_folder_that_may_not_be_listed(tmp_path):
    put(tmp_path / "photos/a.png", encoded())
    (tmp_path / "photos").chmod(0)
    try:
        refused("cannot be opened", open_source, tmp_path / "photos")
    finally:
        (tmp_path / "photos").chmod(0o700)


@pytest.fixture(params=["folder", "zip", "lmdb"])
def source(request, tmp_path):
    images = {f"{i:02d}.png": encoded((i, 2 * i, 255 - i)) for i in range(20)}
    if request.param == "folder":
        for name, data in images.items():
            put(tmp_path / "folder" / name, data)
        return open_source(tmp_path / "folder")
    if request.param == "zip":
        return open_source(make_zip(tmp_path / "a.zip", images))
    return open_source(make_lmdb(tmp_path / "db", {name.encode(): data for name, data in images.items()}))


def test_sources_can_be_pickled_and_read_from_threads(source):
    copy = pickle.loads(pickle.dumps(source))
    expected = [encoded((i, 2 * i, 255 - i)) for i in range(20)] * 20
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(copy.read, list(range(20)) * 20)) == expected
    assert list(copy.names) == list(source.names)


def _send(source, pipe):
    pipe.send([source.key(i) for i in range(len(source))])


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_sources_survive_a_fork(source):
    expected = [source.key(i) for i in range(20)]
    here, there = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=_send, args=(source, there))
    child.start()
    assert [source.key(i) for i in range(20)] == expected
    assert here.poll(30)
    assert here.recv() == expected
    child.join()
