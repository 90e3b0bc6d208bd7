"""Program text in checkpoints is read, and what it reaches for is named; it is never run."""

import pytest

from graftlab.checkpoints.containers.module_text import suspicious_uses

HARMLESS = """
import os
import typing
import numpy as np
import scipy.signal
import torch
import torch.nn.functional as F
import dnnlib
from torch_utils import misc, persistence
from torch_utils.ops import upfirdn2d

@persistence.persistent_class
class Network(torch.nn.Module):
    def __init__(self, size: typing.Any, compile=False):
        super().__init__()
        self.compile = compile
        self.path = os.path.join('a', 'b')
        self.f = np.load and torch.compile if compile else None

    def forward(self, x):
        self.eval()
        with misc.suppress_tracer_warnings():
            return F.relu(x)
"""


def test_the_text_of_a_network_is_not_suspicious():
    assert suspicious_uses(HARMLESS) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import os\nos.system('x')", ("os.system", 2)),
        ("import os as o\n\no.system('x')", ("os.system", 3)),
        ("from os import system as s\ns('x')", ("os.system", 2)),
        ("from os import *\nsystem('x')", ("os.*", 1)),
        ("import subprocess\nrun = subprocess.run", ("subprocess.run", 2)),
        ("import urllib.request\nurllib.request.urlopen('x')", ("urllib.request.urlopen", 2)),
        ("def f():\n    import socket\n    return socket.socket()", ("socket.socket", 3)),
        ("import os\ngetattr(os, 'sys' + 'tem')('x')", ("os", 2)),
        ("eval('1')", ("eval", 1)),
        ("exec('1')", ("exec", 1)),
        ("run = exec", ("exec", 1)),
        ("open('x', 'w')", ("open", 1)),
        ("__import__('os')", ("__import__", 1)),
        ("compile('1', '', 'eval')", ("compile", 1)),
        ("def exec(x):\n    pass\nexec('1')", ("exec", 3)),
        ("import sys\nsys.modules['os'].system('x')", ("sys.modules", 2)),
        ("().__class__.__base__.__subclasses__()", ("__subclasses__", 1)),
        ("__builtins__['eval']('1')", ("__builtins__", 1)),
        ("import importlib\nimportlib.import_module('os')", ("importlib.import_module", 2)),
        ("import torch\ntorch.hub.load('x', 'y')", ("torch.hub.load", 2)),
        ("import ctypes\nctypes.CDLL('x')", ("ctypes.CDLL", 2)),
    ],
)
def test_text_that_reaches_out_is_suspicious(text, expected):
    assert expected in suspicious_uses(text)


@pytest.mark.parametrize(
    "text", ["def", "a" + ".b" * 50_000, "-" * 10_000 + "1", "(" * 500, "a\0", "\ud800", "9" * 5000]
)
def test_text_that_python_cannot_parse(text):
    with pytest.raises(SyntaxError):
        suspicious_uses(text)
