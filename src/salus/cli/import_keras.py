"""`salus import-keras`: make a Salus network of the authors' Keras file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_parser(commands: Any) -> None:
    """Add the command's options."""
    parser = commands.add_parser(
        "import-keras",
        help="make a Salus network of the authors' Keras file",
        description="Read the weights of a published U-Net or SA-U-Net from a .h5 or .keras file. Nothing in the file "
        "is executed: its numbers are laid into Salus's own network.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help=".keras, whole-model .h5, or weights-only .h5")
    parser.add_argument(
        "-o",
        "--out",
        "--output",
        dest="output",
        type=Path,
        metavar="NET",
        help="a new folder (default: FILE without ending)",
    )
    parser.add_argument("--size", type=int, default=256, help="height and width of the input (default: %(default)s)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Import a Keras file and save it as a network of Salus."""
    from salus.lab.training.backend import use_backend

    use_backend("tensorflow")
    from salus.lab.export.import_keras import import_keras
    from salus.lab.networks.registry import takes_saliency
    from salus.lab.networks.store import Card, save_network

    folder = args.output or args.file.with_suffix("")
    name, model = import_keras(args.file, args.size)
    card = Card(name, args.size, 0.5, takes_saliency(model), f"weights of {args.file.name}")
    difference = save_network(model, card, folder)
    print(f"{folder}: {name}, {model.count_params():,} parameters; ONNX differs by at most {difference:.1e}")
