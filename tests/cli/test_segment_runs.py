"""What one run leaves for the next: nothing of a mistake, of a killed run, or of images that are replaced."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import RLELossless
from tests.read.wrap import wrap_dicom
from tests.segmentation.test_segmenter import image_of, write_network

from salus.cli import main
from salus.pipeline.output_folder import output_folder
from salus.scan import Scan


@pytest.fixture
def segment(tmp_path, monkeypatch):
    """Run the command in the test's folder, with three scans in scans/; its exit code."""
    network = write_network(tmp_path / "dark.onnx")
    monkeypatch.chdir(tmp_path)
    for name in "abc":
        save(f"scans/{name}.png")
    return lambda *arguments: main(["segment", *map(str, arguments), "--network", str(network)])


def save(path, box=(10, 30, 10, 40)):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image_of(box)).save(path)


def listing(folder="out"):
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())


@pytest.mark.parametrize("typo", [["scnas"], ["scans/a.pgn", "scans/b.pgn"], ["scans/*.pgn"], ["scans/a.png/"]])
def test_a_typo_makes_no_folder_and_is_one_line(segment, typo, capsys):
    code = segment(*typo, "-o", "deep/out")
    assert (code, capsys.readouterr().err.count("\n")) in ((2, 1), (0, 0))  # a slash at the end is no mistake
    assert Path("deep").exists() == (code == 0)


def test_a_run_that_finished_nothing_does_not_stop_the_corrected_command(segment):
    Path("notes.png").write_text("no image")
    assert segment("notes.png", "-o", "out") == 3
    assert segment("scans", "-o", "out") == 0
    assert {one["image"] for one in json.loads(Path("out/lesions.json").read_text())["images"]} == {
        f"scans/{name}.png" for name in "abc"
    }


