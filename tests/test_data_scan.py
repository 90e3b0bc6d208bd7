"""The scan counts every oddity people's folders hold, and none of them stops it."""

import io
import json

import numpy as np
from PIL import Image

from graftlab.data import open_source, scan


def noise(size=(64, 48), mode="RGB", seed=0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), np.uint8)).convert(mode)


def test_every_finding(tmp_path, monkeypatch):
    monkeypatch.setattr("graftlab.images.MAX_PIXELS", 100_000)
    noise().save(tmp_path / "plain.png")
    noise().save(tmp_path / "same.png")
    noise((20, 90)).save(tmp_path / "tiny.jpg")
    noise((400, 300)).save(tmp_path / "huge.png")
    noise(mode="CMYK").save(tmp_path / "cmyk.jpg")
    noise(mode="RGBA").save(tmp_path / "alpha.png")
    noise(mode="L").save(tmp_path / "gray.png")
    Image.fromarray(np.arange(4096, dtype=np.uint16).reshape(64, 64)).save(tmp_path / "deep.png")
    Image.fromarray(np.arange(4096, dtype=np.uint16).reshape(64, 64)).save(tmp_path / "deep.tif")
    noise().save(tmp_path / "anim.gif", save_all=True, append_images=[noise(seed=1), noise(seed=2)])
    exif = Image.Exif()
    exif[0x0112] = 6
    noise((120, 50)).save(tmp_path / "turned.jpg", exif=exif)
    (tmp_path / "zero.jpg").write_bytes(b"")
    (tmp_path / "text.png").write_bytes(b"hello")
    (tmp_path / "cut.png").write_bytes((tmp_path / "plain.png").read_bytes()[:900])
    steps = []
    report = scan(open_source(tmp_path), lambda done, total: steps.append((done, total)))

    assert steps == [(i, 14) for i in range(1, 15)]
    assert (report.total, report.usable, report.kind) == (14, 10, "folder")
    found = {name: [n.split(":")[0] for n in finding.names] for name, finding in report.findings.items()}
    assert found == {
        "unreadable": ["cut.png", "text.png", "zero.jpg"],
        "huge": ["huge.png"],
        "tiny": ["tiny.jpg"],
        "animated": ["anim.gif"],
        "cmyk": ["cmyk.jpg"],
        "deep": ["deep.png", "deep.tif"],
        "rotated": ["turned.jpg"],
        "alpha": ["alpha.png"],
        "grayscale": ["deep.png", "deep.tif", "gray.png"],
        "noted": ["deep.png", "deep.tif"],
        "duplicated": ["same.png"],
    }
    assert report.findings["noted"].names[0].startswith("deep.png: no value is above 4095 of 65535")
    assert report.findings["duplicated"].names == ["same.png: same as plain.png"]
    assert (report.height.max, report.width.min) == (120, 20)  # turned.jpg stands upright: 50 wide, 120 high
    assert "10 of 14 images usable" in report.summary()
    assert "unreadable 3 (left out): cut.png: " in report.summary()
    as_json = json.loads(report.to_json())
    assert as_json["findings"]["tiny"] == {"count": 1, "names": ["tiny.jpg"]}
    assert as_json["width"]["median"] == 64


def test_16_bit_colour_is_deep(tmp_path):
    header = noise((33, 33))
    file = io.BytesIO()
    header.save(file, "PNG")
    data = bytearray(file.getvalue())
    data[24] = 16  # the pixels no longer fit, but the header must be understood first
    (tmp_path / "a.png").write_bytes(data)
    report = scan(open_source(tmp_path))
    assert report.usable == 0
    assert report.findings["unreadable"].count == 1
    assert report.summary().count("\n") == 1


def test_names_are_limited_and_counts_are_not(tmp_path):
    for i in range(50):
        noise((40, 40)).save(tmp_path / f"{i:02d}.png")
    finding = scan(open_source(tmp_path)).findings["duplicated"]
    assert (finding.count, len(finding.names)) == (49, 20)
