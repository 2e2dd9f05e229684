"""Files that are whole or absent: written beside their place, then renamed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Call write(a temporary path in the same folder), then rename that to `path`, replacing what is there.

    Args:
        path: in a folder that exists.
        write: may fail; then nothing is left behind.

    Raises:
        OSError: it cannot be written; the error names `path`.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "note.txt"
        >>> write_whole(path, lambda p: p.write_text("whole"))
        >>> path.read_text(), len(list(path.parent.iterdir()))
        ('whole', 1)
    """
    temporary = path.with_name(f".{os.getpid()}-{threading.get_ident()}.part")
    try:
        write(temporary)
        os.replace(temporary, path)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from None
    finally:
        temporary.unlink(missing_ok=True)


def write_picture(path: Path, picture: Image.Image, kind: str, **options: Any) -> None:
    """Save a picture whole.

    It is encoded in memory first, for where the disk is full Pillow would not say so.

    Args:
        path: in a folder that exists.
        picture: any that the kind can hold.
        kind: "PNG", "JPEG".
        options: of Pillow's `save`.

    Raises:
        OSError: it cannot be written; the error names `path`.
    """
    content = BytesIO()
    picture.save(content, kind, **options)
    write_whole(path, lambda temporary: temporary.write_bytes(content.getbuffer()))
