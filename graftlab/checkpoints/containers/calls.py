"""The functions that checkpoints call to build data, known here by heart, and PyTorch's files before its zip files.

Each receives plain values, checks them, and builds plain values or tensors. Whatever else a pickle calls is written
down as a `Record`, or refused where it belongs to Python, PyTorch or numpy and is no class.
"""

from collections.abc import Callable

from torch import Tensor

from graftlab.checkpoints.containers.opcodes import Machine
from graftlab.checkpoints.containers.records import (
    CUT_OFF,
    Allowance,
    Name,
    Record,
    Unfinished,
    checked_key,
    damaged,
    refuse,
)
from graftlab.checkpoints.containers.tensors import DTYPES, STORAGES, Storage, array, scalar, writable
from graftlab.errors import GraftError

MAGIC = 0x1950A86A20F9469CFC6C  # the number that opens a PyTorch file of the time before zip files
LEGACY_PROTOCOL = 1001
MOST_ARGUMENTS = 64  # of a function that is known; calling it copies them
DEEPEST = 2  # PyTorch files within PyTorch files
NAMESPACES = ("torch", "numpy")  # of which functions outside the table are refused
CHANCE = "numpy.random."  # but not of these modules: generators, whose states some keep, are made by functions


class KnownCalls:
    """What calling a name with plain values gives, within one file."""

    def __init__(self, allowance: Allowance, depth: int = 0):
        self.allowance, self.where, self.depth = allowance, allowance.where, depth

    def call(self, name: Name, arguments: tuple) -> object:
        """GraftError if the arguments are not what the function takes, or if it is no function that builds data."""
        if function := TABLE.get(name):
            if len(arguments) > MOST_ARGUMENTS:
                refuse(self.where, f"calls {name} with {len(arguments)} arguments")
            try:
                return function(self, *arguments)
            except GraftError:
                raise
            except (TypeError, ValueError, RuntimeError):
                refuse(self.where, f"calls {name} with arguments that it does not take")
        a_class = name.name.lstrip("_")[:1].isupper() or name.module.startswith(CHANCE)
        if name.module.partition(".")[0] in NAMESPACES and not a_class:
            refuse(self.where, f"asks to call {name}, {UNREAD.get(name.name, 'which is not needed to read weights')}")
        return Record(name, arguments)

    def build(self, target: object, state: object) -> object:
        """What an object becomes when it is given its state."""
        if isinstance(target, Unfinished):
            return self.filled_array(state)
        if isinstance(target, Record):
            target.state = state
        elif not isinstance(target, dict):  # a dict's attributes are not kept
            refuse(self.where, f"gives attributes to a {type(target).__name__}, which no checkpoint does")
        return target

    # Plain values

    def make_dict(self, items: object = (), *_: object) -> dict:
        pairs = list(items.items()) if isinstance(items, dict) else items
        if not isinstance(pairs, list | tuple):
            raise TypeError
        self.allowance.spend_entries(len(pairs))
        return {checked_key(self.where, key): value for key, value in pairs}

    def defaultdict(self, factory: object = None, items: object = ()) -> dict:
        return self.make_dict(items)

    def make_list(self, items: object = (), *_: object) -> list:
        if not isinstance(items, list | tuple):
            raise TypeError
        self.allowance.spend_entries(len(items))
        return list(items)

    def make_bytes(self, text: object = b"", encoding: object = "latin1") -> bytes | memoryview:
        if isinstance(text, bytes | memoryview):
            return text
        if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
            raise TypeError
        self.allowance.spend("bytes of copies", len(text))
        return text.encode("latin-1")

    def make_complex(self, real: object, imaginary: object) -> complex:
        if not isinstance(real, float) or not isinstance(imaginary, float):
            raise TypeError
        return complex(real, imaginary)

    def new_object(self, kind: object, *arguments: object) -> object:
        if not isinstance(kind, Name) or kind.module == "copyreg":
            raise TypeError
        return self.call(kind, arguments)

    def reconstructed(self, kind: object, base: object, value: object) -> object:
        """An object as protocols 0 and 1 make it, perhaps of a class that is a dict or a list."""
        made = self.new_object(kind)
        if isinstance(made, dict) and isinstance(value, dict):
            self.allowance.spend_entries(len(value))
            made.update(value)
        elif isinstance(made, Record) and isinstance(value, dict | list):
            made.entries = value
        elif isinstance(made, Record) and base != Name("builtins", "object"):
            made.arguments = (value,)
        return made

    # PyTorch

    def size(self, sizes: object = ()) -> tuple:
        if not isinstance(sizes, list | tuple):
            raise TypeError
        self.allowance.spend_entries(len(sizes))
        return tuple(sizes)

    def device(self, kind: object, index: object = None) -> str:
        if not isinstance(kind, str) or not (index is None or isinstance(index, int)):
            raise TypeError
        return kind if index is None else f"{kind}:{index}"

    def tensor(self, storage: object, offset: object, size: object, stride: object, *_: object) -> object:
        if not isinstance(storage, Storage):
            raise TypeError
        return storage.tensor(offset, size, stride)

    def typed_tensor(
        self, storage: object, offset: object, size: object, stride: object, grad: object, hooks: object, *rest: object
    ) -> object:
        if not isinstance(storage, Storage) or not rest or not isinstance(rest[0], Name):
            raise TypeError
        dtype = DTYPES.get(str(rest[0]))
        if dtype is None:
            refuse(self.where, f"holds a tensor of type {rest[0]}, which is not read")
        return storage.tensor(offset, size, stride, dtype)

    def parameter(self, tensor: object, *_: object) -> object:
        return tensor

    def of_device(self, numbers: object, *_: object) -> object:
        """A tensor of a TPU or of DirectML, whose numbers numpy or another tensor keeps."""
        if not isinstance(numbers, Tensor):
            raise TypeError
        return numbers

    def with_attributes(self, function: object, kind: object, arguments: object, *_: object) -> object:
        """A tensor that somebody has given attributes, or of a class of its own; neither is kept."""
        if not isinstance(function, Name) or not isinstance(arguments, tuple):
            raise TypeError
        return self.call(function, arguments)

    def from_bytes(self, data: object) -> object:
        """A PyTorch file of the old kind within the file: how pickled tensors carry their numbers."""
        if self.depth == DEEPEST:
            refuse(self.where, "holds files within files within files")
        view = writable(memoryview(data), self.allowance)  # type: ignore[arg-type]
        self.allowance.spend("bytes inside bytes", len(view))
        found = read_old_torch(view, self.allowance, self.depth + 1)
        if not isinstance(found, Storage):
            refuse(self.where, "holds bytes that should be a tensor's numbers and are not")
        return found

    # numpy

    def scalar(self, dtype: object, data: object) -> object:
        return scalar(self.array_bytes(data), self.type_text(dtype), self.where)

    def new_array(self, kind: object, *arguments: object) -> Unfinished:
        if kind != Name("numpy", "ndarray"):
            raise TypeError
        return Unfinished(Name("numpy", "ndarray"), arguments)

    def filled_array(self, state: object) -> object:
        if not isinstance(state, tuple) or len(state) != 5:
            refuse(self.where, "holds a numpy array that makes no sense")
        _, sizes, dtype, fortran, data = state
        if isinstance(data, list):  # of objects, in which some keep one dict
            return data[0] if sizes == () and len(data) == 1 else data
        return array(self.array_bytes(data), self.type_text(dtype), sizes, fortran is True, self.allowance)

    def array_from_buffer(self, data: object, dtype: object, sizes: object, order: object) -> object:
        return array(self.array_bytes(data), self.type_text(dtype), sizes, order == "F", self.allowance)

    def array_bytes(self, data: object) -> memoryview:
        """Python 2 wrote bytes as text."""
        if not isinstance(data, str | bytes | memoryview):
            refuse(self.where, "holds a numpy array without numbers")
        return memoryview(self.make_bytes(data))

    def type_text(self, dtype: object) -> str:
        """numpy's short text of a type; the record's state holds the order of bytes second."""
        if not isinstance(dtype, Record) or not dtype.arguments or not isinstance(dtype.arguments[0], str):
            refuse(self.where, "holds a numpy value of an unknown type")
        state = dtype.state
        order = state[1] if isinstance(state, tuple) and len(state) > 1 else "="
        return f"{order if order in ('<', '>') else '='}{dtype.arguments[0][:40]}"

    def dtype(self, *arguments: object) -> Record:
        return Record(Name("numpy", "dtype"), arguments)


