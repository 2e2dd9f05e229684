"""Sessions: their limits, their end, and the formats of uploaded files."""

import gzip
import io

import numpy as np
import pytest
from PIL import Image
from tests.read.wrap import region, wrap_dicom

from salus import SalusError
from salus.read.find import find_images
from salus.serve.sessions import LimitReached, Sessions, detect_suffix
from salus.serve.settings import ServeSettings


def make_sessions(**settings):
    """Sessions, and their clock as a list of one number."""
    clock = [0.0]
    return Sessions(ServeSettings(**settings), clock=lambda: clock[0]), clock


@pytest.fixture(scope="module")
def grey():
    return np.random.default_rng(0).integers(0, 8, (40, 56)).repeat(2, 0).repeat(2, 1).astype(np.uint8) * 32


def write_picture(path, grey, kind):
    """Write grey values in a format, exactly but for JPEG."""
    if kind == "DICOM":
        wrap_dicom(path, grey[None])
    elif kind == "NIFTI":
        nibabel = pytest.importorskip("nibabel")
        path.write_bytes(gzip.compress(nibabel.Nifti1Image(grey.T, np.eye(4)).to_bytes()))
    elif kind == "NRRD":
        pytest.importorskip("nrrd").write(str(path.with_suffix(".nrrd")), grey.T)
        path.with_suffix(".nrrd").rename(path)
    else:
        options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 95}}
        Image.fromarray(grey).save(path, kind, **options.get(kind, {}))


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


def test_a_file_that_is_replaced_while_it_is_open_is_read_as_it_is_now(tmp_path):
    sessions, _ = make_sessions()
    path = wrap_dicom(tmp_path / "a.dcm", np.full((40, 60), 90, np.uint8))
    case = sessions.open_worklist_file(sessions.create(), path, 1, "a", "a.dcm")
    assert case.open().scan(1).shape == (40, 60)
    wrap_dicom(path, np.full((50, 70), 90, np.uint8))
    assert case.open().scan(1).shape == (50, 70)
    path.unlink()
    with pytest.raises(SalusError):
        case.open().scan(1)
    sessions.close()


def test_no_upload_takes_the_name_of_a_region_of_another_file(png, tmp_path):
    sides = [region(0, left, 96, 60) for left in (0, 60)]
    scan = wrap_dicom(tmp_path / "scan.dcm", np.full((96, 120), 90, np.uint8), regions=sides).read_bytes()
    picture, orders = png, [("scan.dcm", "scan-region-1.png"), ("scan-region-1.png", "scan.dcm")]
    for order in orders:
        sessions, _ = make_sessions()
        session = sessions.create()
        for label in order:
            sessions.add_upload(session, io.BytesIO(scan if label.endswith("dcm") else picture), label)
        names = [case.name for case in session.cases.values()]
        assert len({name.removesuffix("-region-1") for name in names}) == 2, names
        sessions.close()


def test_uploads_that_are_named_as_regions_keep_their_names(png):
    sessions, _ = make_sessions()
    session = sessions.create()
    cases = [sessions.add_upload(session, io.BytesIO(png), f"scan-region-{i}.png") for i in (1, 2)]
    assert [case.name for case in cases] == ["scan-region-1", "scan-region-2"]
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


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "JPEG2000", "NIFTI", "NRRD", "DICOM"])
def test_an_upload_is_what_its_content_says_as_in_a_folder(kind, grey, tmp_path):
    path = tmp_path / "IM_0001"  # no suffix helps
    write_picture(path, grey, kind)
    sessions, _ = make_sessions()
    case = sessions.add_upload(sessions.create(), path.open("rb"), "notes.txt")
    assert find_images(tmp_path) == [path]
    scan = case.open().scan(1)
    assert np.abs(scan.pixels - grey / 255).max() < (0.1 if kind == "JPEG" else 1e-6)
    assert case.dicom == (kind == "DICOM")
    sessions.close()


def test_an_animation_is_a_cine(grey, tmp_path):
    sessions, _ = make_sessions()
    pictures = [Image.fromarray(np.roll(grey, shift, axis=1)) for shift in (0, 9, 18)]
    pictures[0].save(tmp_path / "cine.webp", save_all=True, append_images=pictures[1:], lossless=True, duration=50)
    case = sessions.add_upload(sessions.create(), (tmp_path / "cine.webp").open("rb"))
    assert (case.count, case.seconds) == (3, 0.05)
    np.testing.assert_allclose(case.open().scan(3).pixels, np.asarray(pictures[2]) / 255, atol=1e-6)
    sessions.close()


def test_the_first_bytes_tell_the_format():
    assert detect_suffix(b"\xff\xd8\xff\xe0") == ".jpg"
    assert detect_suffix(bytes(344) + b"n+1\0") == ".nii"
    assert detect_suffix(b"\x08\0\x05\0CS") == ".dcm"
    assert detect_suffix(gzip.compress(bytes(344) + b"n+1\0")) == ".nii.gz"
    for start in (b"", b"MZ", b"PK\3\4", b"%PDF-1.4", b"<html>", gzip.compress(b"a tar"), b"RIFF\0\0\0\0WAVE"):
        with pytest.raises(SalusError, match="not an image"):
            detect_suffix(start)
