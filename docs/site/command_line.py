"""Write the reference of the command line: every command with its options, as argparse knows them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

from salus.cli import build_parser


def command_line() -> str:
    """Write the reference of all commands of `salus` as Markdown, one section each."""
    return "\n\n".join(section(command) for command in find_commands(build_parser()))


def find_commands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yield the parsers of all commands, those within groups such as `salus data` included."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                subcommands = list(find_commands(command))
                yield from subcommands or [command]


def section(command: argparse.ArgumentParser) -> str:
    """Write the section of one command: its purpose, usage, arguments and options."""
    blocks = [f"## {command.prog}", _escape(command.description or ""), f"```text\n{_usage(command)}\n```"]
    for group in command._action_groups:
        actions = [a for a in group._group_actions if a.help is not argparse.SUPPRESS and a.dest != "help"]
        if actions:
            title = (group.title or "options").replace("positional arguments", "arguments")
            rows = [f"| {_names(a)} | {_help(command, a)} |" for a in actions]
            blocks.append("\n".join([f"| {title} | |", "|---|---|", *rows]))
    if command.epilog:
        blocks.append(_escape(command.epilog))
    return "\n\n".join(blocks)


def _usage(command: argparse.ArgumentParser) -> str:
    lines = command.format_usage().removeprefix("usage: ").splitlines()
    return "\n".join(line.removeprefix("       ") if line.startswith("       salus") else line for line in lines)


def _names(action: argparse.Action) -> str:
    """Format the names of an option with its value, or the name of an argument."""
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
    return _escape(text).replace("|", "\\|")


def _escape(text: str) -> str:
    """Escape a help text for Markdown, and set its options in code type."""
    text = text.replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")
    return re.sub(r"(?<![\w`-])(--[a-z][\w-]*)", r"`\1`", text)
