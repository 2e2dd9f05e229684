"""`salus mcp`: an MCP server, by which language models segment, measure and evaluate local files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from salus.cli.shared_options import add_device, add_precision

PACKAGES = ("mcp", "mcp_types", "pydantic", "anyio")


def add_parser(commands: Any) -> None:
    """Add the command's options."""
    parser = commands.add_parser(
        "mcp",
        help="let a language model's program work on local files (MCP)",
        description="A server of the Model Context Protocol on standard input and output. The program of a "
        "language model starts it, and can list, segment and measure images and evaluate masks. It reads inside FOLDER "
        "alone and writes inside OUT alone, also where links lead elsewhere. Its answers hold numbers and paths, no "
        "pixels.",
        epilog="Research software, not a medical device. example: salus mcp scans/ truth/ -o results/",
    )
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="whose files may be read")
    parser.add_argument("-o", "--out", type=Path, metavar="OUT", help="folder for results (default: none are written)")
    parser.add_argument("--network", metavar="FILE", help="the .onnx of salus train (default: shipped)")
    add_device(parser)
    add_precision(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Serve until the client closes standard input."""
    from salus.errors import require_extra

    require_extra(PACKAGES, "mcp", "salus mcp")
    from salus.mcp_server.folders import Folders
    from salus.mcp_server.server import make_server
    from salus.mcp_server.tools import Tools

    tools = Tools(Folders(args.folders, args.out), args.network, args.device, args.precision)
    make_server(tools).run("stdio")
