"""Change bytes of pictures and videos at random, and read them: pixels or a GraftError, quickly, in little memory.

    python tests/fuzz_inputs.py pictures --seconds 600 [FOLDER ...]
    python tests/fuzz_inputs.py videos --seconds 600 [FOLDER ...]

Not a test: it runs as long as it is told to. It begins with files that it makes (`fuzz_seeds`) and with those of the
folders. Each file is read in a process of its own, which may take 20 s and 2 GB.
"""

import argparse
import multiprocessing
import random
import resource
import struct
import tempfile
import time
import zlib
from io import BytesIO
from pathlib import Path

from fuzz_seeds import make_seeds

from graftlab.errors import GraftError
from graftlab.images import identified, open_rgb
from graftlab.images.srgb import upright_size
from graftlab.video.reading import Video

VIDEOS = {".mp4", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mpg", ".flv", ".h264", ".hevc", ".wmv", ".mxf", ".nut"}
VIDEOS |= {".y4m", ".ivf", ".apng", ".m2v"}
BOTH = {".gif", ".webp", ".png"}  # read as pictures and as videos
LONGEST, MOST = 20, 2 * 2**30  # seconds; bytes of memory
NUMBERS = (0, 1, 2, 16, 127, 255, 256, 32767, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1)


def changed(data: bytes, dice: random.Random) -> bytes:
    """The same file with bytes or numbers overwritten, or a stretch of it moved, repeated or missing."""
    data = bytearray(data)
    for _ in range(dice.choice((1, 1, 3, 10, 100))):
        data[_place(data, dice)] = dice.choice((0, 255, dice.randrange(256)))
    for _ in range(dice.choice((0, 0, 1, 3))):
        at, width = _place(data, dice), dice.choice((1, 2, 4, 8))
        order = dice.choice(("little", "big"))
        data[at : at + width] = (dice.choice(NUMBERS) % 256**width).to_bytes(width, order)
    if dice.random() < 0.3:
        begin, end = sorted(dice.sample(range(len(data)), 2))
        kind = dice.randrange(3)
        data[begin:end] = (b"", data[begin:end] * 2, bytes(end - begin))[kind]
    return _checked(bytes(data)) if dice.random() < 0.7 else bytes(data)


def _place(data: bytearray, dice: random.Random) -> int:
    """Headers are short, and say most."""
    return dice.randrange(min(len(data), dice.choice((64, 512, len(data)))))


def _checked(data: bytes) -> bytes:
    """A PNG with right checksums, so that what was changed is looked at; other files as they are."""
    if not data.startswith(b"\x89PNG"):
        return data
    parts, at = [data[:8]], 8
    while at + 12 <= len(data) and (end := at + 8 + int.from_bytes(data[at : at + 4], "big")) + 4 <= len(data):
        parts.append(data[at:end] + struct.pack(">I", zlib.crc32(data[at + 4 : end])))
        at = end + 4
    return b"".join([*parts, data[at:]])


def read(path: Path, as_video: bool) -> None:
    """In a process of its own: exits with 0 if this went as it should."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        if as_video:
            video = Video.open(path, size=32)
            frames = sum(1 for _, _ in zip(video.play(), range(300), strict=False))
            assert frames == min(video.frames, 300), (frames, video.frames)
            video.frame(video.frames // 2 if video.frames < 2000 else 0)
        else:
            picture = open_rgb(path)
            assert picture.mode == "RGB"
            with identified(BytesIO(path.read_bytes()), path.name) as header:
                assert upright_size(header) == picture.size, (upright_size(header), picture.size)
    except GraftError as error:
        if "\n" in str(error) or str(path) not in str(error):
            raise
    taken = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert taken < MOST, f"{taken >> 20} MiB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("pictures", "videos"))
    parser.add_argument("folders", type=Path, nargs="*", help="more files to begin with, sound and odd ones")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--findings", type=Path, default=Path(tempfile.gettempdir()) / "graftlab-findings")
    options = parser.parse_args()
    as_video, made = options.what == "videos", tempfile.TemporaryDirectory()
    make_seeds(Path(made.name))
    there = [path for folder in (Path(made.name), *options.folders) for path in sorted(folder.rglob("*"))]
    files = [path for path in there if path.is_file() and path.suffix not in (".md", ".pt", ".ckpt", ".safetensors")]
    files = [path for path in files if path.suffix in BOTH or (path.suffix in VIDEOS) == as_video]
    dice, begin, count, found = random.Random(options.seed), time.monotonic(), 0, 0
    options.findings.mkdir(exist_ok=True, parents=True)
    context = multiprocessing.get_context("fork")  # everything is imported already
    while time.monotonic() < begin + options.seconds:
        source = files[count] if count < len(files) else dice.choice(files)  # as they are, to begin with
        path = options.findings / f"{options.seed}-{count:06d}{source.suffix}"
        path.write_bytes(source.read_bytes() if count < len(files) else changed(source.read_bytes(), dice))
        process = context.Process(target=read, args=(path, as_video))
        process.start()
        process.join(LONGEST)
        what = None
        if process.is_alive():
            process.kill()
            process.join()
            what = f"took more than {LONGEST} s"
        elif process.exitcode:
            what = f"ended with {process.exitcode}"
        if what:
            print(f"{path} (of {source.name}) {what}", flush=True)
            found += 1
        else:
            path.unlink()
        count += 1
    print(f"{count} files of {len(files)} kinds in {time.monotonic() - begin:.0f} s; {found} findings")


if __name__ == "__main__":
    main()
