"""Write files atomically: under a temporary name beside their place, then renamed; a file is whole or absent."""

from __future__ import annotations

import csv
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salus.spreadsheet import BYTE_ORDER_MARK, protect_cell

if TYPE_CHECKING:
    from PIL import Image

KEPT_SUFFIX = 24
"""Characters of a file's suffixes that its temporary name keeps, so that a name of 255 bytes can still be written."""


@contextmanager
def name_file(path: Path | str) -> Iterator[None]:
    """Make an OSError of the enclosed code name `path`.

    Example:
        >>> with name_file("table.csv"):
        ...     raise OSError(28, "No space left on device")
        Traceback (most recent call last):
        OSError: [Errno 28] No space left on device: 'table.csv'
    """
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from None


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file under a temporary name, then rename it to `path`, replacing what is there.

    Args:
        path: file in a folder that exists.
        write: called with a temporary path in the same folder, whose last two suffixes are those of `path`, as
            Keras (.weights.h5) and nibabel (.nii.gz) choose the format by them. Where it fails, nothing is left behind.

    Raises:
        OSError: the file cannot be written; the error names `path`.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "note.txt"
        >>> write_whole(path, lambda temporary: temporary.write_text("whole"))
        >>> path.read_text(), len(list(path.parent.iterdir()))
        ('whole', 1)
    """
    suffix = "".join(path.suffixes[-2:])[-KEPT_SUFFIX:]
    temporary = path.with_name(f".{os.getpid()}-{threading.get_ident()}.part{suffix}")
    try:
        with name_file(path):
            write(temporary)
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file; see `write_whole`."""
    write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file, indented; see `write_whole`."""
    write_text(path, json.dumps(content, indent=1) + "\n")


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> None:
    """Write a CSV file of a header and a line for each row; see `write_whole`.

    Links and devices (/dev/stdout) are written to, not replaced. Cells and encoding are such that spreadsheets open the
    file safely, see `salus.spreadsheet`, whose `read_rows` reads it back.

    Args:
        path: file in a folder that exists.
        rows: values by column; all have the same columns.
        columns: in their order; None takes those of the first row, and writes an empty file without one.
    """

    is_file = path.is_file() or not path.exists()

    def write(file_path: Path) -> None:
        with file_path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
            if is_file and not all(str(value).isascii() for row in rows for value in row.values()):
                file.write(BYTE_ORDER_MARK)
            if names := list(columns or (rows[0] if rows else ())):
                writer = csv.DictWriter(file, names)
                writer.writeheader()
                writer.writerows({name: protect_cell(value) for name, value in row.items()} for row in rows)

    if path.is_symlink() or (path.exists() and not path.is_file()):
        with name_file(path):
            write(path)
    else:
        write_whole(path, write)


def write_picture(path: Path, picture: Image.Image, kind: str, **options: Any) -> None:
    """Encode a picture and write it; see `write_whole`.

    It is encoded in memory first, because Pillow does not report a full disk.

    Args:
        path: file in a folder that exists.
        picture: of a mode that the format can hold.
        kind: Pillow's name of the format: "PNG", "JPEG".
        options: of Pillow's `save`.
    """
    content = BytesIO()
    picture.save(content, kind, **options)
    write_whole(path, lambda temporary: temporary.write_bytes(content.getbuffer()))
