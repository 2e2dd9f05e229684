"""Pages of the reference that the code itself writes: the command line, the public names, the protocol."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

import salus
from command_line import command_line
from salus.lab.benchmark.protocol import PRESETS, Protocol


def public_names() -> str:
    """Every public name of `salus`, by its docstring."""
    homes = salus._HOMES
    order = sorted(homes, key=lambda name: (name[0].isupper(), name.lower()))
    heading = "    options:\n      heading: salus.{0}\n      toc_label: salus.{0}\n"
    return "\n".join(f"::: {homes[name]}.{name}\n{heading.format(name)}" for name in order)


def protocol() -> str:
    """The settings of a benchmark: published value, each preset's, and why one may leave it."""
    lines = [
        "| setting | " + " | ".join(f"`{name}`" for name in PRESETS) + " | why one may leave the published value |",
        "|---|" + "---|" * len(PRESETS) + "---|",
    ]
    for field in fields(Protocol):
        values = [getattr(preset, field.name) for preset in PRESETS.values()]
        shown = " | ".join(f"{v}" if v == field.metadata["published"] else f"**{v}**" for v in values)
        lines.append(f"| `{field.name}` | {shown} | {field.metadata['reason']} |")
    return "\n".join(lines)


MADE: dict[str, Callable[[], str]] = {
    "command line": command_line,
    "public names": public_names,
    "protocol": protocol,
}
"""By the name after `make:` in a page."""