UNREAD = {
    "_rebuild_qtensor": "a quantized tensor, which is not read: save the model before it was quantized",
    "_rebuild_sparse_tensor": "a sparse tensor, which is not read: save dense ones",
    "_rebuild_nested_tensor": "a nested tensor, which is not read: save plain ones",
}
K = KnownCalls
Function = Callable[..., object]
FUNCTIONS: list[tuple[str, str, Function]] = [  # modules, name, what it does
    ("collections", "OrderedDict", K.make_dict),
    ("collections", "Counter", K.make_dict),
    ("collections", "defaultdict", K.defaultdict),
    ("collections", "deque", K.make_list),
    ("dnnlib dnnlib.util", "EasyDict", K.make_dict),
    ("builtins", "dict", K.make_dict),
    ("builtins", "list", K.make_list),
    ("builtins", "set", K.make_list),
    ("builtins", "frozenset", K.make_list),
    ("builtins", "bytes", K.make_bytes),
    ("builtins", "bytearray", K.make_bytes),
    ("builtins", "complex", K.make_complex),
    ("_codecs", "encode", K.make_bytes),
    ("copyreg", "__newobj__", K.new_object),
    ("copyreg", "_reconstructor", K.reconstructed),
    ("torch", "Size", K.size),
    ("torch", "device", K.device),
    ("torch._utils", "_rebuild_tensor", K.tensor),
    ("torch._utils", "_rebuild_tensor_v2", K.tensor),
    ("torch._utils", "_rebuild_tensor_v3", K.typed_tensor),
    ("torch._utils", "_rebuild_parameter", K.parameter),
    ("torch._utils", "_rebuild_parameter_with_state", K.parameter),
    ("torch._utils", "_rebuild_device_tensor_from_numpy", K.of_device),
    ("torch._utils", "_rebuild_device_tensor_from_cpu_tensor", K.of_device),
    ("torch._utils", "_rebuild_xla_tensor", K.of_device),
    ("torch._tensor", "_rebuild_from_type", K.with_attributes),
    ("torch._tensor", "_rebuild_from_type_v2", K.with_attributes),
    ("torch.serialization", "_get_layout", K.device),
    ("torch.storage", "_load_from_bytes", K.from_bytes),
    ("numpy", "dtype", K.dtype),
    ("numpy.core.multiarray numpy._core.multiarray", "scalar", K.scalar),
    ("numpy.core.multiarray numpy._core.multiarray", "_reconstruct", K.new_array),
    ("numpy.core.numeric numpy._core.numeric", "_frombuffer", K.array_from_buffer),
]
TABLE: dict[Name, Function] = {
    Name(module, name): function for modules, name, function in FUNCTIONS for module in modules.split()
}