@pytest.mark.parametrize(
    ("output", "package"), [("nifti", "nibabel"), ("dicom-seg", "highdicom"), ("dicom-sr", "highdicom")]
)
def test_what_is_not_installed_is_said_once_before_the_run(segment, output, package, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    monkeypatch.delitem(sys.modules, f"{package}.sr", raising=False)
    assert segment("scans", "-o", "out", "--output", f"png,{output}") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert 'pip install "salus[dicom]"' in error
    assert not Path("out").exists()


def test_an_output_that_many_images_cannot_have_is_one_line(segment, capsys):
    pytest.importorskip("highdicom")
    for number in range(9):
        save(f"scans/{number}.png")
    assert segment("scans", "-o", "out", "--output", "png,dicom-seg") == 3
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "dicom-seg of 0, 1, 2 and 9 more: needs a DICOM image" in error


def test_two_runs_into_one_folder_do_not_meet(segment, tmp_path, capsys):
    code = "import sys, time; from pathlib import Path; from salus.pipeline.output_folder import output_folder\n"
    code += "with output_folder(Path('out')): print('holds', flush=True); time.sleep(60)"
    other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    try:
        assert other.stdout.readline() == "holds\n"
        for more in (["--overwrite"], ["--resume"], ["--num-parts", "2", "--part", "1"]):
            assert segment("scans", "-o", "out", *more) == 2
            error = capsys.readouterr().err
            assert error.startswith("salus: out: another run writes there")
            assert f"process {other.pid} on " in error
            assert error.count("\n") == 1
        assert main(["merge", "out"]) == 2
        assert "another run writes there" in capsys.readouterr().err
    finally:
        other.kill()
        other.wait()
        other.stdout.close()
    assert segment("scans", "-o", "out") == 0  # the lock ends with its process
    assert not [name for name in listing() if name.startswith(".")]


def test_parts_share_a_folder_and_each_part_is_one_run(segment, capsys):
    with output_folder(Path("out"), (1, 2)):
        assert segment("scans", "-o", "out", "--num-parts", 2, "--part", 1) == 2
        assert "another run writes there" in capsys.readouterr().err
        assert segment("scans", "-o", "out", "--num-parts", 2, "--part", 2) == 0
        assert segment("scans", "-o", "out") == 2
    assert segment("scans", "-o", "out", "--num-parts", 2, "--part", 1) == 0
    assert main(["merge", "out"]) == 0
    assert not [name for name in listing() if name.startswith(".")]


def test_what_a_killed_run_left_half_written_is_removed(segment):
    assert segment("scans", "-o", "out") == 0
    halves = ["out/masks/.17-4.part.png", "out/.17-4.part.jsonl", "out/overlays/w/.1-2.part.jpg"]
    others = ["out/masks/.keep", "out/mine/.17-4.part.png"]
    for name in (*halves, *others):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(b"half")
    assert segment("scans", "-o", "out", "--resume") == 0
    assert [name for name in halves if Path(name).exists()] == []
    assert all(Path(name).exists() for name in others)


def test_a_part_leaves_what_another_part_is_writing(segment):
    new, old = Path("out/masks/.17-4.part.png"), Path("out/masks/.17-5.part.png")
    new.parent.mkdir(parents=True)
    for path in (new, old):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    assert segment("scans", "-o", "out", "--num-parts", 2, "--part", 1) == 0
    assert (new.exists(), old.exists()) == (True, False)


def test_overwrite_leaves_nothing_of_the_run_before(segment):
    pytest.importorskip("nibabel")
    pytest.importorskip("pydicom")
    wrap_dicom(Path("scans/cine.dcm"), np.stack([image_of((10, 30, 10, 40))] * 3))
    everything = "png,overlay,probability,saliency,csv,json,nifti,labelme,geojson,coco"
    assert segment("scans", "-o", "out", "--output", everything, "--preview", "--report") == 0
    Path("out/mine.txt").write_text("a note")
    Path("out/masks/mine.png").write_bytes(b"another's")
    assert segment("scans/b.png", "-o", "out", "--output", "png", "--overwrite") == 0
    assert listing() == ["journal.jsonl", "masks/b.png", "masks/mine.png", "mine.txt"]


def test_overwrite_removes_no_image_to_be_read(segment):
    assert segment("scans", "-o", "out") == 0
    before = Path("out/masks/a.png").read_bytes()
    assert segment("out/masks/a.png", "-o", "out", "--overwrite") == 2  # its mask would replace it
    assert Path("out/masks/a.png").read_bytes() == before


def test_a_run_of_parts_replaces_a_run_in_one_piece(segment):
    save("old/z.png")
    assert segment("scans", "old", "-o", "out") == 0
    for part in (1, 2):
        assert segment("scans", "-o", "out", "--num-parts", 2, "--part", part, "--overwrite") == 0
    assert main(["merge", "out"]) == 0
    assert listing("out/masks") == ["a.png", "b.png", "c.png"]
    assert segment("old", "-o", "out", "--overwrite") == 0
    assert listing() == ["journal.jsonl", "lesions.csv", "lesions.json", "masks/z.png", "overlays/z.jpg"]


def test_an_image_that_changed_keeps_no_picture_of_before(segment):
    assert segment("scans", "-o", "out", "--probability") == 0
    save("scans/a.png", (10, 50, 10, 50))
    Path("scans/b.png").write_bytes(b"damaged since")
    assert segment("scans", "-o", "out", "--resume") == 3
    assert [name for name in listing() if "/" in name] == [
        "masks/a.png", "masks/c.png", "overlays/a.jpg", "overlays/c.jpg", "probability/c.png",
    ]  # fmt: skip


def test_a_cine_that_claims_frames_it_does_not_hold_is_one_line_and_one_record(segment, capsys):
    pytest.importorskip("pydicom")
    path = Path("scans/cine.dcm")
    wrap_dicom(path, np.stack([image_of((10, 30, 10, 40))] * 200))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 10])
    assert segment("scans", "-o", "out") == 3
    assert capsys.readouterr().err.count("\n") == 1
    failed = [one for one in json.loads(Path("out/lesions.json").read_text())["images"] if one["result"] == "failed"]
    assert len(failed) == 1
    assert len(listing("out/masks")) == 3


