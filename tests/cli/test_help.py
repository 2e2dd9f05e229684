"""The help of every command, as a user reads it, is as tests/cli/help.txt has it.

    SALUS_PIN_HELP=1 python -m pytest tests/cli/test_help.py    # after a wanted change; look at the difference

argparse lays help out anew now and then, so other versions of Python than the file's are skipped.
"""

import argparse
import os
import platform
from collections.abc import Iterator
from pathlib import Path

import pytest

from salus.cli import build_parser

PINNED = Path(__file__).parent / "help.txt"


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The parser and those of all its commands."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from parsers(command)


def test_help_of_every_command_is_as_pinned(monkeypatch):
    version = "Python " + ".".join(platform.python_version_tuple()[:2])
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    texts = [f"== {parser.prog}\n{parser.format_help()}" for parser in parsers(build_parser())]
    help_texts = "\n".join([version, *texts])
    if os.environ.get("SALUS_PIN_HELP"):
        PINNED.write_text(help_texts, encoding="utf-8")
    pinned = PINNED.read_text(encoding="utf-8")
    if not pinned.startswith(version + "\n"):
        pytest.skip(f"help.txt was written with {pinned.splitlines()[0]}")
    assert help_texts == pinned