def read_pickle(
    data: memoryview,
    position: int,
    allowance: Allowance,
    persistent: Callable[[object], object] | None = None,
    depth: int = 0,
) -> tuple[object, int]:
    """One pickle's value, and where the next begins."""
    machine = Machine(data, position, allowance, KnownCalls(allowance, depth), persistent)
    return machine.run(), machine.position


def storage_of(key: object, allowance: Allowance, data: Callable[[str], memoryview | None]) -> tuple[str, Storage]:
    """The storage that a persistent id of PyTorch's describes, over its data, and the name it is stored under.

    ("storage", class, name, device, elements), in old files with None behind it. The device is ignored."""
    match key:
        case ("storage", Name(module, name), str(label), str(), int(count), *rest) if (
            module in ("torch", "torch.storage", "torch.cuda") and name in STORAGES and rest in ([], [None])
        ):
            if not 0 <= count <= 1 << 40:
                refuse(allowance.where, f"holds a storage of {count} numbers")
            return label, Storage(STORAGES[name], count, data(label), allowance)
    refuse(allowance.where, "refers to tensors in a way that is unknown, or was written by a very old PyTorch")


def read_old_torch(data: memoryview, allowance: Allowance, depth: int = 0) -> object:
    """What PyTorch wrote before its zip files: a number, a version, facts about the machine, the object, the names of
    the storages, and their bytes. `data` must be writable."""
    magic, position = read_pickle(data, 0, allowance, depth=depth)
    if type(magic) is not int or magic != MAGIC:
        refuse(allowance.where, "holds bytes that should be a tensor's numbers and are not")
    return read_old_torch_behind_magic(data, position, allowance, depth)


def read_old_torch_behind_magic(data: memoryview, position: int, allowance: Allowance, depth: int = 0) -> object:
    where = allowance.where
    version, position = read_pickle(data, position, allowance, depth=depth)
    if type(version) is not int or version != LEGACY_PROTOCOL:
        refuse(where, "was written by a PyTorch that is not known, or is damaged")
    machine, position = read_pickle(data, position, allowance, depth=depth)
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        refuse(where, "was written on a machine with the other byte order (big endian), or is damaged")
    storages: dict[str, Storage] = {}

    def storage(key: object) -> Storage:
        name, found = storage_of(key, allowance, lambda _: None)
        if (known := storages.setdefault(name, found)).bytes != found.bytes or known.dtype != found.dtype:
            refuse(where, f"describes the storage {name[:40]!r} in two ways")
        return known

    def module(key: object) -> object:
        """Old files of whole networks carry the text of their classes; only the class's name is kept."""
        return key[1] if isinstance(key, tuple) and len(key) == 4 and key[0] == "module" else storage(key)

    tree, position = read_pickle(data, position, allowance, module, depth)
    names, position = read_pickle(data, position, allowance, depth=depth)
    if not isinstance(names, list) or sorted(map(str, names)) != sorted(storages):
        refuse(where, "does not hold the storages that its tensors refer to")
    for name in names:
        count = int.from_bytes(data[position : position + 8], "little")
        position += 8
        end = position + storages[name].bytes
        if count * storages[name].dtype.itemsize != storages[name].bytes or end > len(data):
            damaged(where, CUT_OFF)
        storages[name].locate(data[position:end])
        position = end
    return tree
