"""Options of the commands that serve other computers: where they listen, and who may ask."""

from __future__ import annotations

import argparse
import os


def add_server(group: argparse._ActionsContainer, token: str) -> None:
    """Add --host, --token and --name; `token` is the help of the second."""
    group.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this computer alone)")
    group.add_argument(
        "--token",
        metavar="TOKEN",
        help=f"{token} (SALUS_TOKEN in the environment does the same, unseen by others)",
    )
    group.add_argument("--name", action="append", default=[], metavar="HOST", help="a name this server is called by")


def read_token(args: argparse.Namespace) -> str | None:
    """Return the token of --token, or of the environment; None without one."""
    return args.token or os.environ.get("SALUS_TOKEN") or None
