"""Files are opened once and hashed once, whichever of their frames are worked on."""

import hashlib
import json
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from tests.read.wrap import region, wrap_dicom
from tests.segmentation.test_segmenter import image_of, write_network

from salus.cli import main
from salus.errors import SalusError
from salus.pipeline.source_file import source_file
from salus.read import dicom


@pytest.fixture
def cine(tmp_path):
    """A DICOM cine of three frames, each with a tumour."""
    pytest.importorskip("highdicom")
    frames = np.stack([image_of((10 + i, 30 + i, 20, 50)) for i in range(3)])
    return wrap_dicom(tmp_path / "cine.dcm", frames, regions=[region(0, 0, *frames.shape[1:], (0.2, 0.1))])


@pytest.fixture
def calls(monkeypatch):
    """Count the calls that open a DICOM file or compute a checksum, by name and file."""
    import pydicom

    counts = Counter()

    def count(module, name, describe):
        original = getattr(module, name)

        def counted(*arguments, **options):
            counts[name, str(describe(arguments[0]))] += 1
            return original(*arguments, **options)

        monkeypatch.setattr(module, name, counted)

    count(dicom, "open_dicom", lambda path: path)
    count(pydicom, "dcmread", lambda file: getattr(file, "name", file))
    count(hashlib, "file_digest", lambda file: file.name)
    return counts


def segment(folder, *arguments):
    network = write_network(folder / "dark.onnx")
    return main(["segment", *map(str, arguments), "-o", str(folder / "out"), "--network", str(network)])


DICOM = "png,overlay,csv,json,dicom-seg,dicom-sr,dicom-sc"


@pytest.mark.parametrize("more", [(), ("--deidentify",)])
def test_a_cine_is_opened_and_hashed_once_for_all_frames_and_outputs(cine, tmp_path, calls, more):
    assert segment(tmp_path, cine, "--output", DICOM, *more) == 0
    assert len(list((tmp_path / "out").rglob("*.dcm"))) == 3 + 3 + 1
    assert {name: number for (name, file), number in calls.items() if file == str(cine)} == {
        "open_dicom": 1,
        "dcmread": 1,
        "file_digest": 1,
    }


def test_several_files_are_opened_and_hashed_once_each(cine, tmp_path, calls):
    for i in range(5):
        wrap_dicom(tmp_path / f"{i}.dcm", image_of((10 + i, 30 + i, 20, 50)))
    files = sorted(tmp_path.glob("*.dcm"))
    assert segment(tmp_path, *files, "--output", DICOM) == 0
    for path in files:
        assert [calls[name, str(path)] for name in ("open_dicom", "dcmread", "file_digest")] == [1, 1, 1]


def test_threads_share_one_opening_and_one_checksum(cine, calls):
    def work(number):
        file = source_file(cine)
        return file.frames().scan(number % 3 + 1).frame, file.identity()["sha256"]

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(work, range(24)))
    assert [frame for frame, _ in results] == [1, 2, 3] * 8
    assert {sha256 for _, sha256 in results} == {hashlib.sha256(cine.read_bytes()).hexdigest()}
    assert calls["open_dicom", str(cine)] == calls["file_digest", str(cine)] == 1


def test_a_changed_file_is_opened_and_hashed_again(tmp_path):
    path = tmp_path / "scan.png"
    for side in (20, 30):
        Image.new("L", (side, side)).save(path)
        file = source_file(path)
        assert file.frames().scan(1).shape == (side, side)
        content = path.read_bytes()
        assert file.identity() == {
            "sha256": hashlib.sha256(content).hexdigest(),
            "size": len(content),
            "modified": path.stat().st_mtime_ns,
        }


def test_a_file_that_vanished_is_an_error_that_names_it(tmp_path):
    path = tmp_path / "scan.png"
    with pytest.raises(SalusError, match=r"scan\.png: no such file"):
        source_file(path).frames().scan(1)
    Image.new("L", (20, 20)).save(path)
    file = source_file(path)
    path.unlink()
    with pytest.raises(SalusError, match=r"scan\.png: vanished while it was read"):
        file.identity()


def test_a_file_that_was_touched_or_moved_keeps_its_identity(tmp_path):
    path = tmp_path / "scan.png"
    Image.new("L", (20, 20)).save(path)
    identity = source_file(path).identity()
    assert source_file(path).has_identity(**identity | {"modified": 0})
    Image.new("L", (20, 20), 9).save(path)
    assert not source_file(path).has_identity(**identity)


def test_the_journal_keeps_the_identity_of_each_frame_s_file(cine, tmp_path):
    assert segment(tmp_path, cine) == 0
    images = json.loads((tmp_path / "out" / "lesions.json").read_text())["images"]
    assert {image["sha256"] for image in images} == {hashlib.sha256(cine.read_bytes()).hexdigest()}
    assert len(images) == 3


def test_a_file_far_larger_than_its_picture_is_not_read_whole(tmp_path, calls):
    nrrd = pytest.importorskip("nrrd")
    path = tmp_path / "sparse.nrrd"
    nrrd.write(str(path), image_of((10, 30, 20, 50)).T, {"encoding": "raw"})
    os.truncate(path, 3 * 2**30)  # takes no place on the disk
    assert segment(tmp_path, path) == 0
    assert not any(name == "file_digest" and str(path) == file for name, file in calls)
    before = json.loads((tmp_path / "out" / "lesions.json").read_text())["images"]
    assert [(record["result"], record["sha256"]) for record in before] == [("tumour", "")]
    source = source_file(path)
    assert source.has_identity("", source.size, source.modified)
    assert not source.has_identity("", source.size, source.modified + 1)  # an empty checksum is that of no other file
