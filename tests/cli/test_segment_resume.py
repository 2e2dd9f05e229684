"""What is there is kept, resumed or replaced, and mistakes leave nothing."""

import json
import os
import shutil

import pytest
from PIL import Image
from tests.cli.segment_outputs import fails, listing, written
from tests.segmentation.test_segmenter import image_of


def test_no_input_is_overwritten(scans, tmp_path, command, capsys):
    (scans / "masks").mkdir()
    for name in ("a", "b"):
        shutil.copy(scans / f"{name}.png", scans / "masks" / f"{name}.png")
    before = {path: path.read_bytes() for path in scans.rglob("*.png")}
    assert "an image to be read, and would be replaced" in fails(
        command, capsys, scans / "masks", "-o", scans, "--overwrite"
    )
    error = fails(command, capsys, scans, "-o", scans)  # another's masks lie where ours would
    assert "a.png is there already; --resume goes on" in error
    assert "is there already" in fails(command, capsys, scans, "-o", scans, "--resume")
    assert {path: path.read_bytes() for path in before} == before


def test_what_is_there_is_kept_resumed_or_replaced(scans, tmp_path, command, capsys):
    out = tmp_path / "out"
    assert command(scans / "a.png", scans / "b.png", "-o", out) == 0
    assert "is there already" in fails(command, capsys, scans, "-o", out)
    first = (out / "masks" / "a.png").stat().st_mtime_ns
    assert command(scans, "-o", out, "--resume") == 0
    assert "2 of them kept from before" in capsys.readouterr().out
    assert (out / "masks" / "a.png").stat().st_mtime_ns == first
    assert [one["name"] for one in written(out)] == list("abcde")
    assert command(scans / "c.png", "-o", out, "--resume", "--json") == 0  # the others stay in the tables
    assert [one["name"] for one in json.loads(capsys.readouterr().out)["images"]] == ["c"]
    assert sorted(one["name"] for one in written(out)) == list("abcde")
    assert command(scans / "a.png", "-o", out, "--overwrite") == 0
    assert [one["name"] for one in written(out)] == ["a"]
    assert (out / "masks" / "a.png").stat().st_mtime_ns > first


def test_resume_does_again_what_changed_failed_or_is_gone(scans, tmp_path, command, capsys):
    out = tmp_path / "out"
    (scans / "f.png").write_bytes(b"")
    assert command(scans, "-o", out) == 3
    Image.fromarray(image_of((20, 60, 30, 60))).save(scans / "f.png")  # repaired
    Image.fromarray(image_of((20, 60, 30, 60))).save(scans / "c.png")  # changed
    os.utime(scans / "d.png")  # touched only
    (out / "overlays" / "a.jpg").unlink()
    capsys.readouterr()
    assert command(scans, "-o", out, "--resume") == 0
    assert "6 images: 5 with a tumour, 1 without; 3 of them kept" in capsys.readouterr().out
    assert command(scans, "-o", out, "--resume", "--probability") == 0
    assert "6 of them kept" not in capsys.readouterr().out
    assert len(listing(out / "probability")) == 6


def test_resume_with_other_settings_or_images_is_refused(scans, tmp_path, command, capsys):
    out = tmp_path / "out"
    assert command(scans / "a.png", "-o", out) == 0
    error = fails(command, capsys, scans, "-o", out, "--resume", "--threshold", "0.3", "--tta")
    assert "another threshold and tta" in error
    other = tmp_path / "other" / "a.png"  # another image of the name
    other.parent.mkdir()
    shutil.copy(scans / "b.png", other)
    assert command(other, "-o", out, "--resume") == 0
    assert listing(out / "masks") == ["a.png", "other/a.png"]
    moved = tmp_path / "moved" / "a.png"
    moved.parent.mkdir()
    shutil.move(scans / "a.png", moved)
    capsys.readouterr()
    assert command(moved, "-o", out, "--resume") == 0  # the same image elsewhere
    assert "1 of them kept" in capsys.readouterr().out
    assert sorted(one["image"] for one in written(out)) == sorted(map(str, (moved, other)))
    (out / "journal.jsonl").write_text("damaged")
    assert "journal.jsonl: is damaged" in fails(command, capsys, scans, "-o", out, "--resume")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["scans", "-o", "dark.onnx"], "dark.onnx: is a file"),
        (["scans", "-o", "dark.onnx/out"], "Not a directory"),
        (["scans", "-o", "/proc/out"], "/proc/out"),
        (["empty", "-o", "out"], "empty: no image"),
        (["scans", "-o", "out", "--threshold", "1.5"], "between 0 and 1"),
        (["scans", "-o", "out", "--workers", "0"], "--workers 0"),
        (["scans", "-o", "out", "--preview", "--no-overlay"], "--no-overlay"),
        (["scans", "-o", "out", "--device", "gpu", "--runtime", "openvino"], "onnxruntime"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(arguments, part, scans, tmp_path, command, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert part in fails(command, capsys, *arguments)
    assert not (tmp_path / "out").exists()
