"""What is heard in music over time, as numbers that films follow: its loudness, its bands, its onsets.

All are of the magnitudes |X(t, k)| of a short-time Fourier transform (Hann window).
"""

from math import exp, isfinite
from pathlib import Path

import numpy as np

from graftlab.errors import GraftError
from graftlab.video import open_video, pyav
from graftlab.video.sound import heard, origin, sounding

RATE = 22_050  # samples per second, mono
WINDOW, HOP = 2048, 512  # samples: 93 and 23 milliseconds
BANDS = {"bass": (20, 250), "mid": (250, 4_000), "treble": (4_000, RATE / 2)}  # Hz
HEARD = ("loudness", *BANDS, "onsets")
COMPRESSION = 1_000  # of magnitudes before onsets are sought
RELEASE = 0.2  # seconds in which what was loud falls to 1 / e
LOUD = 0.98  # share of the time that is no louder than 1
LONGEST = 3_600  # seconds
TOGETHER = 1_024  # windows


def hear(path: str | Path, what: str = "loudness") -> np.ndarray:
    """Numbers from 0, silence, to 1 for every HOP / RATE seconds of a sound, from its beginning on.

    Loudness and bands are root mean squares; onsets are spectral flux, the sum of what is louder than a moment before,
    sum_k max(0, Y(t, k) - Y(t - 1, k)) with Y = log(1 + 1000 |X|) (Bello et al. 2005; Mueller 2015, section 6.1). Each
    rises at once and falls slowly, as a level meter. GraftError for what cannot be read, or is silent."""
    if what not in HEARD:
        raise GraftError(f"There is no '{what}' to be heard, only {', '.join(HEARD)}.")
    sound = np.pad(samples(Path(path)), WINDOW // 2)  # so that a window's middle is at its time
    windows = np.lib.stride_tricks.sliding_window_view(sound, WINDOW)[::HOP]
    shape = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
    low, high = BANDS.get(what, (0, RATE))
    pitches = np.arange(WINDOW // 2 + 1) * RATE / WINDOW
    chosen = (pitches >= low) & (pitches <= high)
    found, before = [], np.zeros(chosen.sum())
    for start in range(0, len(windows), TOGETHER):
        heard = np.abs(np.fft.rfft(windows[start : start + TOGETHER] * shape))[:, chosen] * (2 / shape.sum())
        if what == "onsets":
            heard = np.log1p(COMPRESSION * heard)
            found.append(np.diff(heard, axis=0, prepend=before[None]).clip(min=0).sum(1))
            before = heard[-1]
        else:
            found.append(np.sqrt(np.square(heard).sum(1)))
    levels = np.concatenate(found)
    loud = np.quantile(levels, LOUD) or levels.max()
    if not isfinite(loud) or loud <= 1e-6:
        raise GraftError(f"{path} is silent; choose another sound.")
    return released((levels / loud).clip(0, 1))


def released(levels: np.ndarray) -> np.ndarray:
    """Levels that fall no faster than by RELEASE."""
    kept, fall, now = np.empty_like(levels), exp(-HOP / RATE / RELEASE), 0.0
    for i, level in enumerate(levels.tolist()):
        kept[i] = now = max(level, now * fall)
    return kept


def samples(path: Path) -> np.ndarray:
    """The sound of a file, of a video from its first picture on: (N,) float32, mono, RATE a second. GraftError if there
    is none."""
    av, parts = pyav(), []
    try:
        with open_video(path) as source:
            if (track := sounding(source)) is None:
                raise GraftError(f"{path} has no sound; choose another file.")
            for piece in heard(source, track, origin(source), "flt", "mono", RATE):
                parts.append(piece.to_ndarray()[0][max(0, -piece.pts) :])
                if piece.time > LONGEST:
                    raise GraftError(f"{path} is longer than an hour; cut it.")
    except (av.FFmpegError, OSError) as error:
        raise GraftError(f"{path} cannot be read as sound ({error}); give a .wav, .mp3 or .flac.") from None
    if not parts:
        raise GraftError(f"{path} has no sound; choose another file.")
    return np.concatenate(parts)
