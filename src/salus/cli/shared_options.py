"""Options that several commands share, and what those options mean. Every function adds options to a parser."""

from __future__ import annotations

import argparse
import os
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from salus.lab.training.process_group import ProcessGroup


def add_run_folder(parser: argparse.ArgumentParser, resume_also: str = "") -> None:
    """Add --out RUN and --resume RUN; `resume_also` ends the help of --resume."""
    parser.add_argument(
        "-o", "--out", "--output", dest="output", type=Path, metavar="RUN", help="a new folder for the result"
    )
    text = "continue an interrupted run; nothing finished is redone"
    parser.add_argument("--resume", type=Path, metavar="RUN", help=text + resume_also)


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
        help="average with the mirrored image, at twice the time (default: as the network was calibrated)",
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


def add_devices_and_hosts(parser: argparse.ArgumentParser) -> None:
    """Add --devices, --hosts and --host, of a training on several GPUs; see `open_process_group`."""
    group = parser.add_argument_group("many devices and hosts (backend jax; see docs/how-to/many-gpus.md)")
    group.add_argument("--devices", type=int, metavar="N", help="GPUs of this host (default: one; with --hosts all)")
    group.add_argument(
        "--hosts",
        metavar="NAME:PORT,NAME,...",
        help="machines that train together; start the same command on each. The first keeps the result",
    )
    group.add_argument("--host", type=int, metavar="I", help="which of them this is, from 0")


def choose_backend(args: argparse.Namespace) -> str | None:
    """Return the backend of --backend, else jax where --devices or --hosts need it, else None."""
    named: str | None = args.backend
    distributed = args.devices is not None or args.hosts is not None
    return named or ("jax" if distributed and "KERAS_BACKEND" not in os.environ else None)


def open_process_group(args: argparse.Namespace, resume_command: str) -> AbstractContextManager[ProcessGroup]:
    """Connect the processes and devices of --devices, --hosts and --host.

    Args:
        args: the command's options.
        resume_command: the command that resumes the run after a process died, without these options.
    """
    from salus.lab.training.process_group import open_process_group

    options = {"--devices": args.devices, "--hosts": args.hosts, "--host": "I" if args.hosts else None}
    resume_command += "".join(f" {name} {value}" for name, value in options.items() if value is not None)
    return open_process_group(args.devices, args.hosts, args.host, resume_command)