def test_every_other_frame_of_a_cine_damaged_is_few_lines(segment, capsys):
    pydicom = pytest.importorskip("pydicom")
    path = wrap_dicom(Path("cine.dcm"), np.stack([image_of((10, 30, 10, 40))] * 20), syntax=RLELossless)
    header = pydicom.dcmread(path)
    frames = list(generate_frames(header.PixelData, number_of_frames=20))
    frames[::2] = [bytes(70)] * 10
    header.PixelData = encapsulate(frames)
    header.save_as(path)
    assert segment("cine.dcm", "-o", "out") == 3
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert lines[-1] == "salus: cine.dcm: 7 more of its frames failed; the tables name them"
    results = [one["result"] for one in json.loads(Path("out/lesions.json").read_text())["images"]]
    assert results.count("failed") == 10


def test_frames_that_a_cine_does_not_have_are_said(segment, capsys):
    pytest.importorskip("pydicom")
    wrap_dicom(Path("cine.dcm"), np.stack([image_of((10, 30, 10, 40))] * 3))
    assert segment("cine.dcm", "-o", "out", "--frames", "7-") == 2
    assert "no file has a frame of --frames 7-" in capsys.readouterr().err
    assert segment("cine.dcm", "scans", "-o", "out", "--frames", "7-") == 0
    assert "cine.dcm: has no frame of --frames 7-" in capsys.readouterr().err


def test_frames_that_are_added_to_a_cine_renumber_the_lesions_of_earlier_frames_in_every_file(segment):
    pytest.importorskip("pydicom")
    left, right = (10, 25, 5, 20), (10, 25, 40, 55)
    frames = [image_of(right), image_of(left), image_of(left, right)]
    wrap_dicom(Path("cine.dcm"), np.stack(frames))
    assert segment("cine.dcm", "-o", "out", "--frames", "2,3", "--output", "csv,geojson") == 0
    assert names_in_frame_3() == {5: "lesion 1", 40: "lesion 2"}
    assert segment("cine.dcm", "-o", "out", "--frames", "1-3", "--resume", "--output", "csv,geojson") == 0
    assert names_in_frame_3() == {5: "lesion 2", 40: "lesion 1"}  # frame 1 has the right one alone


def test_a_strip_of_frames_is_made_where_an_earlier_run_made_some_without_overlays(segment):
    pytest.importorskip("pydicom")
    wrap_dicom(Path("cine.dcm"), np.stack([image_of((10, 25, 5, 20))] * 3))
    assert segment("cine.dcm", "-o", "out", "--frames", "1", "--no-overlay") == 0
    assert segment("cine.dcm", "-o", "out", "--frames", "2-3", "--resume") == 0
    assert "cine/cine/strip.jpg" in listing()


def names_in_frame_3():
    """Return the names of the lesions in the third frame's GeoJSON, by the column at which each begins."""
    (path,) = [path for path in Path("out/geojson").rglob("*.geojson") if path.stem.endswith("3")]
    features = json.loads(path.read_text())["features"]
    return {min(x for x, _ in f["geometry"]["coordinates"][0]): f["properties"]["name"] for f in features}


def test_quiet_prints_failures_alone(segment, capsys):
    Path("scans/d.png").write_bytes(b"no image")
    assert segment("scans", "-o", "out", "--quiet") == 3
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith("salus: scans/d.png: ")
    assert error.count("\n") == 1


def test_a_file_that_breaks_its_library_costs_its_own_result_alone(segment, capsys, monkeypatch):
    from salus.read import frames

    def read(source):
        if source.endswith("b.png"):
            raise RecursionError("too deep")
        return image_of((10, 30, 10, 40)) / np.float32(255)

    monkeypatch.setattr(frames.SingleImage, "scan", lambda image, number=1: Scan(read(image.source), image.source))
    assert segment("scans", "-o", "out") == 3
    assert capsys.readouterr().err == "salus: scans/b.png: cannot be read (RecursionError: too deep)\n"
    assert listing("out/masks") == ["a.png", "c.png"]
