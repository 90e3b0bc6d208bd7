"""Change bytes of pictures and videos at random, and read them: pixels or a GraftError, quickly, in little memory.

    python tests/fuzz_inputs.py FOLDER --seconds 120

Not a test: it runs as long as it is told to. Each file is read in a process of its own, which may take 20 s and 2 GB.
"""

import argparse
import multiprocessing
import random
import resource
import time
from pathlib import Path

from graftlab.errors import GraftError
from graftlab.images import open_rgb
from graftlab.video.reading import Video

PICTURES = {".png", ".jpg", ".tif", ".webp", ".avif", ".gif", ".bmp"}
LONGEST, MOST = 20, 2 * 2**30  # seconds; bytes of memory


def changed(data: bytes, dice: random.Random) -> bytes:
    """The same file with bytes overwritten, or a stretch of it moved, repeated or missing."""
    data = bytearray(data)
    for _ in range(dice.choice((1, 3, 10, 100))):
        data[dice.randrange(len(data))] = dice.choice((0, 255, dice.randrange(256)))
    if dice.random() < 0.3:
        begin, end = sorted(dice.sample(range(len(data)), 2))
        kind = dice.randrange(3)
        data[begin:end] = (b"", data[begin:end] * 2, bytes(end - begin))[kind]
    return bytes(data)


def read(path: Path, is_picture: bool) -> None:
    """In a process of its own: exits with 0 if this went as it should."""
    try:
        if is_picture:
            assert open_rgb(path).mode == "RGB"
        else:
            video = Video.open(path, size=32)
            frames = sum(1 for _, _ in zip(video.play(), range(300), strict=False))
            assert frames == min(video.frames, 300), (frames, video.frames)
            video.frame(video.frames // 2 if video.frames < 2000 else 0)
    except GraftError as error:
        if "\n" in str(error):
            raise
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 < MOST, "too much memory"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="sound and odd files to begin with")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    files = [path for path in sorted(options.folder.rglob("*")) if path.is_file() and path.suffix not in (".md", ".pt")]
    dice, end, count, kept = random.Random(options.seed), time.monotonic() + options.seconds, 0, Path("fuzzed")
    kept.mkdir(exist_ok=True)
    context = multiprocessing.get_context("fork")  # everything is imported already
    while time.monotonic() < end:
        source = dice.choice(files)
        path = kept / f"{count:06d}{source.suffix}"
        path.write_bytes(changed(source.read_bytes(), dice))
        process = context.Process(target=read, args=(path, source.suffix in PICTURES and dice.random() < 0.9))
        process.start()
        process.join(LONGEST)
        if process.is_alive():
            process.kill()
            process.join()
            print(f"{path} (of {source}) took more than {LONGEST} s")
        elif process.exitcode:
            print(f"{path} (of {source}) ended with {process.exitcode}")
        else:
            path.unlink()
        count += 1
    print(f"{count} files were read")


if __name__ == "__main__":
    main()
