"""Read the lesions of a finished run back, for analysis in Python."""

from __future__ import annotations

import csv
import importlib.util
import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salus.errors import SalusError
from salus.write.tables import COLUMNS, lesion_rows, read_record

if TYPE_CHECKING:
    import pandas

TEXT = ("image", "name", "result", "flags", "unit", "error")
"""Columns of text; empty text where there is none."""

YES_OR_NO = ("parallel", "at_border")


def read_lesions(out: PathLike[str] | str, *, frame: bool | None = None) -> pandas.DataFrame | list[dict[str, Any]]:
    """Read the table of lesions that `salus segment -o OUT` wrote.

    Args:
        out: the folder OUT, or its lesions.json, its lesions.csv or a file of its geojson/; of a folder lesions.json is
            taken, or those of all parts (`--num-parts`), or lesions.csv, or the GeoJSON files in it.
        frame: True gives a pandas data frame, False a list of dictionaries; None a frame where pandas is installed.

    Returns:
        One row for each lesion, and one for an image without any, with the columns and values of lesions.csv. Numbers
        are numbers; what is not there is None in a list, and missing (NaN) in a frame.

    Raises:
        SalusError: there is no such table, it is damaged, or `frame` is True and pandas is not installed.

    Example:
        >>> import json, pathlib, tempfile
        >>> from salus.write.tables import Record, record_json
        >>> out = pathlib.Path(tempfile.mkdtemp())
        >>> record = Record("scan.png", "scan", "no tumour found", height=300, width=400, presence=0.25)
        >>> _ = (out / "lesions.json").write_text(json.dumps({"images": [record_json(record)]}))
        >>> [(row["image"], row["presence"], row["lesions"]) for row in read_lesions(out, frame=False)]
        [('scan.png', 0.25, 0)]
    """
    has_pandas = importlib.util.find_spec("pandas") is not None
    if frame and not has_pandas:
        raise SalusError("pandas is not installed; pip install pandas, or call read_lesions(out, frame=False)")
    rows = [_typed(row) for path in _tables(Path(out)) for row in _read_rows(path)]
    if frame is False or not has_pandas:
        return rows
    import pandas

    return pandas.DataFrame(rows, columns=list(COLUMNS))


def _tables(out: Path) -> list[Path]:
    """Find the tables of a folder."""
    if out.is_file():
        return [out]
    if not out.is_dir():
        raise SalusError(f"{out}: no such folder; name the OUT of salus segment -o OUT")
    parts = sorted(out.glob("lesions-*-of-*.json"))
    for tables in ([out / "lesions.json"], parts, [out / "lesions.csv"], sorted(out.rglob("*.geojson"))):
        if tables and all(table.is_file() for table in tables):
            return tables
    raise SalusError(f"{out}: holds no lesions.json and no lesions.csv; name the OUT of salus segment -o OUT")


def _read_rows(path: Path) -> list[Mapping[str, Any]]:
    try:
        if path.suffix.lower() == ".csv":
            with path.open(newline="", encoding="utf-8-sig") as file:
                rows = list(csv.DictReader(file))
            if rows and not set(COLUMNS) <= rows[0].keys():
                raise ValueError("columns are missing")
            return list(rows)
        content = json.loads(path.read_text(encoding="utf-8"))
        return list(lesion_rows(read_record(record) for record in content["images"]))
    except OSError as error:
        raise SalusError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
        raise SalusError(f"{path}: is no table of lesions that salus segment wrote ({error})") from None


def _typed(row: Mapping[str, Any]) -> dict[str, Any]:
    """Give the values of a row their types, in the order of the columns."""
    typed: dict[str, Any] = {}
    for column in COLUMNS:
        value = row.get(column)
        if column in TEXT:
            typed[column] = "" if value is None else value
        elif value is None or value == "":
            typed[column] = None
        elif column in YES_OR_NO:
            typed[column] = value in (True, "True")
        else:
            try:
                number = float(value)
            except ValueError:
                raise SalusError(f"the column {column} holds {value!r}, which is no number") from None
            typed[column] = int(number) if isinstance(value, int) or str(value).lstrip("-").isdigit() else number
    return typed
