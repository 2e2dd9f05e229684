"""Files of a layout: images by stem, the root folder, tables, and remarks on files that are left out."""

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
    """List the image files directly in a folder by stem, sorted, without hidden files and `UNPRINTABLE` names.

    Of files with equal stems (case001.png, case001.jpg) the one whose suffix comes first in `IMAGE_SUFFIXES` is taken.

    Args:
        folder: the folder; if it is missing, the result is empty.
        remarks: gets lines on the files that are left out.
    """
    images: dict[str, Path] = {}
    clashes, others, unprintable = [], [], []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.name.startswith("."):
            continue
        if UNPRINTABLE.search(path.name):
            unprintable.append(path)
            continue
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            if path.is_file() and path.suffix.lower() not in (".csv", ".txt", ".md", ".json", ".xlsx", ".db"):
                others.append(path)
            continue
        first = images.setdefault(path.stem, path)
        if first != path:
            kept, ignored = sorted((first, path), key=lambda p: (IMAGE_SUFFIXES.index(p.suffix.lower()), p.name))
            images[path.stem] = kept
            clashes.append(ignored)
    if remarks is not None:
        remarks += remark_on(clashes, "ignored, for another file here has the same name with another suffix")
        remarks += remark_on(unprintable, "ignored, for its name holds a character that cannot be printed; rename it")
        remarks += remark_on(others, f"ignored, for it is no image that Salus reads ({', '.join(IMAGE_SUFFIXES)})")
    return dict(sorted(images.items()))


def remark_on(paths: Iterable[Path], text: str) -> list[str]:
    """Write one line about each of up to three files, or one line about all of them."""
    files = [UNPRINTABLE.sub(lambda match: ascii(match[0])[1:-1], str(path)) for path in paths]
    if len(files) <= 3:
        return [f"{path}: {text}" for path in files]
    return [f"{files[0]} and {len(files) - 1} more: {text}"]


def find_root(root: Path, has_layout: Callable[[Path], bool]) -> Path | None:
    """Return `root` if it has the layout, else the only folder in it (as archives unpack) if that has it, else None."""
    if has_layout(root):
        return root
    folders = list_folders(root)
    return folders[0] if len(folders) == 1 and has_layout(folders[0]) else None


def list_folders(root: Path) -> list[Path]:
    """List the folders directly in `root`, sorted, without those that archivers and systems leave behind."""
    return [path for path in sorted(root.iterdir()) if path.is_dir() and not path.name.startswith((".", "__"))]


def read_table(path: Path, columns: Sequence[str], advice: str) -> list[dict[str, str]]:
    """Read a CSV with a header line, which also tells whether comma, semicolon or tab separates the cells.

    Args:
        path: the file, UTF-8.
        columns: required columns, in lower case.
        advice: what to do if one is missing, for the error.

    Returns:
        A dictionary for each line: value by column name in lower case, both stripped; "" where a line is short.

    Raises:
        SalusError: the file cannot be read as a table, a column is missing or there twice, a line has more cells than
            the first, or a cell holds an unprintable character.
    """
    try:
        if path.exists() and not path.is_file():  # reading a pipe would wait for ever
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
