"""The table manifest.csv of a corrected data set: the patient, the case and the file of each image.

Where images lie in folders within images/, the table names image and mask of each, so that `salus data` finds them.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from salus.atomic import write_text
from salus.serve.names import distinct_name
from salus.spreadsheet import protect_cell, read_rows

COLUMNS = ("name", "patient", "case", "file")
COLUMNS_OF_FOLDERS = ("name", "image", "mask", "patient", "case", "file")


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        patient: name of the patient.
        case: name of the case.
        file: name of its file, "" where it is not known.
    """

    patient: str
    case: str
    file: str


def read_manifest(path: Path) -> dict[str, Row]:
    """Read the table; an empty one where there is no file.

    Returns:
        The rows by the image's name, which is its path within images/ without .png.
    """
    if not path.is_file():
        return {}
    return {
        _image_name(row): Row(row["patient"], row.get("case") or row["patient"], row.get("file") or "")
        for row in read_rows(path)
    }


def _image_name(row: Mapping[str, str]) -> str:
    image = row.get("image") or ""
    return image.removeprefix("images/").removesuffix(".png") if image else row["name"]


def write_manifest(path: Path, rows: Mapping[str, Row]) -> None:
    """Write the table, in the order of names; a name in it holds no folder, and is there once.

    Args:
        path: of the table.
        rows: by the image's name; see `read_manifest`.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "manifest.csv"
        >>> write_manifest(path, {"left/a": Row("p1", "left/a", "left/a.png"), "b": Row("p2", "b", "b.png")})
        >>> print(path.read_text().splitlines()[2])
        left_a,images/left/a.png,masks/left/a.png,p1,left/a,left/a.png
    """
    has_folders = any("/" in name for name in rows)
    taken = {name for name in rows if "/" not in name}
    lines: list[list[str]] = []
    for name, row in sorted(rows.items()):
        short = name
        if "/" in name:
            short = distinct_name(name.replace("/", "_"), taken.__contains__)
            taken.add(short)
        paths = (f"images/{name}.png", f"masks/{name}.png") if has_folders else ()
        lines.append([protect_cell(cell) for cell in (short, *paths, row.patient, row.case, row.file)])
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows([COLUMNS_OF_FOLDERS if has_folders else COLUMNS, *lines])
    write_text(path, text.getvalue())
