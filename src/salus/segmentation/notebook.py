"""Show a segmentation in a notebook: its overlay and a table of its lesions, as HTML."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from salus.segmentation.result import Segmentation

MAX_WIDTH = 480
"""Width of the overlay on the page, in its pixels; a smaller image is shown at its own size."""


def segmentation_html(segmentation: Segmentation, png: bytes | None) -> str:
    """Write a segmentation as HTML that stands by itself.

    Args:
        segmentation: of an image.
        png: its overlay; None leaves the picture out.
    """
    head = ["lesion", "longest", "across", "area", "confidence"]
    rows = [
        [
            str(lesion.number),
            f"{lesion.longest:.3g} {lesion.unit}",
            f"{lesion.across:.3g} {lesion.unit}",
            f"{lesion.area:.4g} {lesion.unit}²",
            f"{lesion.confidence:.2f}",
        ]
        for lesion in segmentation.lesions
    ]
    frame = "" if segmentation.frame is None else f", frame {segmentation.frame}"
    lines = [
        f"<p><b>{escape(segmentation.source + frame)}</b>: {segmentation.result}, "
        f"confidence {segmentation.confidence:.2f}, presence {segmentation.presence:.2f}</p>",
        *(f"<p>{escape(flag)}</p>" for flag in segmentation.flags),
    ]
    if rows:
        lines.append("<table>" + _row(head, "th") + "".join(_row(row, "td") for row in rows) + "</table>")
    if png is not None:
        width = min(MAX_WIDTH, segmentation.mask.shape[1])
        source = b64encode(png).decode()
        lines.append(f'<img alt="the image with the outline" width="{width}" src="data:image/png;base64,{source}">')
    return "<div>" + "\n".join(lines) + "</div>"


def _row(cells: Sequence[str], tag: str) -> str:
    return "<tr>" + "".join(f"<{tag}>{cell}</{tag}>" for cell in cells) + "</tr>"
