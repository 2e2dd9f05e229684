"""Locks of this system, and those of Windows as Linux has them, for the tests of what takes locks."""

import fcntl
import os
import struct
from types import SimpleNamespace

import pytest

from salus import folder_lock


def lock_bytes(file, mode, count):
    """Lock bytes from the current position, as `msvcrt.locking` of Windows does: for an opened file, not a process."""
    request = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, os.lseek(file, 0, os.SEEK_CUR), count, 0)
    try:
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, request)
    except BlockingIOError:
        raise PermissionError(13, "Permission denied") from None


@pytest.fixture(params=["posix", "windows"])
def system(request, monkeypatch):
    """Locks of this system, and those of Windows as Linux has them."""
    if request.param == "windows":
        if not hasattr(fcntl, "F_OFD_SETLK"):
            pytest.skip("this system has no locks of bytes for each opened file")
        monkeypatch.setattr(folder_lock, "fcntl", None)
        monkeypatch.setattr(folder_lock, "msvcrt", SimpleNamespace(locking=lock_bytes, LK_NBLCK=2))
    return request.param
