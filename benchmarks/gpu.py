"""A GPU with these networks: `python -m benchmarks gpu --out FOLDER`. Checks, then speed, memory, graphs, compilation.

Each part has a limit of time, and one that fails or takes too long does not lose the others; the figures so far are in
the folder after every row. Weights are drawn at random, save for those of landscapes-256.
"""

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from functools import partial
from io import StringIO
from pathlib import Path
from statistics import quantiles

import torch
from torch import Tensor, nn

from benchmarks import authors
from benchmarks.ours import STEPS, network
from benchmarks.parts import Figures, Sheet
from benchmarks.result import Result, add_output, positive
from benchmarks.stylegan3 import networks
from graftlab.benchmarking import speed
from graftlab.benchmarking.clock import Work, durations, forget_peak, once, peak, synchronize
from graftlab.benchmarking.machine import Ceiling, Machine, ceiling
from graftlab.benchmarking.speed import SAMPLE, Case, cases, pictures
from graftlab.checkpoints import load
from graftlab.codes import SwapCodes
from graftlab.config import PRECISIONS, StyleGAN2Config, SwappingConfig, SwappingTrainConfig, preset, recipe
from graftlab.editing import swaps
from graftlab.hardware import choose_device, exact_convolutions
from graftlab.networks.discriminators import Discriminators
from graftlab.networks.style import StyleGAN
from graftlab.networks.stylegan2 import StyleGAN2
from graftlab.networks.swapping import SwappingAutoencoder, SwappingModel
from graftlab.objectives.terms import squared_slope
from graftlab.training.trainers import new_trainer

TRAINED = "landscapes-256"
BOUNDS = {"float32": 1e-3, "bfloat16": 1e-1}  # largest difference as a share of the largest value; mean of the mean
COMMON = 100  # repeats that make a 95th percentile


@dataclass
class Stage:
    """Where the parts are played."""

    device: torch.device
    tiny: bool  # networks of a few channels, to try this program
    authors: Path | None
    best: Ceiling
    sheet: Sheet

    def configs(self) -> dict[str, tuple[SwappingConfig, list[int]]]:
        """The official networks, and a few of the sizes and batches that they are used with."""
        if self.tiny:
            return {"church256": (preset("tiny"), [1, 2])}
        return {"church256": (preset("church256"), [1, 8, 32]), "ffhq1024": (preset("ffhq1024").at(1024), [1, 8])}

    def stylegans(self) -> dict[str, StyleGAN]:
        if self.tiny:
            return {"StyleGAN2": StyleGAN2(StyleGAN2Config((16, 16, 16, 16)))}
        return networks(256)

    @property
    def size(self) -> int:
        return 32 if self.tiny else 256


# -- the same as on the processor -------------------------------------------------------------------------------------


def parity(stage: Stage) -> None:
    """Every kind of network against itself on the processor in float32."""
    makers: dict[str, Callable[[], SwappingModel | StyleGAN]] = {
        name: partial(SwappingAutoencoder, config) for name, (config, _) in stage.configs().items() if "256" in name
    }
    if not stage.tiny:
        makers[TRAINED] = lambda: load.load(TRAINED, device="cpu")  # type: ignore[return-value]
    makers |= {name: partial(drawn.__getitem__, name) for drawn in [stage.stylegans()] for name in drawn}
    for name, make in makers.items():
        torch.manual_seed(0)
        model = perturbed(make()) if name != TRAINED else make()
        model.eval().requires_grad_(False)
        expected = outputs(model, stage.size)
        for precision in PRECISIONS:
            model.to(stage.device).precision = getattr(torch, precision)
            compare(stage, f"{name}, {precision}", precision, expected, outputs(model, stage.size))


