"""Sessions: their limits, their end, and the formats of uploaded files."""

import io

import pytest

from salus import SalusError
from salus.serve.sessions import LimitReached, Sessions, detect_suffix
from salus.serve.settings import ServeSettings


def make_sessions(**settings):
    """Sessions, and their clock as a list of one number."""
    clock = [0.0]
    return Sessions(ServeSettings(**settings), clock=lambda: clock[0]), clock


def test_idle_sessions_end_and_their_files_are_removed(png):
    sessions, clock = make_sessions(max_sessions=2, idle_seconds=60)
    first = sessions.create()
    case = sessions.add_upload(first, io.BytesIO(png))
    assert case.source.read_bytes() == png
    assert case.source.name == "source.png"
    assert sessions.root.stat().st_mode & 0o077 == 0  # nobody else may look
    clock[0] = 50
    sessions.add_upload(sessions.create(), io.BytesIO(png))
    with pytest.raises(LimitReached):
        sessions.create()
    clock[0] = 70
    assert sessions.create()
    assert sessions.find(first.key) is None
    assert not case.source.exists()
    sessions.close()
    assert not sessions.root.exists()


def test_an_upload_that_is_sent_again_is_the_same_image(png):
    sessions, _ = make_sessions()
    session = sessions.create()
    first, again, other, unnamed = (
        sessions.add_upload(session, io.BytesIO(png), "a.png", upload) for upload in ("one", "one", "two", "")
    )
    assert again is first
    assert len({first.key, other.key, unnamed.key}) == len(session.cases) == 3
    sessions.close()


def test_sessions_without_images_make_room_for_others(png):
    sessions, clock = make_sessions(max_sessions=3)
    first = sessions.create()
    sessions.add_upload(first, io.BytesIO(png))
    for _ in range(50):
        clock[0] += 1
        last = sessions.create()
    assert sessions.find(first.key) is first
    assert sessions.find(last.key) is last
    assert len(list(sessions.root.iterdir())) == 4  # three sessions and the lock
    sessions.close()


def test_the_first_bytes_tell_the_format():
    assert detect_suffix(b"\xff\xd8\xff\xe0") == ".jpg"
    assert detect_suffix(bytes(344) + b"n+1\0") == ".nii"
    assert detect_suffix(b"\x08\0\x05\0CS") == ".dcm"
    for start in (b"", b"MZ", b"PK\3\4", b"%PDF-1.4", b"<html>"):
        with pytest.raises(SalusError, match="not an image"):
            detect_suffix(start)
