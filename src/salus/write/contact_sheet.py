"""Contact sheets: many overlays at a glance, each with its name and result, as JPEG."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt
from pathlib import Path

from PIL import Image, ImageDraw

from salus.atomic import write_picture
from salus.segmentation.result import NONE
from salus.write.caption_text import draw_line, fit_line, wrap_text
from salus.write.tables import FAILED, Record

TILE = (240, 200)
"""Width and height of the space for a picture, pixels."""

CAPTION = 30
"""Height of the first two lines below it, pixels."""

COLUMNS, ROWS = 8, 12
"""Tiles in a row, and rows, of a full sheet."""

BACKGROUND, INK, WARNING = (24, 24, 24), (225, 225, 225), (255, 140, 90)
LINE = 13
"""Height of a further line of a caption, pixels: flags are not cut, and take as many as they need."""


def write_contact_sheets(path: Path, records: Sequence[Record], overlays: Sequence[Path]) -> list[Path]:
    """Write as many sheets as are needed: NAME.jpg, NAME-2.jpg, NAME-3.jpg, ...

    Args:
        path: of the first.
        records: of the images.
        overlays: the overlay of each image; it is not opened where the image failed.

    Returns:
        Paths of the sheets.

    Raises:
        OSError: a sheet cannot be written.
    """
    sheets: list[Path] = []
    for first in range(0, len(records), COLUMNS * ROWS):
        part = slice(first, first + COLUMNS * ROWS)
        sheet = path.with_name(f"{path.stem}-{len(sheets) + 1}{path.suffix}") if sheets else path
        write_picture(sheet, draw_sheet(records[part], overlays[part]), "JPEG", quality=85)
        sheets.append(sheet)
    return sheets


def draw_sheet(records: Sequence[Record], overlays: Sequence[Path]) -> Image.Image:
    """Draw one sheet; see `write_contact_sheets`."""
    captions = [
        (
            fit_line(record.name, TILE[0]),
            [line for text in _describe(record) for line in wrap_text(text, TILE[0])],
        )
        for record in records
    ]
    caption_height = CAPTION + LINE * (max((len(lines) for _, lines in captions), default=1) - 1)
    columns = min(COLUMNS, max(1, ceil(sqrt(len(records)))))
    width, height = TILE[0] + 6, TILE[1] + caption_height + 6
    sheet = Image.new("RGB", (columns * width, ceil(len(records) / columns) * height), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    for index, (record, overlay, (name, lines)) in enumerate(zip(records, overlays, captions, strict=True)):
        x, y = index % columns * width + 3, index // columns * height + 3
        picture = None if record.result == FAILED else _open_thumbnail(overlay)
        if picture is not None:
            sheet.paste(picture, (x + (TILE[0] - picture.width) // 2, y + (TILE[1] - picture.height) // 2))
        is_warning = record.result == FAILED or bool(record.flags)
        draw_line(draw, (x, y + TILE[1] + 2), name, INK)
        for number, line in enumerate(lines):
            draw_line(draw, (x, y + TILE[1] + 15 + LINE * number), line, WARNING if is_warning else INK)
    return sheet


def _open_thumbnail(path: Path) -> Image.Image | None:
    """Open an overlay in the size of a tile; None where it is missing or damaged."""
    try:
        with Image.open(path, formats=("JPEG",)) as image:
            image.draft("RGB", TILE)  # decoded at a fraction of its size where it is large
            image.thumbnail(TILE, Image.Resampling.BICUBIC)
            return image.convert("RGB")
    except (OSError, SyntaxError, ValueError):
        return None


def _describe(record: Record) -> list[str]:
    """Return the result, then each flag."""
    if record.result == FAILED:
        return [FAILED]
    result = NONE if record.result == NONE else f"{len(record.lesions)} x {record.result}"
    return [f"{result}, {record.confidence:.2f}", *record.flags]
