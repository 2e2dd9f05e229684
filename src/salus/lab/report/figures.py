"""How a figure looks and becomes SVG: colours that follow the page's light or dark theme, text that stays text.

Figures are drawn in the light theme's colours. For the page each colour becomes a CSS variable, so one drawing serves
both themes; the file beside it keeps the light colours on white, as a paper wants it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import Any

import matplotlib
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from salus.lab.report.material import Entrant

INK, MUTED, RULE, PAPER = "#1c1f23", "#666c73", "#dadde1", "#fefefe"
DARK = {"ink": "#e4e4e1", "muted": "#9aa1a9", "rule": "#363b42", "paper": "#16191d"}

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#c77ba7", "#b07a00", "#3a94c9", "#5d5d5d")
"""An entrant's colour by its place: Okabe and Ito's set, told apart by any eye; the last three darkened for white."""
COLOURS_ON_DARK = ("#4ba3dc", "#ee7f2d", "#2bbd93", "#da9dbf", "#e6a70f", "#86caf0", "#b5b5b5")
"""The same on dark paper, and on scans."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", "--", "-.", ":")

WIDTH = 10.2
"""Of most figures, inches: the page's text block at 96 pixels an inch."""

_STYLE: Any = {
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "salus",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.7,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "savefig.dpi": 200,
    "lines.linewidth": 1.5,
}


@dataclass(frozen=True)
class Chart:
    """A finished figure.

    Attributes:
        name: its anchor, and its file's stem.
        caption: what it shows.
        alt: the same for those who cannot see it, with its main numbers.
        inline: SVG for the page, following its theme.
        file: SVG for a file of its own.
    """

    name: str
    caption: str
    alt: str
    inline: Markup
    file: str


def colour(entrant: Entrant) -> str:
    """An entrant's colour, as drawn."""
    return COLOURS[entrant.place % len(COLOURS)]


def marker(entrant: Entrant) -> str:
    """An entrant's marker: colour is never the only difference."""
    return MARKERS[entrant.place % len(MARKERS)]


def dash(entrant: Entrant) -> str:
    """An entrant's line style."""
    return DASHES[entrant.place % len(DASHES)]


@contextmanager
def style() -> Iterator[None]:
    """The report's style, for as long as a figure is drawn."""
    with matplotlib.rc_context(_STYLE):
        yield


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """An empty figure in inches; draw and finish it within `style`."""
    return Figure(figsize=(width, height), layout="constrained")


def bare(axes: Axes, grid: str) -> None:
    """Grid lines along one axis only: "x", "y", or "both"."""
    axes.grid(grid in ("x", "both"), axis="x")
    axes.grid(grid in ("y", "both"), axis="y")


def finish(figure: Figure, name: str, caption: str, alt: str) -> Chart:
    """Write a figure as SVG, twice."""
    stream = io.StringIO()
    metadata = {"Date": None, "Creator": None, "Format": None, "Type": None}
    figure.savefig(stream, format="svg", metadata=metadata)
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", stream.getvalue(), flags=re.DOTALL)
    text = re.sub(r"<!DOCTYPE.*?>\s*", "", text, flags=re.DOTALL)
    return Chart(name, caption, alt, _inline(text, name, alt), _file(text, alt))


def variables() -> tuple[dict[str, str], dict[str, str]]:
    """The CSS variables of the light and of the dark theme."""
    light = {"ink": INK, "muted": MUTED, "rule": RULE, "paper": PAPER}
    numbered = (({f"n{i}": c for i, c in enumerate(colours)}) for colours in (COLOURS, COLOURS_ON_DARK))
    for_light, for_dark = numbered
    return {**light, **for_light}, {**DARK, **for_dark}


def _inline(text: str, name: str, alt: str) -> Markup:
    """For the page: themed colours, the page's type, ids that no other figure has, nothing that names an address."""
    text = re.sub(r"<\?xml.*?\?>\s*", "", text)
    text = re.sub(r"<style.*?</style>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="([^"]*)"', rf'id="{name}-\1"', text)
    text = re.sub(r'xlink:href="#', f'href="#{name}-', text).replace("xlink:href=", "href=")
    text = text.replace("url(#", f"url(#{name}-")
    for variable, value in variables()[0].items():
        text = re.sub(re.escape(value), f"var(--{variable})", text, flags=re.IGNORECASE)
    text = text.replace("#000000", "var(--ink)")
    text = re.sub(r"'DejaVu Sans'[^;\"]*", "var(--sans)", text)
    box = re.search(r'viewBox="([^"]*)"', text)
    size = box.group(1) if box else "0 0 648 300"
    width = round(float(size.split()[2]) * 96 / 72)
    wide = " wide" if width > 640 else ""
    opening = (
        f'<svg class="plot{wide}" role="img" aria-label="{escape(alt)}" viewBox="{size}" style="max-width: {width}px">'
    )
    return Markup(re.sub(r"<svg\b[^>]*>", lambda _: opening, text, count=1, flags=re.DOTALL).strip())


def _file(text: str, alt: str) -> str:
    """For a file: on white, with its description."""
    text = re.sub(r"'DejaVu Sans'[^;\"]*", "Helvetica, Arial, 'DejaVu Sans', sans-serif", text)
    plate = f'<title>{escape(alt)}</title>\n<rect width="100%" height="100%" fill="#ffffff"/>'
    return re.sub(r"(<svg\b[^>]*>)", lambda m: f"{m.group(1)}\n{plate}", text, count=1, flags=re.DOTALL)
