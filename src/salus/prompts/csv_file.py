"""Prompts in a table: a row for each point, box or heat map. See `salus.prompts.files` for the columns."""

from __future__ import annotations

from pathlib import Path

from salus.errors import SalusError
from salus.prompts.prompt import ImagePrompt, make_prompt
from salus.read.table import read_table

ADVICE = "its first line must name image,x,y,label or image,x0,y0,x1,y1"

POINT, BOX = ("x", "y"), ("x0", "y0", "x1", "y1")
INSIDE = {"1": True, "": True, "0": False}
"""What a label says: whether a point is inside the lesion."""


def read_csv(path: Path) -> list[ImagePrompt]:
    """Read a table of prompts: a prompt for each row.

    Raises:
        SalusError: a column is missing, or a row holds no prompt or one that is not understood.
    """
    rows = read_table(path, ("image",), ADVICE)
    columns = set(rows[0]) if rows else set()
    if not (columns >= set(POINT) or columns >= set(BOX) or "map" in columns):
        raise SalusError(f"{path}: {'has no prompts' if not rows else 'names no point and no box'}; {ADVICE}")
    return [_read_row(path, row, f"{path}, line {number}") for number, row in enumerate(rows, start=2)]


def _read_row(path: Path, row: dict[str, str], where: str) -> ImagePrompt:
    label, heat_map = row.get("label", ""), row.get("map", "")
    if not row["image"]:
        raise SalusError(f"{where}: names no image; give its file in the column image")
    if label not in INSIDE:
        raise SalusError(f"{where}: the label is {label!r}; write 1 for a point inside the lesion, 0 for one outside")
    try:
        point, box = (
            tuple(float(row[name]) for name in names) if any(row.get(name) for name in names) else ()
            for names in (POINT, BOX)
        )
        frame = int(row["frame"]) if row.get("frame") else None
    except (KeyError, ValueError):
        raise SalusError(f"{where}: its coordinates are no numbers; {ADVICE}") from None
    if not (point or box or heat_map):
        raise SalusError(f"{where}: holds no point, box or map; {ADVICE}")
    if box and not INSIDE[label]:
        raise SalusError(f"{where}: a box is always inside; leave its label empty")
    try:
        prompt = make_prompt(
            points=point if INSIDE[label] else (),
            not_points=() if INSIDE[label] else point,
            box=box or None,
            prompt_map=path.parent / heat_map.replace("\\", "/") if heat_map else None,
        )
    except SalusError as error:
        raise SalusError(f"{where}: {error}") from None
    return ImagePrompt(row["image"].replace("\\", "/"), prompt, frame)
