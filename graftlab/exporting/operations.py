"""How each operation that a trace of our networks holds is written in ONNX: a rule for each.

A rule is given the graph, the operation's result on the example, and its arguments, of which `Value`s depend on inputs.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from graftlab.exporting.graph import KIND, Graph, Value

aten = torch.ops.aten
Rule = Callable[..., str]
RULES: dict[Any, Rule] = {}


def rule(*targets: Any) -> Callable[[Rule], Rule]:
    def keep(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(targets, function))
        return function

    return keep


def alike(graph: Graph, number: Any, other: Any) -> Any:
    """A number as a tensor of the kind of the other operand."""
    like = other.tensor if isinstance(other, Value) else other
    return torch.tensor(number, dtype=like.dtype) if isinstance(number, int | float) else number


def elementwise(op: str) -> Rule:
    """Of two operands, of which one may be a number."""
    return lambda graph, result, a, b: graph.add(op, alike(graph, a, b), alike(graph, b, a))


def of_one(op: str) -> Rule:
    return lambda graph, result, x, *_: graph.add(op, x)


for operations, op in (
    ((aten.add.Tensor, aten.add_.Tensor, aten.add.Scalar), "Add"),
    ((aten.sub.Tensor, aten.sub.Scalar), "Sub"),
    ((aten.mul.Tensor, aten.mul_.Tensor, aten.mul.Scalar), "Mul"),
    ((aten.div.Tensor, aten.div.Scalar), "Div"),
    ((aten.bitwise_and.Tensor, aten.bitwise_and.Scalar), "BitwiseAnd"),
    ((aten.bitwise_xor.Tensor, aten.bitwise_xor.Scalar), "BitwiseXor"),
):
    RULES.update(dict.fromkeys(operations, elementwise(op)))
for operation, op in ((aten.sqrt.default, "Sqrt"), (aten.log.default, "Log"), (aten.cos.default, "Cos")):
    RULES[operation] = of_one(op)
for operation in (aten.clone.default, aten.detach.default, aten.lift_fresh_copy.default, aten.alias.default):
    RULES[operation] = of_one("Identity")
RULES[aten.rsqrt.default] = lambda graph, result, x: graph.add("Reciprocal", graph.add("Sqrt", x))
RULES[aten.relu.default] = of_one("Relu")


@rule(aten.bitwise_right_shift.Tensor_Scalar, aten.__rshift__.Scalar)
def shifted(graph: Graph, result: Tensor, x: Value, bits: int) -> str:
    return graph.add("Div", x, torch.tensor(2**bits))  # words are not negative, and ONNX shifts none with a sign


@rule(aten.pow.Tensor_Scalar)
def power(graph: Graph, result: Tensor, x: Value, exponent: float) -> str:
    return graph.add("Mul", x, x) if exponent == 2 else graph.add("Pow", x, alike(graph, exponent, x))


@rule(aten.addcmul.default)
def added_product(graph: Graph, result: Tensor, x: Any, a: Any, b: Any) -> str:
    return graph.add("Add", x, graph.add("Mul", a, b))


@rule(aten.lerp.Tensor)
def between(graph: Graph, result: Tensor, a: Any, b: Any, share: Any) -> str:
    return graph.add("Add", a, graph.add("Mul", share, graph.add("Sub", b, a)))


@rule(aten.addmm.default)
def affine(graph: Graph, result: Tensor, bias: Any, x: Any, matrix: Any) -> str:
    return graph.add("Gemm", x, matrix, bias)


@rule(aten.mm.default)
def product(graph: Graph, result: Tensor, x: Any, matrix: Any) -> str:
    return graph.add("MatMul", x, matrix)


@rule(aten.sum.dim_IntList)
def total(graph: Graph, result: Tensor, x: Value, axes: list[int], keep: bool = False) -> str:
    return graph.add("ReduceSum", x, graph.whole(*axes), keepdims=int(keep))


@rule(aten.mean.dim)
def mean(graph: Graph, result: Tensor, x: Value, axes: list[int], keep: bool = False) -> str:
    return graph.add("ReduceMean", x, graph.whole(*axes), keepdims=int(keep))


@rule(aten.convolution.default)
def convolution(
    graph: Graph,
    result: Tensor,
    x: Value,
    weight: Tensor,
    bias: Any,
    stride: list[int],
    pad: list[int],
    dilation: list[int],
    transposed: bool,
    more: list[int],
    groups: int,
) -> str:
    assert not transposed  # `Unzipped` leaves none
    return graph.add("Conv", x, weight, bias, strides=stride, pads=[*pad, *pad], dilations=dilation, group=groups)


@rule(aten.leaky_relu.default, aten.leaky_relu_.default)
def leaky(graph: Graph, result: Tensor, x: Value, slope: float = 0.01) -> str:
    return graph.add("LeakyRelu", x, alpha=float(slope))


@rule(aten._prelu_kernel.default)
def parametric(graph: Graph, result: Tensor, x: Value, slope: Tensor) -> str:
    return graph.add("PRelu", x, slope.reshape(slope.shape[-3:] if slope.ndim > 3 else slope.shape))


@rule(aten.clamp.default)
def limited(graph: Graph, result: Tensor, x: Value, low: Any = None, high: Any = None) -> str:
    return graph.add("Clip", x, *(None if end is None else alike(graph, float(end), x) for end in (low, high)))


@rule(aten.constant_pad_nd.default)
def bordered(graph: Graph, result: Tensor, x: Value, pads: list[int], value: float = 0.0) -> str:
    """Zeros around it where pads are positive, less of it where they are negative."""
    axes = [x.tensor.ndim - 1 - axis for axis in range(len(pads) // 2)]
    before, after = pads[::2], pads[1::2]
    name: Any = x
    if min(pads) < 0:
        ends = [min(end, 0) or torch.iinfo(torch.int64).max for end in after]
        starts = [max(-start, 0) for start in before]
        name = graph.add("Slice", name, graph.whole(*starts), graph.whole(*ends), graph.whole(*axes))
    if max(pads) > 0:
        sides = [
            [max(ends[axes.index(axis)], 0) if axis in axes else 0 for axis in range(x.tensor.ndim)]
            for ends in (before, after)
        ]
        # of all axes: where some are named instead, WebGPU's layout of pictures takes the wrong ones
        name = graph.add("Pad", name, graph.whole(*sides[0], *sides[1]), alike(graph, value, x), mode="constant")
    return graph.add("Identity", name) if name is x else name


@rule(aten.reflection_pad2d.default)
def reflected(graph: Graph, result: Tensor, x: Value, pads: list[int]) -> str:
    left, right, top, bottom = pads
    return graph.add("Pad", x, graph.whole(0, 0, top, left, 0, 0, bottom, right), mode="reflect")


@rule(aten.upsample_bilinear2d.default)
def smoothly_larger(
    graph: Graph, result: Tensor, x: Value, size: list[int], align: bool, down: Any = None, across: Any = None
) -> str:
    return larger(graph, x, down, across, mode="linear")


@rule(aten.upsample_nearest2d.default)
def nearest_larger(
    graph: Graph, result: Tensor, x: Value, size: list[int], down: Any = None, across: Any = None
) -> str:
    return larger(
        graph, x, down, across, mode="nearest", nearest_mode="floor", coordinate_transformation_mode="asymmetric"
    )


def larger(graph: Graph, x: Value, down: float, across: float, **how: Any) -> str:
    return graph.add("Resize", x, None, torch.tensor([1.0, 1.0, down, across]), **how)


@rule(aten.pixel_shuffle.default)
def side_by_side(graph: Graph, result: Tensor, x: Value, factor: int) -> str:
    return graph.add("DepthToSpace", x, blocksize=factor, mode="CRD")


@rule(aten.cat.default)
def joined(graph: Graph, result: Tensor, parts: list[Any], axis: int = 0) -> str:
    return graph.add("Concat", *parts, axis=axis)


@rule(aten.unsqueeze.default)
def deeper(graph: Graph, result: Tensor, x: Value, axis: int) -> str:
    return graph.add("Unsqueeze", x, graph.whole(axis))


@rule(aten.select.int)
def chosen(graph: Graph, result: Tensor, x: Value, axis: int, index: int) -> str:
    return graph.add("Gather", x, torch.tensor(index), axis=axis)


@rule(aten.expand.default)
def repeated(graph: Graph, result: Tensor, x: Value, size: list[int]) -> str:
    """Axes of length 1 become longer; the others, whose lengths an example cannot tell, stay as they are."""
    new = result.ndim - x.tensor.ndim
    have = [1] * new + list(x.tensor.shape)
    return graph.add(
        "Expand", x, graph.whole(*(want if want != had else 1 for want, had in zip(result.shape, have, strict=True)))
    )


@rule(aten._to_copy.default)
def converted(graph: Graph, result: Tensor, x: Value, *_: Any) -> str:
    return graph.add("Cast", x, to=KIND[result.dtype])
