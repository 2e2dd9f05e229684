"""Options that several commands share, and what those options mean. Every function adds options to a parser."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection
from pathlib import Path


def add_run_folder(parser: argparse.ArgumentParser, resume_also: str = "") -> None:
    """Add --out RUN and --resume RUN; `resume_also` ends the help of --resume."""
    parser.add_argument(
        "-o", "--out", "--output", dest="output", type=Path, metavar="RUN", help="a new folder for the result"
    )
    text = "continue an interrupted run; nothing finished is redone"
    parser.add_argument("--resume", type=Path, metavar="RUN", help=text + resume_also)


def advise_to_resume(command: str, folder: Path) -> Callable[[], str]:
    """Return what says how to go on after an interruption: with --resume once there is a run."""
    from salus.lab.training.run_folder import RUN_FILE

    def advice() -> str:
        if (folder / RUN_FILE).is_file():
            return f"interrupted; continue with: {command} --resume {folder}"
        return "interrupted before there was a run to continue; give the same command again"

    return advice


def refuse_settings_of_new_run(args: argparse.Namespace, allowed: Collection[str]) -> None:
    """Refuse what was given beside --resume although the run has its own settings.

    Args:
        args: with "parser", that of the command.
        allowed: names of what counts beside --resume, as in `args`.

    Raises:
        SalusError: an option has another value than without it.
    """
    from salus.errors import SalusError

    defaults = vars(args.parser.parse_args([]))
    names = {"data": "DATA", "output": "-o", "tta": "--no-tta"}
    given = [
        names.get(name, f"--{name.replace('_', '-')}")
        for name, default in defaults.items()
        if name not in (*allowed, "resume", "parser") and getattr(args, name) != default
    ]
    if given:
        raise SalusError(f"--resume RUN takes the rest from the run; leave out {', '.join(given)}")


def add_layout(parser: argparse.ArgumentParser, folder: str = "the folder") -> None:
    """Add --layout, of the data set in `folder`."""
    parser.add_argument("--layout", metavar="NAME", help=f"how {folder} is laid out (default: detected)")


def add_mask_values(parser: argparse.ArgumentParser, with_predictions: bool = True) -> None:
    """Add --mask-values, of truth and predictions or of a data set's masks alone; see `parse_mask_values`."""
    which = "; WHICH is truth or predictions (default: auto for both)" if with_predictions else " (default: auto)"
    parser.add_argument(
        "--mask-values",
        action="append",
        default=[],
        metavar="[WHICH=]HOW" if with_predictions else "HOW",
        help="what is lesion in mask files: auto (each file's values decide, and it is said what was decided), "
        f"above-zero, half (of the file's range), half-max (of its maximum), or values as in 1,3{which}",
    )


def parse_mask_values(items: list[str]) -> tuple[str, str]:
    """Parse every [WHICH=]HOW of --mask-values; return how truth and how predictions are read.

    Raises:
        SalusError: an item is no such thing.

    Example:
        >>> parse_mask_values(["half", "truth=1,3"])
        ('1,3', 'half')
    """
    from salus.errors import SalusError
    from salus.read.mask_values import AUTO, check_mask_values

    chosen = {"truth": AUTO, "predictions": AUTO}
    for item in items:
        which, equals, how = item.rpartition("=")
        if equals and which not in chosen:
            raise SalusError(f"--mask-values {item}: {which} is neither truth nor predictions")
        chosen |= dict.fromkeys([which] if equals else chosen, check_mask_values(how))
    return chosen["truth"], chosen["predictions"]


def add_search(parser: argparse.ArgumentParser) -> None:
    """Add --recursive and --verbose, of a command that takes folders of images."""
    parser.add_argument("-r", "--recursive", action="store_true", help="look into the folders in a folder, too")
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="name each file that is left out (default: a line for many)"
    )


def add_skip_bad(parser: argparse.ArgumentParser) -> None:
    """Add --skip-bad."""
    parser.add_argument("--skip-bad", action="store_true", help="leave out cases that cannot be read, naming each")


def add_backend(parser: argparse.ArgumentParser, text: str = "Keras's (default: jax with a GPU)") -> None:
    """Add --backend with the help `text`."""
    parser.add_argument("--backend", choices=("tensorflow", "jax", "torch"), help=text)


def add_network(parser: argparse._ActionsContainer) -> None:
    """Add --network, --threshold, --restraint and --tta, of a segmentation network."""
    parser.add_argument(
        "--network", metavar="FILE", help="the .onnx of salus train, or .xml of salus export (default: shipped)"
    )
    parser.add_argument(
        "--threshold", type=float, metavar="P", help="probability of tumour (default: the network's own)"
    )
    parser.add_argument(
        "--restraint",
        choices=("none", "balanced", "strict"),
        help="leave images empty that hardly show a tumour: none of them, some, more (default: as the network says)",
    )
    parser.add_argument(
        "--tta",
        action=argparse.BooleanOptionalAction,
        help="average over several passes, with the mirrored image and, where the network was trained with prompts and "
        "gets none, with its own answer as the map: up to three times the time (default: as the network was "
        "calibrated)",
    )


def add_device(parser: argparse._ActionsContainer) -> None:
    """Add --device, on which a network is run."""
    text = "where the network runs: cpu, gpu, cuda or cuda:N (default: %(default)s)"
    parser.add_argument("--device", default="cpu", help=text)


def add_precision(parser: argparse._ActionsContainer) -> None:
    """Add --precision, in which a network computes."""
    parser.add_argument(
        "--precision",
        choices=("auto", "float32", "bfloat16"),
        default="auto",
        help="auto: bfloat16 where it was measured to be faster here and the network's file says that outlines stay "
        "(default: %(default)s)",
    )


def add_ray_address(parser: argparse.ArgumentParser) -> None:
    """Add --address, of a Ray cluster."""
    parser.add_argument(
        "--address",
        metavar="HOST:PORT",
        help="of the Ray cluster (default: RAY_ADDRESS, or Ray is started on this machine alone)",
    )


def add_training_engine(parser: argparse.ArgumentParser) -> None:
    """Add --threads, --engine and --address, of a command that trains several networks; see `check_training_engine`."""
    parser.add_argument(
        "--threads", type=int, metavar="N", help="processor threads (default: all); with Ray, cores of each network"
    )
    parser.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="where networks are trained: one after another here, or side by side on a Ray cluster; RUN and DATA must "
        "lie where all its machines see them (default: %(default)s)",
    )
    add_ray_address(parser)


def check_training_engine(args: argparse.Namespace) -> None:
    """Raise a SalusError where --address comes without --engine ray."""
    from salus.errors import SalusError

    if args.address and args.engine != "ray":
        raise SalusError("--address is that of a Ray cluster; give --engine ray as well")
