"""Draw the boxes, arrows and texts of the documentation's figures, and write the figures to files."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from PIL import Image

from salus.lab.report.figures import make_chart, new_figure

INK, MUTED, PAPER = "#1c1f23", "#666c73", "#ffffff"
AMBER, BLUE, GREY, RED = "#e0a100", "#0072b2", "#dfe4ea", "#c0392b"
TINTS = {"grey": "#eef1f4", "blue": "#dcebf6", "amber": "#fdf0cf", "red": "#fbe3df"}
EDGES = {"grey": "#9aa5b1", "blue": BLUE, "amber": AMBER, "red": RED}

Point = tuple[float, float]


def blank(width: float, height: float) -> tuple[Figure, Axes]:
    """Make an empty figure of width x height inches, with axes in inches from its lower left corner."""
    figure = new_figure(height, width)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.axis("off")
    return figure, axes


def box(
    axes: Axes, centre: Point, text: str, size: Point = (1.1, 0.42), kind: str = "grey", **more: Any
) -> tuple[Point, Point]:
    """Draw a rounded box with text; return its centre and size, which `across` and `upright` take."""
    (x, y), (w, h) = centre, size
    patch = FancyBboxPatch(
        (x - w / 2, y - h / 2), w, h, boxstyle="round,pad=0,rounding_size=0.06", facecolor=TINTS[kind],
        edgecolor=EDGES[kind], linewidth=1, zorder=3,
    )  # fmt: skip
    axes.add_patch(patch)
    lines(axes, centre, text, ha="center", zorder=4, **{"fontsize": 8, "color": INK, **more})
    return centre, size


def circle(axes: Axes, centre: Point, text: str, kind: str = "grey", radius: float = 0.15) -> tuple[Point, Point]:
    """Draw a round node, such as a sum or a product."""
    return box(axes, centre, text, (2 * radius, 2 * radius), kind, fontsize=9)


def link(axes: Axes, start: Point, end: Point, **more: Any) -> None:
    """Draw an arrow."""
    style = {"arrowstyle": "-|>", "mutation_scale": 9, "color": MUTED, "linewidth": 1.1, "zorder": 2, **more}
    axes.add_patch(FancyArrowPatch(start, end, shrinkA=0, shrinkB=0, **style))


def across(axes: Axes, a: tuple[Point, Point], b: tuple[Point, Point], **more: Any) -> None:
    """Draw a horizontal arrow between the facing sides of two boxes."""
    way = 1 if b[0][0] >= a[0][0] else -1
    link(axes, (a[0][0] + way * a[1][0] / 2, a[0][1]), (b[0][0] - way * b[1][0] / 2, b[0][1]), **more)


def upright(axes: Axes, a: tuple[Point, Point], b: tuple[Point, Point], **more: Any) -> None:
    """Draw a vertical arrow between the facing sides of two boxes."""
    way = 1 if b[0][1] >= a[0][1] else -1
    link(axes, (a[0][0], a[0][1] + way * a[1][1] / 2), (b[0][0], b[0][1] - way * b[1][1] / 2), **more)


def note(axes: Axes, place: Point, text: str, **more: Any) -> None:
    """Draw a small note."""
    lines(axes, place, text, **{"fontsize": 7.5, "color": MUTED, **more})


def lines(axes: Axes, place: Point, text: str, **style: Any) -> None:
    """Draw text centred at a place, line by line, because a browser may use another font."""
    rows = text.split("\n")
    step = style["fontsize"] * 1.25 / 72
    for n, row in enumerate(rows):
        axes.text(place[0], place[1] + step * ((len(rows) - 1) / 2 - n), row, va="center", **style)


def write_svg(figure: Figure, path: Path, alt: str) -> None:
    """Write a figure as SVG on white, without a date, so that the same figure always gives the same file."""
    path.write_text(make_chart(figure, path.stem, "", alt).file, encoding="utf-8")


def save_png(figure: Figure, path: Path) -> None:
    """Write a figure as a PNG of at most 256 colours, which halves the size of pictures of scans."""
    stream = BytesIO()
    figure.savefig(stream, format="png", dpi=150, facecolor="white")
    picture = Image.open(stream).convert("RGB")
    picture.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
