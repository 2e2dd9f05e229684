"""OUT while a run writes into it."""

import fcntl
import os
import struct
from types import SimpleNamespace

import pytest

from salus.errors import SalusError
from salus.pipeline import run_lock
from salus.pipeline.output_folder import output_folder


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
        monkeypatch.setattr(run_lock, "fcntl", None)
        monkeypatch.setattr(run_lock, "msvcrt", SimpleNamespace(locking=lock_bytes, LK_NBLCK=2))
    return request.param


def test_a_folder_that_gets_no_output_is_removed_with_those_made_for_it(tmp_path):
    with pytest.raises(SalusError, match="no image"), output_folder(tmp_path / "deep" / "out"):
        raise SalusError("no image")
    assert list(tmp_path.iterdir()) == []
    with output_folder(tmp_path / "deep" / "out"):
        (tmp_path / "deep" / "out" / "a.png").touch()
    assert [path.name for path in (tmp_path / "deep" / "out").iterdir()] == ["a.png"]


def test_a_folder_that_was_there_stays(tmp_path):
    with output_folder(tmp_path):
        pass
    assert tmp_path.is_dir()


def test_whole_runs_exclude_all_others_and_parts_exclude_the_same_part(tmp_path, system):
    for held, refused, admitted in [
        (None, [None, (1, 2)], []),
        ((1, 2), [None, (1, 2)], [(2, 2), (1, 3)]),
    ]:
        with output_folder(tmp_path, held):
            for part in refused:
                with pytest.raises(SalusError, match="another run writes there"), output_folder(tmp_path, part):
                    pass
            for part in admitted:
                with output_folder(tmp_path, part):
                    pass
    assert list(tmp_path.iterdir()) == []
