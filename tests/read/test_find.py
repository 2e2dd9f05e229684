"""Files are found by their content; what is left out of a folder is said, and a named file is never left out."""

import os
import shutil
import struct

import nibabel
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.fileset import FileSet
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian
from tests.read.wrap import wrap_dicom

from salus import read_scan
from salus.errors import SalusError
from salus.read.find import describe_omissions, find_images
from salus.read.formats import detect_format, recognise
from salus.read.frames import open_frames

GREY = (np.indices((40, 64)).sum(axis=0) * 2).astype(np.uint8)
PICTURES = {
    "png": "PNG", "jpg": "JPEG", "tif": "TIFF", "bmp": "BMP", "gif": "GIF", "webp": "WEBP", "jp2": "JPEG2000",
}  # fmt: skip


def picture(path, kind="PNG"):
    Image.fromarray(GREY).save(path, kind)
    return path


def found(path, **options):
    omissions = []
    images = find_images(path, on_omission=omissions.append, **options)
    return images, {omission.path: omission.reason for omission in omissions}


def bare_dicom(path, implicit=False, big_endian=False):
    """Write a data set without preamble and meta information."""
    syntax = ImplicitVRLittleEndian if implicit else ExplicitVRBigEndian if big_endian else None
    ds = pydicom.dcmread(wrap_dicom(path, GREY, **({"syntax": syntax} if syntax else {})))
    plain = pydicom.Dataset()
    plain.update({element.tag: element for element in ds})
    plain.save_as(path, implicit_vr=implicit, little_endian=not big_endian)
    return path


@pytest.mark.parametrize("name", ["1.2.840.113619.2.55.3.1", "IM_0001", "US.1.2.276", "scan.png", "x.xml"])
@pytest.mark.parametrize("bare", [None, {}, {"implicit": True}, {"big_endian": True}], ids=str)
def test_dicom_is_recognised_whatever_its_name(name, bare, tmp_path):
    path = tmp_path / name
    wrap_dicom(path, GREY) if bare is None else bare_dicom(path, **bare)
    assert find_images(tmp_path) == [path]
    np.testing.assert_allclose(read_scan(path).pixels * 255, GREY, atol=1e-4)


@pytest.mark.parametrize("suffix", PICTURES)
@pytest.mark.parametrize("named", [True, False])
def test_pictures_of_all_formats_are_found_and_read(suffix, named, tmp_path):
    path = picture(tmp_path / (f"a.{suffix}" if named else "a"), PICTURES[suffix])
    assert find_images(tmp_path) == [path]
    atol = 8 if suffix in ("jpg", "webp") else 1
    np.testing.assert_allclose(read_scan(path).pixels * 255, GREY, atol=atol)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("name", ["volume.dat", "volume", "v.nii", "v.nii.gz"])
