"""The table manifest.csv of a corrected data set: the patient, the case and the file of each image.

Where images lie in folders within images/, the table names image and mask of each, so that `salus data` finds them.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

from salus.atomic import write_text
from salus.errors import SalusError
from salus.read.table import read_table
from salus.serve.names import distinct_name
from salus.spreadsheet import protect_cell

ADVICE = "save it as CSV in UTF-8 with its columns name, patient, case and file"

COLUMNS = ("name", "patient", "case", "file")
COLUMNS_OF_FOLDERS = ("name", "image", "mask", "patient", "case", "file")


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        patient: name of the patient.
        case: name of the case.
        file: name of its file, "" where it is not known.
        more: values of the columns that a person or another program added, such as a label; they stay as they are.
    """

    patient: str
    case: str
    file: str
    more: Mapping[str, str] = field(default_factory=dict)


def read_manifest(path: Path) -> dict[str, Row]:
    """Read the table, also one that a spreadsheet saved; an empty one where there is no file.

    Returns:
        The rows by the image's name, which is its path within images/ without .png.

    Raises:
        SalusError: it cannot be read, or does not name its images.
    """
    if not path.is_file():
        return {}
    rows: dict[str, Row] = {}
    for cells in read_table(path, (), ADVICE):
        name = _image_name(cells)
        if not name:
            raise SalusError(f"{path}: a line has no name of an image; {ADVICE}")
        case = cells.get("case") or cells.get("patient") or name
        more = {column: value for column, value in cells.items() if column and column not in COLUMNS_OF_FOLDERS}
        rows[name] = Row(cells.get("patient") or case, case, cells.get("file", ""), more)
    return rows


def _image_name(cells: Mapping[str, str]) -> str:
    image = cells.get("image", "")
    return image.removeprefix("images/").removesuffix(".png") if image else cells.get("name", "")


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
    more = list(dict.fromkeys(column for row in rows.values() for column in row.more))
    lines: list[list[str]] = []
    for name, row in sorted(rows.items()):
        short = name
        if "/" in name:
            short = distinct_name(name.replace("/", "_"), taken.__contains__)
            taken.add(short)
        paths = (f"images/{name}.png", f"masks/{name}.png") if has_folders else ()
        added = [row.more.get(column, "") for column in more]
        lines.append([protect_cell(cell) for cell in (short, *paths, row.patient, row.case, row.file, *added)])
    text = StringIO()
    columns = [*(COLUMNS_OF_FOLDERS if has_folders else COLUMNS), *more]
    csv.writer(text, lineterminator="\n").writerows([columns, *lines])
    write_text(path, text.getvalue())
