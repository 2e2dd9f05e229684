"""Contact sheets: many overlays at a glance, each with its name and result, as JPEG."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from salus.atomic import write_picture
from salus.write.tables import FAILED, NONE, Record

TILE = (240, 200)
"""Width and height of the space for a picture, pixels."""

CAPTION = 30
"""Height of the two lines below it, pixels."""

COLUMNS, ROWS = 8, 12
"""Tiles in a row, and rows, of a full sheet."""

BACKGROUND, INK, WARNING = (24, 24, 24), (225, 225, 225), (255, 140, 90)
LINE_LENGTH = TILE[0] // 6
"""Letters in a line of a caption."""


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
    columns = min(COLUMNS, max(1, ceil(sqrt(len(records)))))
    width, height = TILE[0] + 6, TILE[1] + CAPTION + 6
    sheet = Image.new("RGB", (columns * width, ceil(len(records) / columns) * height), BACKGROUND)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for index, (record, overlay) in enumerate(zip(records, overlays, strict=True)):
        x, y = index % columns * width + 3, index // columns * height + 3
        picture = None if record.result == FAILED else _open_thumbnail(overlay)
        if picture is not None:
            sheet.paste(picture, (x + (TILE[0] - picture.width) // 2, y + (TILE[1] - picture.height) // 2))
        is_warning = record.result == FAILED or bool(record.flags)
        draw.text((x, y + TILE[1] + 2), _fit(record.name, keep_end=True), INK, font)
        draw.text((x, y + TILE[1] + 15), _fit(_describe(record)), WARNING if is_warning else INK, font)
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


def _describe(record: Record) -> str:
    if record.result == FAILED:
        return FAILED
    result = NONE if record.result == NONE else f"{len(record.lesions)} x {record.result}"
    return ", ".join([result, f"{record.confidence:.2f}", *record.flags[:1]])


def _fit(text: str, keep_end: bool = False) -> str:
    """Replace letters that the built-in font lacks, and shorten a text to a tile's width."""
    text = text.encode("ascii", "replace").decode()
    if len(text) <= LINE_LENGTH:
        return text
    return "..." + text[3 - LINE_LENGTH :] if keep_end else text[: LINE_LENGTH - 3] + "..."