def perturbed(model: SwappingModel | StyleGAN) -> SwappingModel | StyleGAN:
    """With biases and strengths of noise that are not zero, as those of a trained network."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim < 2:
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return model


@torch.no_grad()
def outputs(model: SwappingModel | StyleGAN, size: int) -> dict[str, Tensor]:
    if isinstance(model, StyleGAN):
        return {"picture": model.sample([0, 1], psi=0.7)}
    codes = model.encode(pictures(Case("swap", size, 2)))
    hybrids = model.decode(SwapCodes(codes.structure, codes.texture.flip(0)))
    return {"structure": codes.structure, "texture": codes.texture, "picture": hybrids}


def compare(stage: Stage, name: str, precision: str, expected: dict[str, Tensor], found: dict[str, Tensor]) -> None:
    """Largest difference, and mean difference, as shares of the largest and of the mean value."""
    worst, mean = 0.0, 0.0
    for key, wanted in expected.items():
        apart = (found[key].cpu() - wanted).abs().double()
        worst = max(worst, (apart.max() / wanted.abs().max()).item())
        mean = max(mean, (apart.mean() / wanted.abs().double().mean()).item())
    fine = (worst if precision == "float32" else mean) < BOUNDS[precision]
    figures: Figures = {"largest difference": worst, "mean": mean, "verdict": "ok" if fine else "WRONG"}
    stage.sheet.row("Beside the processor in float32", name, figures)
    if not fine:
        stage.sheet.fail(f"parity of {name}: largest difference {worst:.2g}, mean {mean:.2g}")


def second_slopes(stage: Stage) -> None:
    """The gradient of R1, which differentiates twice, through the filters of the image discriminator."""
    config = preset("tiny") if stage.tiny else preset("church256")
    torch.manual_seed(0)
    discriminator = Discriminators(config).image
    found = []
    for device in (torch.device("cpu"), stage.device):
        discriminator.to(device).zero_grad()
        with exact_convolutions():
            squared_slope(discriminator, pictures(Case("R1 step", config.size, 2), device)).mean().backward()
        slopes = [parameter.grad for parameter in discriminator.parameters() if parameter.grad is not None]
        found.append({"gradient": torch.cat([slope.flatten().cpu() for slope in slopes])})
    compare(stage, "gradient of R1, float32", "float32", *found)


# -- how fast ---------------------------------------------------------------------------------------------------------


def throughput(stage: Stage) -> None:
    """Pictures a second of every network, one operation after another as PyTorch does."""
    work: list[tuple[str, SwappingModel | StyleGAN, list[Case]]] = []
    for name, (config, batches) in stage.configs().items():
        work.append((name, SwappingAutoencoder(config), cases([config.size], batches)))
    for name, each in stage.stylegans().items():
        work.append((name, each, cases([stage.size], [1, 2] if stage.tiny else [1, 16], [SAMPLE])))
    if not stage.tiny:
        work.append(("StyleGAN2", networks(1024)["StyleGAN2"], cases([1024], [1, 8], [SAMPLE])))
    for name, model, wanted in work:
        model.to(stage.device).eval().requires_grad_(False)
        for found in speed.measure(model, wanted, stage.best, PRECISIONS, stage.device):
            figures = {
                "images/s": found.images_per_second,
                "of the ceiling": f"{found.share:.0%}",
                "GB at the peak": None if found.memory is None else found.memory / 1e9,
            }
            stage.sheet.row("Throughput", f"{name}: {found.case}, {found.precision}", figures)
        model.to("cpu")


def ways(stage: Stage, compiled: bool = False) -> None:
    """A piece of work by itself and as a CUDA graph, or compiled and both: how long one call takes."""
    config = next(iter(stage.configs().values()))[0]
    wanted: list[tuple[Callable[[], SwappingModel | StyleGAN], Case]] = [
        (partial(SwappingAutoencoder, config), Case("swap", config.size, 1)),
        (partial(SwappingAutoencoder, config), Case("decode", config.size, 8 if not stage.tiny else 2)),
        (lambda: stage.stylegans()["StyleGAN2"], Case(SAMPLE, stage.size, 1)),
        (lambda: stage.stylegans()["StyleGAN2"], Case(SAMPLE, stage.size, 16 if not stage.tiny else 2)),
    ]
    for make, case in wanted[::2] if compiled else wanted:
        for precision in reversed(PRECISIONS):
            model = make().to(stage.device).eval().requires_grad_(False)
            model.precision = getattr(torch, precision)
            repeat, name = speed.work(model, case, stage.device), f"{case}, {precision}"
            if compiled:
                if case.what == "swap":  # a compiler would work the fixed noise out in every call
                    images, name = pictures(case, stage.device), f"{name}, without noise"
                    repeat = partial(swaps.swap, model, images, images, noise="none")
                name += ", compiled"
            with torch.inference_mode():
                begin, plain = time.perf_counter(), repeat().clone()
                if compiled:
                    compile_parts(model)
                way(stage, name, case, repeat, plain, begin)
                if stage.device.type == "cuda":
                    record(stage, name, case, repeat, plain)


def compile_parts(model: nn.Module) -> None:
    """Compile what has been called once: whether kept weights are still good is not asked again, which would cut the
    graphs."""
    for layer in model.modules():
        if known := getattr(layer, "_kept", None):
            layer.kept = lambda form, gain, dtype, known=known: known[form][2]  # type: ignore[assignment]
    for part in model.children():
        part.compile(fullgraph=True)


def record(stage: Stage, name: str, case: Case, repeat: Work, plain: Tensor) -> None:
    """The same as a CUDA graph, with cuDNN's own choice of kernels and with the fastest of those that it tries."""
    for measured in (False, True):
        torch.backends.cudnn.benchmark = measured
        label = f"{name}, CUDA graph{', fastest kernels' if measured else ''}"
        begin = time.perf_counter()
        try:
            way(stage, label, case, captured(repeat), plain, begin)
        except RuntimeError as error:
            stage.sheet.fail(f"{label}: {error!s:.200}")
    torch.backends.cudnn.benchmark = False


