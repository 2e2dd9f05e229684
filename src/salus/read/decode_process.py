"""Decode frames in a process apart, with a limit of time: a damaged JPEG-LS or JPEG 2000 stream can take minutes."""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Lock, Timer
from typing import Any

import numpy as np

from salus.errors import SalusError
from salus.read.limits import MAX_SECONDS

WORKER = "salus.read.decode_worker"

MAX_WAIT = 15 * MAX_SECONDS if hasattr(signal, "setitimer") else MAX_SECONDS
"""Longest time on the clock for a frame, in seconds: on a busy machine a process gets a part of the processor alone."""


class DecodingError(Exception):
    """A frame could not be decoded; its text is the name of the decoder's exception."""


def decode_apart(path: Path | str, index: int | None = None) -> np.ndarray:
    """Decode a frame of a DICOM file, or an image file, in a process that is kept for the next one.

    Args:
        path: the file.
        index: of the frame in a DICOM file, from 0; None for an image file.

    Returns:
        The values, as `salus.read.dicom_decode.decode_frame` and `salus.read.image.decode_file` return them.

    Raises:
        SalusError: the file is refused, takes more than `MAX_SECONDS` of a processor, or no process can be started.
        DecodingError: it is damaged.
    """
    worker = _take_idle() or _Worker()
    values = worker.decode(path, index)
    with _LOCK:
        _IDLE.append(worker)
    return values


def _take_idle() -> _Worker | None:
    """Take a process that waits; None where there is none. One that the system ended meanwhile is dropped."""
    with _LOCK:
        while _IDLE:
            worker = _IDLE.pop()
            if worker.is_running():
                return worker
            worker.close()
    return None


class _Worker:
    """A running `salus.read.decode_worker`."""

    def __init__(self) -> None:
        # One thread is enough for what numpy does there, and the path is that of this process.
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, env=environment,
            )  # fmt: skip
        except OSError as error:
            raise SalusError(f"no process can be started to decode an image ({error.strerror})") from None
        self._read_head("the process that decodes images")

    def decode(self, path: Path | str, index: int | None) -> np.ndarray:
        """See `decode_apart`. After a `SalusError` because of time, the process has ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        timer = Timer(MAX_WAIT, self._process.kill)
        timer.start()
        request = {"path": os.path.abspath(path), "index": index, "seconds": MAX_SECONDS}
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
            head = self._read_head(str(path))
            values = np.empty(0, np.uint8)
            if "type" in head:
                size = int(np.prod(head["shape"], dtype=object)) * np.dtype(head["type"]).itemsize
                content = self._process.stdout.read(size)
                if len(content) < size:
                    raise self._ended(str(path))
                values = np.frombuffer(bytearray(content), head["type"]).reshape(head["shape"])
        except BrokenPipeError:
            raise self._ended(str(path)) from None
        finally:
            timer.cancel()
        if "type" in head:
            return values
        with _LOCK:
            _IDLE.append(self)
        raise SalusError(head["message"]) if "message" in head else DecodingError(head["error"])

    def _read_head(self, name: str) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise self._ended(name)
        head: dict[str, Any] = json.loads(line)
        return head

    def _ended(self, name: str) -> SalusError:
        self.close()
        return SalusError(f"{name}: takes more than {MAX_SECONDS:.0f} s or 1 GB to decode; it is damaged")

    def is_running(self) -> bool:
        """Tell whether the process has not ended."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()


_LOCK = Lock()
_IDLE: list[_Worker] = []


@atexit.register
def _close_all() -> None:
    while _IDLE:
        _IDLE.pop().close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_IDLE.clear)
