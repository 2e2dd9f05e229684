"""The command line: `salus COMMAND ...`. One file a command: it parses, calls, prints.

Exit codes: 0 done; 1 the check found errors; 2 a mistake that the message explains; 3 done but for the files named;
130 interrupted.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import warnings
from collections.abc import Sequence

from salus import __version__
from salus.cli import (
    benchmark,
    data,
    evaluate,
    export,
    import_keras,
    info,
    merge,
    report,
    saliency,
    saliency_benchmark,
    segment,
    serve,
    train,
)
from salus.errors import SalusError


def parser() -> argparse.ArgumentParser:
    """The whole command line. Command files import what they need only when they run, so --help stays fast."""
    top = argparse.ArgumentParser(
        prog="salus", description="Outline breast tumours in ultrasound, and compare the networks that do."
    )
    top.add_argument("--version", action="version", version=f"salus {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in (
        segment,
        serve,
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
    ):
        module.add(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    asked = parser().parse_args(arguments)
    warnings.filterwarnings("ignore", module="PIL")  # what matters of a file, Salus says in its own line
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names that the terminal's encoding lacks
    try:
        code: int = asked.run(asked) or 0
        if sys.stdout:
            sys.stdout.flush()  # so that a full disk is told here
        return code
    except SalusError as error:
        return _fail(str(error), 2)
    except KeyboardInterrupt:
        return _fail(getattr(asked, "when_interrupted", "interrupted"), 130)
    except BrokenPipeError:
        _let_go_of_output()
        return 0
    except MemoryError:
        return _fail("not enough memory; use fewer images, a smaller --size or a smaller --batch", 2)
    except OSError as error:
        if error.filename is None:
            _let_go_of_output()
        return _fail(f"{error.filename or 'the output'}: {error.strerror or error}", 2)


def _let_go_of_output() -> None:
    """What is still to be printed goes nowhere, so that Python does not try again, and complain, when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str, code: int) -> int:
    print(f"salus: {' '.join(message.split())}", file=sys.stderr, flush=True)
    return code