def captured(repeat: Work) -> Work:
    """The same work, recorded once and then replayed in one go."""
    apart = torch.cuda.Stream()
    apart.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(apart):
        for _ in range(3):
            repeat()
    torch.cuda.current_stream().wait_stream(apart)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        made = repeat()

    def replay() -> Tensor:
        graph.replay()
        return made

    return replay


def way(stage: Stage, name: str, case: Case, repeat: Work, plain: Tensor, begin: float) -> None:
    for _ in range(3):
        made = repeat()
    synchronize(stage.device)
    ready = time.perf_counter() - begin
    times = [once(repeat, stage.device) for _ in range(3 if stage.tiny else COMMON)]
    centiles = quantiles(times, n=20, method="inclusive")
    apart = ((made - plain).abs().mean() / plain.abs().mean()).item()
    figures = {
        "ms, median": centiles[9] * 1e3,
        "ms, 95th percentile": centiles[18] * 1e3,
        "images/s": case.batch / centiles[9],
        "seconds to be ready": ready,
        "mean difference": apart,
    }
    stage.sheet.row("One call", name, figures)
    if not apart < BOUNDS["bfloat16"]:
        stage.sheet.fail(f"{name} draws another picture: mean difference {apart:.2g}")


# -- training ---------------------------------------------------------------------------------------------------------


