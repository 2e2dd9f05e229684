"""Contact sheets: many overlays at a glance, each with its name and result, as JPEG."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from salus.atomic import write_picture
from salus.write.tables import FAILED, NONE, Record

TILE = (240, 200)
"""Width and height of a picture's place, pixels."""

CAPTION = 30
"""Height of the two lines below it."""

COLUMNS, ROWS = 8, 12
"""Of a full sheet."""

GROUND, INK, WARNING = (24, 24, 24), (225, 225, 225), (255, 140, 90)
LETTERS = TILE[0] // 6


def write_sheets(path: Path, records: Sequence[Record], overlays: Sequence[Path]) -> list[Path]:
    """Write as many sheets as are needed: NAME.jpg, NAME-2.jpg, NAME-3.jpg, ...

    Args:
        path: of the first.
        records: what was found.
        overlays: the overlay of each; of an image that failed it is not looked for.

    Returns:
        The sheets.

    Raises:
        OSError: a sheet cannot be written.
    """
    sheets: list[Path] = []
    for first in range(0, len(records), COLUMNS * ROWS):
        part = slice(first, first + COLUMNS * ROWS)
        number = len(sheets) + 1
        place = path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")
        write_picture(place, sheet(records[part], overlays[part]), "JPEG", quality=85)
        sheets.append(place)
    return sheets


def sheet(records: Sequence[Record], overlays: Sequence[Path]) -> Image.Image:
    """One sheet; see `write_sheets`."""
    columns = min(COLUMNS, max(1, ceil(sqrt(len(records)))))
    width, height = TILE[0] + 6, TILE[1] + CAPTION + 6
    made = Image.new("RGB", (columns * width, ceil(len(records) / columns) * height), GROUND)
    draw, font = ImageDraw.Draw(made), ImageFont.load_default(11)
    for index, (record, place) in enumerate(zip(records, overlays, strict=True)):
        x, y = index % columns * width + 3, index // columns * height + 3
        picture = None if record.result == FAILED else _small(place)
        if picture is not None:
            made.paste(picture, (x + (TILE[0] - picture.width) // 2, y + (TILE[1] - picture.height) // 2))
        draw.text((x, y + TILE[1] + 2), _plain(record.name, tail=True), INK, font)
        draw.text((x, y + TILE[1] + 15), _plain(_said(record)), WARNING if _warns(record) else INK, font)
    return made


def _small(path: Path) -> Image.Image | None:
    """An overlay in the size of a tile; None where it is missing or damaged."""
    try:
        with Image.open(path, formats=("JPEG",)) as image:
            image.draft("RGB", TILE)  # decoded at a fraction of its size where it is large
            image.thumbnail(TILE, Image.Resampling.BICUBIC)
            return image.convert("RGB")
    except (OSError, SyntaxError, ValueError):
        return None


def _said(record: Record) -> str:
    if record.result == FAILED:
        return FAILED
    said = NONE if record.result == NONE else f"{len(record.lesions)} x {record.result}"
    strange = record.flags[0] if record.flags else ""
    return f"{said}, {record.confidence:.2f}" + (f", {strange}" if strange else "")


def _warns(record: Record) -> bool:
    return record.result == FAILED or bool(record.flags)


def _plain(text: str, tail: bool = False) -> str:
    """Text that the built-in letters can show, cut to a tile's width."""
    text = text.encode("ascii", "replace").decode()
    if len(text) <= LETTERS:
        return text
    return "..." + text[3 - LETTERS :] if tail else text[: LETTERS - 3] + "..."
