"""The command line: `salus COMMAND ...`.

Each command is one file with two functions: `add_parser(commands)` adds its options, `run(args)` calls the package and
prints; it returns the exit code. Options that several commands share are in `salus.cli.shared_options`, printing in
`salus.cli.output`. Command files import what they need only inside `run`, so --help stays fast.

Exit codes: 0 done; 1 the check found errors; 2 a mistake that the message explains; 3 done but for the files named;
130 interrupted.
"""

from __future__ import annotations

import argparse
import errno
import io
import os
import sys
import warnings
from collections.abc import Sequence

from salus import __version__
from salus.cli import (
    benchmark,
    data,
    demo,
    evaluate,
    export,
    import_keras,
    info,
    mcp,
    merge,
    monai_label,
    node,
    report,
    saliency,
    saliency_benchmark,
    segment,
    serve,
    train,
)
from salus.cli.output import warn
from salus.errors import SalusError

COMMANDS = (
    segment,
    demo,
    serve,
    node,
    monai_label,
    mcp,
    merge,
    data,
    benchmark,
    report,
    evaluate,
    saliency,
    saliency_benchmark,
    train,
    import_keras,
    export,
    info,
)
"""The commands, in the order of the help."""


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the whole command line."""
    top = argparse.ArgumentParser(
        prog="salus", description="Outline breast tumours in ultrasound, and compare the networks that do."
    )
    top.add_argument("--version", action="version", version=f"salus {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in COMMANDS:
        module.add_parser(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; mistakes are printed as one line, without a traceback."""
    args = build_parser().parse_args(arguments)
    warnings.filterwarnings("ignore", module="PIL")  # Salus reports what matters of a file itself
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # for letters that the terminal's encoding lacks
    try:
        code: int = args.run(args) or 0
        if sys.stdout:
            sys.stdout.flush()  # so that a full disk raises here
        return code
    except SalusError as error:
        return _fail(str(error), 2)
    except KeyboardInterrupt:
        message = getattr(args, "when_interrupted", "interrupted")
        return _fail(message() if callable(message) else message, 130)
    except BrokenPipeError:
        _discard_output()
        return 0
    except MemoryError:
        return _fail("not enough memory; use fewer images, a smaller --size or a smaller --batch", 2)
    except OSError as error:
        if error.filename is None:
            _discard_output()
        advice = "; free space, then run the command again" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        return _fail(f"{error.filename or 'the output'}: {error.strerror or error}{advice}", 2)


def _discard_output() -> None:
    """Send what is still to be printed nowhere, so that Python does not fail on it again when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str, code: int) -> int:
    """Print a message on standard error and return the exit code."""
    warn(message)
    return code