def training(stage: Stage, compiled: bool = False) -> None:
    """Pictures a second that a training takes in, each step as often as it comes, and the GPU's memory."""
    official, projected = preset("church256"), preset("small256")
    if stage.tiny:
        official = projected = preset("tiny")
    batch = 4 if stage.tiny else 16
    plans = {
        "official": SwappingTrainConfig(official, recipe("official"), "", batch=batch),
        "projected": SwappingTrainConfig(projected, recipe("projected"), "", batch=batch),
        "official, float32": SwappingTrainConfig(official, recipe("official"), "", batch=batch, precision="float32"),
    }
    for name, plan in list(plans.items())[: 2 if compiled else None]:
        forget_peak(stage.device)
        begin = time.perf_counter()
        trainer = new_trainer(replace(plan, side=64) if stage.tiny and "proj" in name else plan, stage.device, compiled)
        images = pictures(Case("step", trainer.config.shape[0], batch), stage.device)
        images = images.contiguous(memory_format=torch.channels_last)
        spent = {}
        for kind, (step, often) in trainer.steps().items():
            step(images)
            spent[kind] = often * sorted(durations(partial(step, images), stage.device, 5, 2))[1]
        found = {"images/s": batch / sum(spent.values()), "GB at the peak": (peak(stage.device) or 0) / 1e9}
        label = f"{name}, {trainer.config.shape[0]} px, batch {batch}{', compiled' if compiled else ''}"
        stage.sheet.row("Training", label, found | {"seconds altogether": time.perf_counter() - begin})
        del trainer


# -- beside the authors' code -----------------------------------------------------------------------------------------


def beside(stage: Stage) -> None:
    """Their code in the plain PyTorch that it falls back to. Last of all, for it changes what PyTorch says of CUDA.

    PyTorch rounds a convolution's inputs to 10 bits (TF32) where nobody says otherwise, as they do not."""
    if stage.authors is None:
        return
    theirs = authors.Authors(authors.checkout(stage.authors), stage.device)
    steps = [Case(step, stage.size, 4 if stage.tiny else 16) for step in STEPS]
    for case in [*cases([network(stage.size).size], [1, 2] if stage.tiny else [1, 8, 32]), *steps]:
        with torch.set_grad_enabled(case in steps), redirect_stdout(StringIO()):
            repeat = theirs.work(case)
            for tf32 in (False, True):
                torch.backends.cudnn.allow_tf32 = tf32
                forget_peak(stage.device)
                found = durations(repeat, stage.device, 5 if case in steps else 15, 1.0)
                seconds, memory = sorted(found)[len(found) // 2], (peak(stage.device) or 0) / 1e9
                rates = {"images/s": case.batch / seconds, "ms": seconds * 1e3, "GB at the peak": memory}
                stage.sheet.row("The authors' code", f"{case}, {'TF32' if tf32 else 'float32'}", rates)


# -- the program ------------------------------------------------------------------------------------------------------

PARTS: dict[str, tuple[Callable[[Stage], None], float]] = {  # and the most seconds of each
    "parity": (parity, 40),
    "slopes": (second_slopes, 20),
    "throughput": (throughput, 60),
    "ways": (ways, 25),
    "training": (training, 40),
    "compiled": (partial(ways, compiled=True), 120),
    "compiled-training": (partial(training, compiled=True), 120),
    "authors": (beside, 60),
}


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=Path("gpu"), help="folder of NAME.json and NAME.md")
    parser.add_argument("--name", default="gpu", help="of these")
    parser.add_argument("--device", help="the fastest by default")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=list(PARTS), help="all by default")
    parser.add_argument("--seconds", type=positive, default=150, help="for all parts together")
    parser.add_argument("--authors", type=Path, metavar="FOLDER", help="checkout of the authors' code")
    parser.add_argument("--tiny", action="store_true", help="networks of a few channels, to try this program")
    add_output(parser)


def run(options: Namespace) -> Result:
    """Play the parts. The last table says what has failed."""
    torch.set_num_threads(options.threads)
    device = choose_device(options.device)
    best = ceiling(device, PRECISIONS)
    sheet = Sheet(options.out, options.name, Machine.here(device), best)
    stage = Stage(device, options.tiny, options.authors, best, sheet)
    sheet.play({name: (partial(PARTS[name][0], stage), PARTS[name][1]) for name in options.parts}, options.seconds)
    return sheet.result()
