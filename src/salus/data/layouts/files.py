"""What the layouts share: image files by stem, the folder that fits, tables, and remarks on what was left out."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from itertools import zip_longest
from pathlib import Path

from salus.errors import SalusError
from salus.read.find import UNPRINTABLE
from salus.read.image import IMAGE_SUFFIXES


def images_by_stem(folder: Path, remarks: list[str] | None = None) -> dict[str, Path]:
    """The image files directly in `folder` by stem, sorted; hidden files and `UNPRINTABLE` names are left out.

    Of files with equal stems (case001.png, case001.jpg) the one whose suffix comes first in `IMAGE_SUFFIXES` is taken.

    Args:
        folder: may be missing.
        remarks: gets a line on what was left out.
    """
    found: dict[str, Path] = {}
    clashes, others, odd = [], [], []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.name.startswith("."):
            continue
        if UNPRINTABLE.search(path.name):
            odd.append(path)
            continue
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            if path.is_file() and path.suffix.lower() not in (".csv", ".txt", ".md", ".json", ".xlsx", ".db"):
                others.append(path)
            continue
        first = found.setdefault(path.stem, path)
        if first != path:
            kept, left = sorted((first, path), key=lambda p: (IMAGE_SUFFIXES.index(p.suffix.lower()), p.name))
            found[path.stem] = kept
            clashes.append(left)
    if remarks is not None:
        remarks += remark(clashes, "ignored, for another file here has the same name with another suffix")
        remarks += remark(odd, "ignored, for its name holds a character that cannot be printed; rename it")
        remarks += remark(others, f"ignored, for it is no image that Salus reads ({', '.join(IMAGE_SUFFIXES)})")
    return dict(sorted(found.items()))


def remark(paths: Iterable[Path], text: str) -> list[str]:
    """A line for each of few files, one line in all for many."""
    files = [UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], str(path)) for path in paths]
    if len(files) <= 3:
        return [f"{path}: {text}" for path in files]
    return [f"{files[0]} and {len(files) - 1} more: {text}"]


def locate(root: Path, fits: Callable[[Path], bool]) -> Path | None:
    """`root` if it fits, else the one folder in it if that does, as archives unpack; None where there is a choice."""
    if fits(root):
        return root
    inside = folders(root)
    return inside[0] if len(inside) == 1 and fits(inside[0]) else None


def folders(root: Path) -> list[Path]:
    """The folders directly in `root`, sorted, less what archivers and systems leave behind."""
    return [path for path in sorted(root.iterdir()) if path.is_dir() and not path.name.startswith((".", "__"))]


def read_table(path: Path, columns: Sequence[str], advice: str) -> list[dict[str, str]]:
    """Read a CSV with a header line; comma, semicolon or tab is told by that line.

    Args:
        path: the file, UTF-8.
        columns: what it must have, in lower case.
        advice: what to do where one is missing.

    Returns:
        A dictionary for each line: column name in lower case to value, both stripped; "" where a line is short.

    Raises:
        SalusError: unreadable, not a table, a column is missing or there twice, a line has more cells than the first,
            or a cell holds a line break or the like.
    """
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise OSError("it is no file")
        text = path.read_text(encoding="utf-8-sig")
        delimiter = max(",;\t", key=next((line for line in text.split("\n") if line.strip()), "").count)
        lines = csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True, strict=True)
        rows = [cells for line in lines if any(cells := [cell.strip() for cell in line])]
    except FileNotFoundError:
        raise SalusError(f"{path}: no such file; {advice}") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SalusError(f"{path}: cannot be read as a table ({error}); save it as CSV in UTF-8") from None
    names = [name.lower() for name in rows[0]] if rows else []
    missing = [column for column in columns if column not in names]
    if missing:
        raise SalusError(f"{path}: has no column {', '.join(map(repr, missing))}; {advice}")
    for column in columns:
        if names.count(column) > 1:
            raise SalusError(f"{path}: has the column {column!r} {names.count(column)} times; {advice}")
    for row in rows[1:]:
        if any(row[len(names) :]):
            raise SalusError(
                f"{path}: the line of {row[0]!r} has more cells than the first line; "
                f"put double quotes round a cell that holds a {delimiter!r}"
            )
        odd = next((cell for cell in row if UNPRINTABLE.search(cell)), None)
        if odd is not None:
            raise SalusError(f"{path}: {odd[:60]!r} holds a line break or another character that cannot be printed")
    return [dict(zip_longest(names, row[: len(names)], fillvalue="")) for row in rows[1:]]
