"""What many tests claim."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from graftlab.errors import GraftError
from graftlab.images import read, to_uint8


def refused(words: str, act: Callable[..., Any], /, *args: Any, **options: Any) -> str:
    """The one sentence, matching `words`, with which a call is refused."""
    with pytest.raises(GraftError, match=words or None) as error:
        act(*args, **options)
    sentence = str(error.value)
    assert sentence.endswith((".", "?"))
    assert "\n" not in sentence
    return sentence


def shows(path: str | Path, image: Tensor) -> bool:
    """Whether a picture file shows exactly this tensor."""
    written, wanted = to_uint8(read(path)), to_uint8(image)
    return written.shape == wanted.shape and bool((written == wanted).all())
