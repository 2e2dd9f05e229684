"""The options --devices, --hosts and --host, which `salus benchmark` and `salus train` share."""

from __future__ import annotations

import argparse
import os
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from salus.lab.training.process_group import Crew


def add(p: argparse.ArgumentParser) -> None:
    """Add the options."""
    g = p.add_argument_group("many devices and hosts (backend jax; see docs/how-to/many-gpus.md)")
    g.add_argument("--devices", type=int, metavar="N", help="GPUs of this host (default: one; with --hosts all)")
    g.add_argument(
        "--hosts",
        metavar="NAME:PORT,NAME,...",
        help="machines that train together; start the same command on each. The first keeps the result",
    )
    g.add_argument("--host", type=int, metavar="I", help="which of them this is, from 0")


def backend(asked: argparse.Namespace) -> str | None:
    """The backend that was named, jax where many devices were asked for, else None."""
    named: str | None = asked.backend
    many = asked.devices is not None or asked.hosts is not None
    return named or ("jax" if many and "KERAS_BACKEND" not in os.environ else None)


def crew(asked: argparse.Namespace, again: str) -> AbstractContextManager[Crew]:
    """Bring those who train together together.

    Args:
        asked: the command's options.
        again: the command that goes on after one of them has died, without these options.
    """
    from salus.lab.training.process_group import assembled

    given = {"--devices": asked.devices, "--hosts": asked.hosts, "--host": "I" if asked.hosts else None}
    again += "".join(f" {name} {value}" for name, value in given.items() if value is not None)
    return assembled(asked.devices, asked.hosts, asked.host, again)
