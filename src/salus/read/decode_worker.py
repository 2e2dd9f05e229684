"""Decode frames as another process asks for them, so that one that takes too long can be ended.

`python -m salus.read.decode_worker` reads a line of JSON for each frame from its standard input, {"path": ..., "index":
...}, and answers with a line of JSON, {"shape": ..., "type": ...} and the values' bytes, or {"message": ...} for a
mistake in the file, or {"error": ...}, the name of an exception. It ends when its input does.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import numpy as np

from salus.errors import SalusError

MAX_MEMORY = 2**30
"""Memory that the process may take, in bytes."""


def main() -> None:
    """Answer requests until the input ends."""
    # What the decoders' libraries print must not come between the answers.
    answers = os.fdopen(os.dup(1), "wb")
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupted caller ends this process by closing its input
    with contextlib.suppress(ImportError, ValueError, OSError):  # no such limit on this system
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (MAX_MEMORY, resource.getrlimit(resource.RLIMIT_DATA)[1]))
    _answer(answers, {"ready": True})
    for line in sys.stdin.buffer:
        request = json.loads(line)
        try:
            values = np.ascontiguousarray(_decode(request["path"], request["index"]))
        except SalusError as error:
            _answer(answers, {"message": str(error)})
        except Exception as error:  # pydicom, Pillow and the decoders raise many kinds
            _answer(answers, {"error": type(error).__name__})
        else:
            _answer(answers, {"shape": values.shape, "type": values.dtype.str}, values)


def _answer(answers: BinaryIO, head: dict[str, object], values: np.ndarray | None = None) -> None:
    answers.write(json.dumps(head).encode() + b"\n")
    if values is not None:
        answers.write(values.reshape(-1).view(np.uint8).data)
    answers.flush()


def _decode(path: str, index: int | None) -> np.ndarray:
    if index is None:
        from salus.read.image import decode_file

        return decode_file(Path(path))
    from salus.read.dicom_decode import decode_frame

    status = Path(path).stat()
    frames = _open_dicom(path, status.st_size, status.st_mtime_ns)
    return decode_frame(Path(path), frames.file_header, frames.count, index)


@lru_cache(maxsize=1)
def _open_dicom(path: str, size: int, modified: int):  # type: ignore[no-untyped-def]  # its module is loaded here
    from salus.read.dicom import open_dicom

    return open_dicom(path)


if __name__ == "__main__":
    main()
