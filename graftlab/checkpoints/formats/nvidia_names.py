"""NVIDIA's names for the parameters of StyleGAN2, as tables over ours."""

from collections.abc import Iterator, Sequence


def generator_names(blocks: Sequence[int], depth: int, classes: bool, noisy: bool) -> Iterator[tuple[str, str]]:
    """Our name of every parameter -> theirs. `blocks` are their numbers: resolutions, as far as pictures are square."""

    def layer(ours: str, theirs: str) -> Iterator[tuple[str, str]]:
        yield f"{ours}.conv.weight", f"{theirs}.weight"
        yield from linear(f"{ours}.conv.modulation.affine", f"{theirs}.affine")
        yield f"{ours}.bias", f"{theirs}.bias"
        if noisy:
            yield f"{ours}.noise_strength", f"{theirs}.noise_strength"
            yield f"{ours}.noise", f"{theirs}.noise_const"

    yield from mapping_names(max(depth, 1), classes)  # a first layer there must be
    yield "mapping.average", "mapping.w_avg"
    for block, number in enumerate(blocks or [4]):
        ours, theirs = f"synthesis.blocks.{block}", f"synthesis.b{number}"
        if block:
            yield from layer(f"{ours}.up", f"{theirs}.conv0")
        else:
            yield "synthesis.constant", f"{theirs}.const"
        yield from layer(f"{ours}.conv", f"{theirs}.conv1")
        yield f"{ours}.to_rgb.weight", f"{theirs}.torgb.weight"
        yield from linear(f"{ours}.to_rgb.modulation.affine", f"{theirs}.torgb.affine")
        yield f"{ours}.rgb_bias", f"{theirs}.torgb.bias"


def discriminator_names(blocks: Sequence[int], depth: int, classes: bool) -> Iterator[tuple[str, str]]:
    """The same for the discriminator, whose last block has the lowest number."""
    if classes:
        yield from mapping_names(depth, classes)
    last, *others = blocks or [4]
    yield from linear("from_rgb", f"b{max(blocks, default=last)}.fromrgb")
    for block, number in enumerate(reversed(others)):
        yield from linear(f"blocks.{block}.conv1", f"b{number}.conv0")
        yield from linear(f"blocks.{block}.conv2", f"b{number}.conv1")
        yield f"blocks.{block}.skip.weight", f"b{number}.skip.weight"
    for ours, theirs in (("conv", "conv"), ("linear1", "fc"), ("linear2", "out")):
        yield from linear(ours, f"b{last}.{theirs}")


def mapping_names(depth: int, classes: bool) -> Iterator[tuple[str, str]]:
    if classes:
        yield from linear("mapping.embed", "mapping.embed")
    for index in range(depth):
        yield from linear(f"mapping.layers.{index}", f"mapping.fc{index}")


def linear(ours: str, theirs: str) -> Iterator[tuple[str, str]]:
    yield from ((f"{ours}.{part}", f"{theirs}.{part}") for part in ("weight", "bias"))
