"""Decode frames as another process asks for them, so that one that takes too long can be ended.

`python -m salus.read.decode_worker` reads a line of JSON for each frame from its standard input, {"path": ..., "index":
..., "seconds": ...}, and answers with a line, {"shape": ..., "type": ...} and the values' bytes, or {"message":
...} for a mistake in the file, or {"error": ...}, the name of an exception. It ends when its input does, and when a
frame takes more seconds of the processor than it may.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

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
        answer: dict[str, object]
        values = None
        try:
            decode = _load_decoder(request["index"])
            _limit_time(request["seconds"])
            values = np.ascontiguousarray(decode(request["path"]))
            answer = {"shape": values.shape, "type": values.dtype.str}
        except SalusError as error:
            answer = {"message": str(error)}
        except Exception as error:  # pydicom, Pillow and the decoders raise many kinds
            answer = {"error": type(error).__name__}
        finally:
            _limit_time(0)
        _answer(answers, answer, values)


def _answer(answers: BinaryIO, head: dict[str, object], values: np.ndarray | None = None) -> None:
    answers.write(json.dumps(head).encode() + b"\n")
    if values is not None:
        answers.write(values.reshape(-1).view(np.uint8).data)
    answers.flush()


def _limit_time(seconds: float) -> None:
    """Let the system end this process after some seconds of the processor, whatever a library does; 0 forgets it."""
    if hasattr(signal, "setitimer"):  # not on Windows, where the caller's clock alone counts
        signal.setitimer(signal.ITIMER_PROF, seconds)


def _load_decoder(index: int | None) -> Callable[[str], np.ndarray]:
    """Import what decodes an image file, or the frame of an index, and return it; that takes no file's time."""
    if index is None:
        from salus.read.image import decode_file

        return lambda path: decode_file(Path(path))
    from salus.read.dicom import open_dicom
    from salus.read.dicom_decode import decode_frame

    def decode(path: str) -> np.ndarray:
        status = Path(path).stat()
        frames = _open_once(open_dicom, path, status.st_size, status.st_mtime_ns)
        return decode_frame(Path(path), frames.file_header, frames.held, index)

    return decode


@lru_cache(maxsize=1)
def _open_once(open_file: Callable[[str], Any], path: str, size: int, modified: int) -> Any:
    return open_file(path)


if __name__ == "__main__":
    main()
