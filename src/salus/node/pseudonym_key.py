"""The key of a node's pseudonyms, which outlives the node, so that a patient keeps a pseudonym over restarts."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from salus.errors import SalusError

FILE = "pseudonym.key"
"""File of the key in the queue's folder."""

BYTES = 32


def load_pseudonym_key(folder: Path) -> str:
    """Return the key in a folder, made at the first call; its file is readable for this user alone.

    Raises:
        SalusError: the file does not hold a key.
        OSError: it cannot be read or written.

    Example:
        >>> from tempfile import mkdtemp
        >>> folder = Path(mkdtemp())
        >>> load_pseudonym_key(folder) == load_pseudonym_key(folder)
        True
    """
    path = folder / FILE
    if not path.exists():
        part = folder / f".{FILE}.part"
        part.unlink(missing_ok=True)
        file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(file, "w", encoding="ascii") as stream:
            stream.write(secrets.token_hex(BYTES))
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(part, path)
    try:
        key = path.read_text(encoding="ascii").strip()
    except UnicodeDecodeError:
        key = ""
    if len(key) < BYTES:
        raise SalusError(
            f"{path}: holds no key of pseudonyms; put the right one back, or remove it: patients then get new ones"
        )
    return key
