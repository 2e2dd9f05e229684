"""`salus import-keras`: make a Salus network of the authors' Keras file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the command's options."""
    p = commands.add_parser(
        "import-keras",
        help="make a Salus network of the authors' Keras file",
        description="Read the weights of a published U-Net or SA-U-Net from a .h5 or .keras file. Nothing in the file "
        "is executed: its numbers are laid into Salus's own network.",
    )
    p.add_argument("file", type=Path, metavar="FILE", help=".keras, whole-model .h5, or weights-only .h5")
    p.add_argument("-o", "--output", type=Path, metavar="NET", help="a new folder (default: FILE without ending)")
    p.add_argument("--size", type=int, default=256, help="height and width of the input (default: %(default)s)")
    p.set_defaults(run=run)


def run(asked: argparse.Namespace) -> None:
    """Import, save, say what it was."""
    from salus.lab.training.backend import use_backend

    use_backend("tensorflow")
    from salus.lab.export.import_keras import import_keras
    from salus.lab.networks.registry import takes_saliency
    from salus.lab.networks.store import Card, save_network

    folder = asked.output or asked.file.with_suffix("")
    name, model = import_keras(asked.file, asked.size)
    card = Card(name, asked.size, 0.5, takes_saliency(model), f"weights of {asked.file.name}")
    difference = save_network(model, card, folder)
    print(f"{folder}: {name}, {model.count_params():,} parameters; ONNX differs by at most {difference:.1e}")