def test_nifti_is_recognised_by_its_content(name, kind, zipped, tmp_path):
    path = tmp_path / f"a.nii{'.gz' * zipped}"
    nibabel.save(kind(np.stack([GREY.T, GREY.T // 2], axis=-1), np.eye(4)), path)
    renamed = tmp_path / name
    shutil.move(path, renamed)
    for number in (2, 1):
        np.testing.assert_allclose(open_frames(renamed).scan(number).pixels * 255, GREY // number, atol=1e-4)
    assert recognise(renamed) == "nifti"
    assert find_images(tmp_path) == [renamed]


def test_sidecars_and_the_directory_of_a_disc_need_no_word(tmp_path):
    image = wrap_dicom(tmp_path / "IM0001", GREY)
    disc = FileSet()
    disc.add(pydicom.dcmread(image))
    disc.write(tmp_path)
    images = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "DICOMDIR"]
    shutil.copy(tmp_path / "DICOMDIR", tmp_path / "renamed")
    for name in ("notes.txt", "a.json", "Thumbs.db", "b.csv", "README", ".DS_Store", "._a.png", "c.xml"):
        (tmp_path / name).write_bytes(b"anything")
    assert found(tmp_path, recursive=True) == (sorted(images), {})
    with pytest.raises(SalusError, match="DICOMDIR"):
        read_scan(tmp_path / "renamed")


def test_all_else_that_is_left_out_is_named_with_its_reason(tmp_path):
    image = picture(tmp_path / "a.png")
    mask = picture(tmp_path / "a_mask.png")
    report = wrap_dicom(tmp_path / "report", GREY)
    ds = pydicom.dcmread(report)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.33"
    ds.save_as(report)
    hidden = picture(tmp_path / ".b.png")
    (tmp_path / "cine.mp4").write_bytes(b"video")
    (tmp_path / "data.bin").write_bytes(b"anything")
    (tmp_path / "empty").touch()
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "ward").mkdir()
    picture(tmp_path / "ward" / "c.png")
    images, reasons = found(tmp_path)
    assert images == [image]
    expected = {
        mask: "mask", report: "without a picture", hidden: "hidden", tmp_path / "cine.mp4": "video",
        tmp_path / "data.bin": "no image", tmp_path / "empty": "no image", tmp_path / "gone": "nowhere",
        tmp_path / "pipe": "pipe", tmp_path / "ward": "--recursive",
    }  # fmt: skip
    assert reasons.keys() == expected.keys()
    for path, word in expected.items():
        assert word in reasons[path]
        assert find_images(path if path.name != "ward" else path / "c.png")  # named, it is not left out


def test_a_damaged_file_with_the_suffix_of_an_image_is_no_omission(tmp_path):
    (tmp_path / "a.png").write_bytes(b"text")
    assert found(tmp_path) == ([tmp_path / "a.png"], {})


@pytest.mark.parametrize(
    "name", [b"tab\there.png", b"line\nbreak.png", b"caf\xe9.png", "\u2028.png".encode(), b" .png"]
)
def test_no_name_is_dropped(name, tmp_path):
    path = tmp_path / os.fsdecode(name)
    picture(path)
    assert found(tmp_path) == ([path], {})
    assert read_scan(path).shape == GREY.shape


def test_folders_within_are_searched_where_asked_and_links_do_not_go_in_circles(tmp_path):
    for folder in ("", "ward", "ward/deep", ".hidden"):
        (tmp_path / folder).mkdir(exist_ok=True)
        picture(tmp_path / folder / "a.png")
    (tmp_path / "ward" / "deep" / "up").symlink_to(tmp_path)
    (tmp_path / "empty").mkdir()
    images, reasons = found(tmp_path, recursive=True)
    assert images == [tmp_path / "a.png", tmp_path / "ward" / "a.png", tmp_path / "ward" / "deep" / "a.png"]
    assert list(reasons) == [tmp_path / "ward" / "deep" / "up"]
    assert found(tmp_path)[0] == [tmp_path / "a.png"]


def test_patterns_leave_out_masks_and_say_so(tmp_path):
    for name in ("a.png", "a_lesion.png", "IM1.dcm"):
        picture(tmp_path / name)
    (tmp_path / "notes.txt").write_text("text")
    images, reasons = found(tmp_path / "*")
    assert images == [tmp_path / "IM1.dcm", tmp_path / "a.png"]
    assert list(reasons) == [tmp_path / "a_lesion.png"]
    with pytest.raises(SalusError, match="none of the 1 files"):
        find_images(tmp_path / "*.txt")
    assert find_images(tmp_path / "*.none") == [tmp_path / "*.none"]


def test_a_folder_without_an_image_is_an_error_that_says_what_to_do(tmp_path):
    (tmp_path / "inside").mkdir()
    with pytest.raises(SalusError, match="--recursive"):
        find_images(tmp_path)
    (tmp_path / "images").mkdir()
    with pytest.raises(SalusError, match="its images lie in"):
        find_images(tmp_path)


def test_omissions_are_counted_or_all_named(tmp_path):
    picture(tmp_path / "a.png")
    for number in range(9):
        (tmp_path / f"{number}.bin").write_bytes(b"x")
    omissions = []
    find_images(tmp_path, on_omission=omissions.append)
    assert len(describe_omissions(omissions)) == 1
    assert "and 8 more" in describe_omissions(omissions)[0]
    assert len(describe_omissions(omissions, verbose=True)) == 9


@pytest.mark.parametrize(
    "content", [b"", b"\x08", b"RIFF1234WAVE", b"\x1f\x8b", struct.pack("<HHI", 8, 0x16, 9), b"x" * 400]
)
def test_what_is_no_image_is_not_recognised(content, tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(content)
    assert recognise(path) is None
    assert detect_format(path) == "image"
