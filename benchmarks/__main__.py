"""Speed and memory on this machine, beside the machine's own ceiling.

    python -m benchmarks [--model MODEL]                     graftlab by itself
    python -m benchmarks peers --authors A --rosinality R    graftlab beside other implementations
    python -m benchmarks growth                              time and memory over pixels
    python -m benchmarks films                               films beside the decoder alone
    python -m benchmarks student --base A --blend B ...      a student beside search and blend
    python -m benchmarks studio                              pictures from the studio, for one visitor and for eight
    python -m benchmarks soak                                an hour of the studio's memory, in some minutes
    python -m benchmarks marathon                            a day of training's memory and files, in some minutes
    python -m benchmarks stage                               the studio's room Live in a browser with a camera
    python -m benchmarks stylegan3                           a StyleGAN3 beside a StyleGAN2 of its size and width
    python -m benchmarks library --photos FOLDER             a search among a million photos
    python -m benchmarks gpu --out FOLDER                    a GPU: checks, speed, graphs, compilation, training
    python -m benchmarks bulk                                pictures encoded by two processes and on a Ray cluster

Each takes --threads N, --json [FILE] and --markdown [FILE]. Every figure is the median of repeats. What the package
itself measures, `graft bench` prints without a checkout.
"""

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter

from benchmarks import bulk, films, gpu, growth, library, marathon, own, peers, soak, stage, student, studio, stylegan3
from graftlab.errors import GraftError

COMMANDS = {
    "own": own,
    "peers": peers,
    "growth": growth,
    "films": films,
    "student": student,
    "studio": studio,
    "soak": soak,
    "marathon": marathon,
    "stage": stage,
    "stylegan3": stylegan3,
    "library": library,
    "gpu": gpu,
    "bulk": bulk,
}


def main(arguments: list[str]) -> int:
    """Exit code: 0 done, 2 bad input (one sentence on stderr), 130 interrupted."""
    parser = ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, module in COMMANDS.items():
        module.add_options(commands.add_parser(name, help=(module.__doc__ or "").split("\n")[0]))
    if not arguments or arguments[0] not in (*COMMANDS, "-h", "--help"):
        arguments = ["own", *arguments]
    options = parser.parse_args(arguments)
    try:
        COMMANDS[options.command].run(options).give(options)
    except GraftError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
