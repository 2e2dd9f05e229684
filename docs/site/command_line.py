"""The command line as Markdown: every command with its options, as argparse knows them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

from salus.cli import parser


def command_line() -> str:
    """Every command of `salus`, a section each."""
    return "\n\n".join(section(command) for command in commands(parser()))


def commands(top: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The commands that do something, those of groups such as `salus data` among them."""
    for action in top._actions:
        if isinstance(action, argparse._SubParsersAction):
            for part in action.choices.values():
                parts = list(commands(part))
                yield from parts or [part]


def section(command: argparse.ArgumentParser) -> str:
    """One command: what it does, how it is called, its arguments and options."""
    parts = [f"## {command.prog}", _text(command.description or ""), f"```text\n{_usage(command)}\n```"]
    for group in command._action_groups:
        shown = [a for a in group._group_actions if a.help is not argparse.SUPPRESS and a.dest != "help"]
        if shown:
            title = (group.title or "options").replace("positional arguments", "arguments")
            rows = [f"| {_names(a)} | {_help(command, a)} |" for a in shown]
            parts.append("\n".join([f"| {title} | |", "|---|---|", *rows]))
    if command.epilog:
        parts.append(_text(command.epilog))
    return "\n\n".join(parts)


def _usage(command: argparse.ArgumentParser) -> str:
    lines = command.format_usage().removeprefix("usage: ").splitlines()
    return "\n".join(line.removeprefix("       ") if line.startswith("       salus") else line for line in lines)


def _names(action: argparse.Action) -> str:
    metavar = action.metavar if isinstance(action.metavar, str) else action.dest
    if action.choices is not None and action.metavar is None:
        metavar = "{" + ",".join(map(str, action.choices)) + "}"
    if not action.option_strings:
        return f"`{metavar}`"
    value = "" if action.nargs == 0 else f" {metavar}"
    return ", ".join([*(f"`{name}`" for name in action.option_strings[:-1]), f"`{action.option_strings[-1]}{value}`"])


def _help(command: argparse.ArgumentParser, action: argparse.Action) -> str:
    text = command._get_formatter()._expand_help(action) if action.help else ""
    if action.default not in (None, False, argparse.SUPPRESS) and action.option_strings and "default" not in text:
        text = f"{text} (default: {action.default})".strip()
    return _text(text).replace("|", "\\|")


def _text(text: str) -> str:
    """Prose of a help text, safe for Markdown: its names of files, options and commands in code type."""
    text = text.replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")
    return re.sub(r"(?<![\w`-])(--[a-z][\w-]*)", r"`\1`", text)
