"""An ONNX graph as it grows: nodes, stored tensors, and the file of both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

OPSET = 18  # the first in which integers have bitwise operations
KIND = {torch.float32: 1, torch.float64: 11, torch.int64: 7, torch.float16: 10}  # numbers of ONNX's types


@dataclass(frozen=True)
class Value:
    """What depends on an input: an example of it, and its name in the graph."""

    tensor: Tensor
    name: str


@dataclass
class Graph:
    """Nodes and stored tensors, as far as they are known."""

    half: bool = False
    nodes: list[Any] = field(default_factory=list)
    stored: dict[str, Tensor] = field(default_factory=dict)

    def add(self, op: str, *inputs: Any, **attributes: Any) -> str:
        """A node; Values, tensors and names are its inputs, None leaves one out. Returns the name of what it makes."""
        from onnx import helper

        name = f"{op.lower()}_{len(self.nodes)}"
        names = [self.named(one) for one in inputs]
        while not names[-1]:  # WebGPU takes the empty name of what is left out for an empty tensor
            names.pop()
        self.nodes.append(helper.make_node(op, names, [name], **attributes))
        return name

    def named(self, value: "Value | Tensor | str | None") -> str:
        if isinstance(value, Tensor):
            for name, known in self.stored.items():
                if known is value:
                    return name
            name = f"weight_{len(self.stored)}"
            self.stored[name] = value
            return name
        return value.name if isinstance(value, Value) else value or ""

    def whole(self, *numbers: int) -> str:
        return self.named(torch.tensor(numbers))

    def written(self, inputs: Sequence[Any], outputs: Mapping[str, Value]) -> bytes:
        """The file, checked by onnx."""
        import onnx
        from onnx import helper

        def described(name: str, axes: Sequence[str | int], like: Tensor) -> Any:
            return helper.make_tensor_value_info(name, KIND[like.dtype], list(axes))

        ends = [helper.make_node("Identity", [value.name], [name]) for name, value in outputs.items()]
        weights, casts = [], []
        for name, tensor in self.stored.items():
            small = self.half and tensor.dtype == torch.float32 and tensor.numel() > 1
            array = tensor.contiguous().numpy().astype("float16") if small else tensor.contiguous().numpy()
            weights.append(onnx.numpy_helper.from_array(array, f"{name}_half" if small else name))
            if small:
                casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=KIND[torch.float32]))
        graph = helper.make_graph(
            [*casts, *self.nodes, *ends],
            "graftlab",
            [described(name, axes, example) for (name, axes), example in inputs],
            [
                described(name, [f"{name}_{axis}" for axis in range(value.tensor.ndim)], value.tensor)
                for name, value in outputs.items()
            ],
            weights,
        )
        # 8 is the version of the container that came with this opset: older programs read it too
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
        model.producer_name = "graftlab"
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString())
