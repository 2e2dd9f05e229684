"""What the layouts share: image files by stem, the folder that fits, tables, and remarks on what was left out."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from salus.errors import SalusError
from salus.scan import IMAGE_SUFFIXES


def images_by_stem(folder: Path, remarks: list[str] | None = None) -> dict[str, Path]:
    """The image files directly in `folder` by stem, sorted; hidden files are left out.

    Of files with equal stems (case001.png, case001.jpg) the one whose suffix comes first in `IMAGE_SUFFIXES` is taken.

    Args:
        folder: may be missing.
        remarks: gets a line on what was left out.
    """
    found: dict[str, Path] = {}
    clashes, others = [], []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.name.startswith("."):
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
        remarks += remark(others, f"ignored, for it is no image that Salus reads ({', '.join(IMAGE_SUFFIXES)})")
    return dict(sorted(found.items()))


def remark(paths: Iterable[Path], text: str) -> list[str]:
    """A line for each of few files, one line in all for many."""
    files = list(paths)
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
        SalusError: unreadable, not a table, or a column is missing.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        header = next((line for line in lines if line.strip()), "")
        delimiter = max(",;\t", key=header.count)
        rows = list(csv.DictReader(lines, delimiter=delimiter, skipinitialspace=True))
    except FileNotFoundError:
        raise SalusError(f"{path}: no such file; {advice}") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SalusError(f"{path}: cannot be read as a table ({error}); save it as CSV in UTF-8") from None
    names = {name.strip().lower() for name in header.replace('"', "").split(delimiter)}
    missing = [column for column in columns if column not in names]
    if missing:
        raise SalusError(f"{path}: has no column {', '.join(map(repr, missing))}; {advice}")
    return [{str(k).strip().lower(): v.strip() for k, v in row.items() if isinstance(v, str)} for row in rows]
