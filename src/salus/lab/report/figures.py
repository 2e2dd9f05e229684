"""The style of figures, and their export as SVG with colours that follow the page's light or dark theme.

Figures are drawn in the colours of the light theme. In the page each colour becomes a CSS variable, so that one drawing
serves both themes. The file beside the page keeps the light colours on white, for print.
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
from matplotlib.figure import Figure

from salus.lab.report.run_data import Method

INK, MUTED, RULE, PAPER = "#1c1f23", "#666c73", "#dadde1", "#fefefe"
DARK = {"ink": "#e4e4e1", "muted": "#9aa1a9", "rule": "#363b42", "paper": "#16191d"}

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#c77ba7", "#b07a00", "#3a94c9", "#5d5d5d")
"""Colours of methods by index: Okabe and Ito's palette for colour-blind readers; the last three darkened for white."""
COLOURS_ON_DARK = ("#4ba3dc", "#ee7f2d", "#2bbd93", "#da9dbf", "#e6a70f", "#86caf0", "#b5b5b5")
"""The same for dark backgrounds and scans."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", "--", "-.", ":")

WIDTH = 10.2
"""Width of most figures in inches: the page's text block at 96 pixels an inch."""

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
        name: its anchor in the page and the stem of its file's name.
        caption: what it shows.
        alt: alternative text with its main numbers.
        inline: SVG for the page, in the colours of its theme.
        file: SVG for a file.
    """

    name: str
    caption: str
    alt: str
    inline: Markup
    file: str


def method_colour(method: Method) -> str:
    """Return the colour of a method in figures."""
    return COLOURS[method.index % len(COLOURS)]


def method_marker(method: Method) -> str:
    """Return the marker of a method; colour is never the only difference."""
    return MARKERS[method.index % len(MARKERS)]


def line_style(method: Method) -> str:
    """Return the line style of a method."""
    return DASHES[method.index % len(DASHES)]


@contextmanager
def figure_style() -> Iterator[None]:
    """Set the report's matplotlib style within the context."""
    with matplotlib.rc_context(_STYLE):
        yield


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """Create an empty figure, sizes in inches; draw and export it within `figure_style`."""
    return Figure(figsize=(width, height), layout="constrained")


def make_chart(figure: Figure, name: str, caption: str, alt: str) -> Chart:
    """Export a figure as SVG, for the page and for a file."""
    stream = io.StringIO()
    metadata = {"Date": None, "Creator": None, "Format": None, "Type": None}
    figure.savefig(stream, format="svg", metadata=metadata)
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", stream.getvalue(), flags=re.DOTALL)
    text = re.sub(r"<!DOCTYPE.*?>\s*", "", text, flags=re.DOTALL)
    return Chart(name, caption, alt, _svg_for_page(text, name, alt), _svg_for_file(text, alt))


def css_variables() -> tuple[dict[str, str], dict[str, str]]:
    """Return the CSS variables of the light and of the dark theme, names to colours."""
    light = {"ink": INK, "muted": MUTED, "rule": RULE, "paper": PAPER}
    light_methods, dark_methods = (
        {f"n{i}": colour for i, colour in enumerate(colours)} for colours in (COLOURS, COLOURS_ON_DARK)
    )
    return light | light_methods, DARK | dark_methods


def _svg_for_page(text: str, name: str, alt: str) -> Markup:
    """Adapt SVG to the page: theme colours, the page's font, ids unique in the page, and no address outside it."""
    text = re.sub(r"<\?xml.*?\?>\s*", "", text)
    text = re.sub(r"<style.*?</style>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="([^"]*)"', rf'id="{name}-\1"', text)
    text = re.sub(r'xlink:href="#', f'href="#{name}-', text).replace("xlink:href=", "href=")
    text = text.replace("url(#", f"url(#{name}-")
    for variable, value in css_variables()[0].items():
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


def _svg_for_file(text: str, alt: str) -> str:
    """Adapt SVG to a file: a white background and a title."""
    text = re.sub(r"'DejaVu Sans'[^;\"]*", "Helvetica, Arial, 'DejaVu Sans', sans-serif", text)
    background = f'<title>{escape(alt)}</title>\n<rect width="100%" height="100%" fill="#ffffff"/>'
    return re.sub(r"(<svg\b[^>]*>)", lambda m: f"{m.group(1)}\n{background}", text, count=1, flags=re.DOTALL)
