"""Read the .npz files of fitted models."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.lib.npyio import NpzFile

from salus.errors import SalusError


@contextmanager
def open_npz(path: Path | str, kind: str) -> Iterator[NpzFile]:
    """Open a model's .npz file without unpickling; read its arrays within the `with` block.

    Args:
        path: the file.
        kind: the model's name with its article, for the error message: "a location prior".

    Raises:
        SalusError: the file is missing or damaged, lacks an array that the block asks for, or the block raised one.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            yield file
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile, SalusError) as error:
        raise SalusError(f"{path}: cannot be read as {kind} ({' '.join(str(error).split())})") from None
