"""What a pickle mentions, as inert values; which names a file may mention; and what reading one file may cost.

Nothing here, nor in any reader, imports, looks up or calls what a file names.
"""

import re
import sys
from dataclasses import dataclass, field
from typing import NoReturn

from graftlab.errors import GraftError


@dataclass(frozen=True, slots=True)
class Name:
    """A global that a pickle mentions, as text; it is never looked up."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(eq=False, slots=True)
class Record:
    """What calling a global would have built; it is never built. Two records are equal only if they are the same."""

    name: Name
    arguments: tuple
    state: object = None  # what the object would have been given as its attributes
    entries: dict | list | None = None  # items, where the class is a dict or a list


@dataclass(eq=False, slots=True)
class Unfinished(Record):
    """A numpy array between the instruction that makes it and the one that fills it."""

    places: list[int] = field(default_factory=list)  # in the memo


OPCODES = 1_000_000  # of all pickles in a file; a StyleGAN2 of 1024 pixels takes 50,000
TENSORS = 65_536
COPIED = 1 << 24  # bytes that may be copied beside four times the file's size
ENTRY = 64  # bytes that an entry of a list or dict counts for


class Allowance:
    """What may still be spent on reading one file: all that is made is paid for, whichever part of the file asks."""

    def __init__(self, where: str, size: int):
        self.where = where  # the file's name, for sentences
        self.left = {
            "steps": OPCODES,
            "tensors": TENSORS,
            "bytes in tensors": 4 * size,
            "bytes inside bytes": 2 * size,  # pickles within pickles
            "bytes of copies": 4 * size + COPIED,
        }

    def spend(self, what: str, amount: int) -> None:
        """GraftError if there is not so much left."""
        self.left[what] -= amount
        if self.left[what] < 0:
            refuse(self.where, f"asks for more {what} than a checkpoint of its size has use for")

    def spend_entries(self, count: int) -> None:
        """Pay for a copy of a list or dict."""
        self.spend("bytes of copies", ENTRY * count)


def refuse(where: str, why: str) -> NoReturn:
    """GraftError: the file, and why it is not opened."""
    raise GraftError(f"{where} {why}; it is not opened.")


def damaged(where: str, how: str) -> NoReturn:
    """GraftError: the file, and how one sees that it is not what somebody saved."""
    raise GraftError(f"{where} {how}; fetch or make it again.")


CUT_OFF = "ends too early: it was not fetched completely, or is no checkpoint"


IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
DOTTED = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
LONGEST_NAME = 256  # characters

PYTHON_2 = {"__builtin__": "builtins", "copy_reg": "copyreg"}

# Of the standard library, what checkpoints without bad intent contain: all are kept as text or become plain values.
HARMLESS = {
    "builtins": "bool bytearray bytes complex dict float frozenset int list object range set slice str tuple "
    "basestring long unicode xrange",  # these as Python 2 calls them, and protocols 0 to 2 of today
    "collections": "Counter OrderedDict defaultdict deque",  # state dicts, optimisers, learning rate schedules
    "decimal": "Decimal",
    "fractions": "Fraction",
    "typing": "Any",  # of OmegaConf's options, in checkpoints of Lightning
    "uuid": "UUID",
    "copyreg": "__newobj__ _reconstructor",  # how protocols 0 and 1 make objects
    "_codecs": "encode",  # how protocols 0 to 2 store bytes
    "argparse": "Namespace",  # options of a training script
    "types": "SimpleNamespace",  # the same
    "datetime": "date datetime time timedelta timezone",  # when it was trained
    "pathlib": "Path PosixPath PurePath PurePosixPath PureWindowsPath WindowsPath",  # of data sets
    "pathlib._local": "PosixPath PurePosixPath PureWindowsPath WindowsPath",  # the same, written by Python 3.13
}
HARMLESS_NAMES = {Name(module, name) for module, names in HARMLESS.items() for name in names.split()}

# Standard library of Python 2, or of a version of Python 3 other than the one that runs.
FORMER_MODULES = (
    "__builtin__ BaseHTTPServer CGIHTTPServer ConfigParser Cookie HTMLParser Queue SimpleHTTPServer SimpleXMLRPCServer "
    "SocketServer StringIO Tkinter UserDict UserList UserString anydbm annotationlib asynchat asyncore binhex cPickle "
    "cStringIO cgi cgitb commands compiler compression cookielib copy_reg crypt dbhash dircache distutils dl "
    "dummy_thread dummy_threading exceptions formatter future_builtins gdbm httplib ihooks imp imputil lib2to3 macpath "
    "md5 mhlib mimetools mimify multifile mutex new nis nntplib os2 parser pipes popen2 posixfile repr rexec rfc822 "
    "robotparser sets sha smtpd statvfs symbol telnetlib thread toaiff urllib2 urlparse user whichdb xmlrpclib"
)
INSTALLERS = "pip setuptools pkg_resources sitecustomize usercustomize"
STANDARD = sys.stdlib_module_names | {*FORMER_MODULES.split(), *INSTALLERS.split()}


def mention(where: str, module: str, name: str) -> Name:
    """A global as text, under Python 3's name. GraftError unless it is harmless, or a class or function that belongs
    neither to Python nor to its tools."""
    module = PYTHON_2.get(module, module)
    if len(module) + len(name) > LONGEST_NAME or not DOTTED.fullmatch(module) or not IDENTIFIER.fullmatch(name):
        refuse(where, f"asks for something under the odd name {module[:80]!r} {name[:80]!r}")
    found = Name(module, name)
    root = module.partition(".")[0]
    private = root.startswith("_") and root != "__main__"
    if (root in STANDARD or private) and found not in HARMLESS_NAMES:
        refuse(where, f"asks to call {found}, which no checkpoint needs, and which can do harm")
    return found


KEY_BITS = 64  # integers of more bits can be chosen so that all land in the same place of a dict


def checked_key(where: str, key: object) -> object:
    """A dict's key as it is. GraftError unless its hash is quick and cannot be chosen by whoever wrote the file."""
    if isinstance(key, int):
        if key.bit_length() <= KEY_BITS:
            return key
    elif key is None or isinstance(key, str | bytes | float | Name | Record):
        return key
    refuse(where, f"uses a {type(key).__name__} as the key of a dictionary, which no checkpoint needs")
