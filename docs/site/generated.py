"""Generate parts of the documentation from the code: the command line, the public names, the protocol."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

import salus
from command_line import command_line
from salus.lab.benchmark.protocol import PRESETS, Protocol


def public_names() -> str:
    """List every public name of `salus` for mkdocstrings, which shows its docstring."""
    modules = salus._MODULES
    names = sorted(modules, key=lambda name: (name[0].isupper(), name.lower()))
    heading = "    options:\n      heading: salus.{0}\n      toc_label: salus.{0}\n"
    return "\n".join(f"::: {modules[name]}.{name}\n{heading.format(name)}" for name in names)


def protocol() -> str:
    """Write a table of the settings of a benchmark: the presets' values, and reasons to leave the published one."""
    lines = [
        "| setting | " + " | ".join(f"`{name}`" for name in PRESETS) + " | reason to leave the published value |",
        "|---|" + "---|" * len(PRESETS) + "---|",
    ]
    for field in fields(Protocol):
        values = [getattr(preset, field.name) for preset in PRESETS.values()]
        cells = " | ".join(f"{v}" if v == field.metadata["published"] else f"**{v}**" for v in values)
        lines.append(f"| `{field.name}` | {cells} | {field.metadata['reason']} |")
    return "\n".join(lines)


GENERATORS: dict[str, Callable[[], str]] = {
    "command line": command_line,
    "public names": public_names,
    "protocol": protocol,
}
"""Generators by the name after `make:` in a page."""
