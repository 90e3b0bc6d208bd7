"""A network's computation as an ONNX graph.

PyTorch traces it once with small tensors (`make_fx`), which leaves a list of some thirty simple operations; each has a
rule in `operations`. Whatever depends on the weights alone is computed now, and stored. PyTorch's own exporter would
bring more packages and take ten times as long, and would leave transposed convolutions in.

No operation here knows a height, a width or a batch, so the graph is good for all; `networks.check` proves it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.fx.node import map_aggregate
from torch.overrides import TorchFunctionMode

from graftlab.errors import GraftError
from graftlab.exporting.graph import Graph, Value
from graftlab.exporting.operations import RULES


class Unzipped(TorchFunctionMode):
    """A context in which transposed convolutions of stride 2 are ordinary ones.

    WebGPU's transposed convolutions are at fault for some sizes."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        return (doubled if func is F.conv_transpose2d else func)(*args, **(kwargs or {}))


def doubled(x: Tensor, weight: Tensor, stride: int = 2, padding: int = 0, groups: int = 1) -> Tensor:
    """`F.conv_transpose2d(x, weight, stride=2, padding=padding, groups=groups)` without its zeros between the pixels.

    Of a kernel, even rows meet samples in the result's even rows, and odd ones in its odd rows; likewise columns. So
    four small convolutions make a quarter of the pixels each, which are laid side by side."""
    if stride != 2:
        raise NotImplementedError("a transposed convolution whose stride is not 2")
    side, taps = weight.shape[2], -(-weight.shape[2] // 2)
    inputs, outputs = weight.shape[0] // groups, weight.shape[1]
    even = F.pad(weight, (0, 2 * taps - side) * 2)
    kernel = even.reshape(groups, inputs, outputs, taps, 2, taps, 2).flip(3, 5).permute(0, 2, 4, 6, 1, 3, 5)
    kernel = kernel.reshape(groups * outputs * 4, inputs, taps, taps)
    y = F.pixel_shuffle(F.conv2d(x, kernel, padding=taps - 1, groups=groups), 2)
    return F.pad(y, (-padding, -padding - 2 * taps + side) * 2)


def write_graph(
    network: nn.Module,
    examples: Sequence[Tensor],  # one item in each batch, as small as the network allows
    inputs: Mapping[str, Sequence[str | int]],  # names, and of each axis the name or, where it is fixed, the length
    outputs: Sequence[str],
    half: bool = False,  # store weights in half precision; they are computed with in float32 all the same
) -> bytes:
    """The ONNX file of a network that is called with these inputs. GraftError for unknown operations."""
    from torch.fx.experimental.proxy_tensor import make_fx  # takes a second

    with torch.no_grad(), Unzipped():
        traced = make_fx(network)(*examples)
        graph = Graph(half)
        known: dict[torch.fx.Node, Any] = {}
        waiting = iter(zip(inputs, examples, strict=True))
        for node in traced.graph.nodes:
            if node.op == "placeholder":
                name, example = next(waiting)
                known[node] = Value(example, name)
            elif node.op == "get_attr":
                known[node] = getattr(traced, node.target).detach()
            elif node.op == "call_function":
                known[node] = called(graph, node.target, *torch.fx.map_arg((node.args, node.kwargs), known.__getitem__))
            else:
                results = torch.fx.map_arg(node.args[0], known.__getitem__)
    results = results if isinstance(results, list | tuple) else [results]
    return graph.written(list(zip(inputs.items(), examples, strict=True)), dict(zip(outputs, results, strict=True)))


def called(graph: Graph, target: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """What an operation makes: a tensor if it depends on weights alone, else a `Value`."""

    def plain(x: Any) -> Any:
        return x.tensor if isinstance(x, Value) else x

    result = target(*map_aggregate(tuple(args), plain), **map_aggregate(dict(kwargs), plain))
    if not any(isinstance(arg, Value) for arg in flat(args)):
        return result
    if target not in RULES:
        raise GraftError(f"ONNX files of this kind of network are not written: it needs {target}.")
    return Value(result, RULES[target](graph, result, *args))


def flat(args: Any) -> list[Any]:
    return [one for arg in args for one in flat(arg)] if isinstance(args, list | tuple) else [args]
