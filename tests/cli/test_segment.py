"""`salus segment` as a user meets it, on a network whose answer is known."""

import json
import os
import resource
import shutil
import subprocess
import sys

import numpy as np
from PIL import Image
from tests.cli.segment_outputs import listing, table, written
from tests.segmentation.test_segmenter import image_of

import salus
from salus.pipeline.run import run_jobs
from salus.read.image import read_mask
from salus.segmentation.region_results import STRANGE
from salus.segmentation.result import FOUND, NONE
from salus.segmentation.segmenter import Segmenter
from salus.write.tables import COLUMNS, FAILED

TABLES = ["journal.jsonl", "lesions.csv", "lesions.json"]


def test_everything_is_written_with_the_numbers_of_the_python_call(scans, tmp_path, network, command, capsys):
    out = tmp_path / "out"
    assert command(scans, "-o", out, "--probability", "--saliency", "--preview", "--report") == 0
    output = capsys.readouterr().out
    assert output.splitlines()[-1].startswith(f"{out}: 5 images: 3 with a tumour, 2 without; ")
    assert f"{scans / 'd.png'}: no tumour found; confidence 0.98; {STRANGE}" in output
    pictures = [
        f"{kind}/{name}" for kind in ("masks", "probability", "saliency") for name in map("{}.png".format, "abcde")
    ]
    pictures += [f"overlays/{name}.jpg" for name in "abcde"]
    assert listing(out) == sorted([*TABLES, *pictures, "preview.jpg", "report.json"])
    segmenter = Segmenter(network)
    rows = table(out)
    assert tuple(rows[0]) == COLUMNS
    for one in written(out):
        path = scans / f"{one['name']}.png"
        for found in (
            segmenter(path),
            salus.segment(path, network=network),
            salus.segment(Image.open(path), network=network),
        ):
            np.testing.assert_array_equal(read_mask(out / "masks" / path.name), found.mask)
            for kind in ("probability", "saliency"):
                with Image.open(out / kind / path.name) as image:
                    np.testing.assert_array_equal(np.asarray(image), np.rint(getattr(found, kind) * 255))
            assert (one["presence"], one["confidence"]) == (found.presence, found.confidence)
            assert (one["result"], one["flags"]) == (FOUND if found.lesions else NONE, list(found.flags))
            for mine, lesion in zip(one["lesions"], found.lesions, strict=True):
                assert (mine["area"], mine["longest"], mine["confidence"]) == (
                    lesion.area,
                    lesion.longest,
                    lesion.confidence,
                )
        own = [row for row in rows if row["name"] == one["name"]]
        assert len(own) == max(1, len(found.lesions))
        assert {row["result"] for row in own} == {one["result"]}
    assert [one["name"] for one in written(out)] == list("abcde")
    report = json.loads((out / "report.json").read_text())
    assert report["results"] == {FOUND: 3, NONE: 2, FAILED: 0}
    assert report["settings"]["threshold"] == 0.5
    assert report["timing"]["made"] == 5
    assert len(report["images"][0]["sha256"]) == 64


def test_masks_are_scored_perfect_by_evaluate(scans, tmp_path, command):
    assert command(scans, "-o", tmp_path / "out") == 0
    mask = read_mask(tmp_path / "out" / "masks" / "e.png")
    np.testing.assert_array_equal(mask, image_of((0, 20, 10, 50)) == 20)


def test_the_least_is_masks_and_tables(scans, tmp_path, command):
    assert command(scans / "a.png", scans / "b.png", "-o", tmp_path / "out", "--no-overlay") == 0
    assert listing(tmp_path / "out") == sorted([*TABLES, "masks/a.png", "masks/b.png"])


def test_json_alone_is_printed(scans, tmp_path, command, capsys):
    assert command(scans, scans / "absent.png", "-o", tmp_path / "out", "--json") == 3
    out, err = capsys.readouterr()
    assert json.loads(out)["images"] == written(tmp_path / "out")
    assert err == f"salus: {scans / 'absent.png'}: no such file\n"


def test_options_reach_the_network(scans, tmp_path, command):
    assert (
        command(scans, "-o", tmp_path / "a", "--threshold", "0.95", "--report", "--runtime", "onnxruntime", "--tta")
        == 0
    )
    report = json.loads((tmp_path / "a" / "report.json").read_text())
    assert report["results"] == {FOUND: 0, NONE: 5, FAILED: 0}
    expected = {"threshold": 0.95, "engine": "onnxruntime", "tta": True, "device": "cpu"}
    assert {key: report["settings"][key] for key in expected} == expected


def test_bad_files_cost_a_line_each_and_the_others_are_done(scans, tmp_path, command, capsys, monkeypatch):
    good = (scans / "a.png").read_bytes()
    (scans / "bad1.png").write_bytes(b"no image")
    (scans / "bad2.png").write_bytes(b"")
    (scans / "bad3.png").write_bytes(good[: len(good) // 2])
    Image.new("L", (3, 3)).save(scans / "bad4.png")
    Image.new("1", (5000, 5000)).save(scans / "bad5.png")
    os.mkfifo(scans / "bad6.png")
    Image.fromarray(image_of((20, 60, 30, 60)).astype(np.uint16) * 257).save(scans / "deep.png")
    Image.fromarray(image_of((20, 60, 30, 60))).convert("RGB").save(scans / "colour.bmp")
    (scans / "locked.png").write_bytes(good)
    real = Image.open

    def locked(path, *more, **options):
        if str(path).endswith("locked.png"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *more, **options)

    monkeypatch.setattr(Image, "open", locked)
    out = tmp_path / "out"
    assert command(scans, tmp_path / "absent.png", tmp_path / "*.tif", "-o", out, "--preview", "--report") == 3
    output, err = capsys.readouterr()
    assert err.count("\n") == 9
    assert "Traceback" not in err
    for name in (*(f"bad{i}.png" for i in range(1, 7)), "locked.png", "absent.png", "*.tif"):
        assert f"{name}: " in err
    assert "5 with a tumour, 2 without, 9 failed" in output
    assert len(listing(out / "masks")) == 7
    failed = [one for one in written(out) if one["result"] == FAILED]
    assert len(failed) == 9
    assert sum(row["result"] == FAILED for row in table(out)) == 9
    assert len(json.loads((out / "report.json").read_text())["failures"]) == 9
    deep, colour = (read_mask(out / "masks" / f"{name}.png") for name in ("deep", "colour"))
    np.testing.assert_array_equal(deep, colour)


def test_globs_and_masks_beside_their_images(scans, tmp_path, command, capsys):
    more = scans / "more" / "deep"
    more.mkdir(parents=True)
    for name in ("x.png", "x_mask.png", "y.PNG", "notes.txt"):
        shutil.copy(scans / "a.png", more / name)
    assert command(f"{tmp_path}/**/[a-cx-y]*.[pP]*", scans / "a.png", "-o", tmp_path / "out") == 0
    assert listing(tmp_path / "out" / "masks") == [f"{name}.png" for name in "abcxy"]
    odd = scans / "odd[1].png"
    shutil.copy(scans / "a.png", odd)
    assert command(odd, "-o", tmp_path / "odd") == 0  # a file's name may look like a glob


def test_equal_names_are_kept_apart(scans, tmp_path, command):
    other = tmp_path / "other" / "ward"
    other.mkdir(parents=True)
    shutil.copy(scans / "c.png", other / "a.png")
    shutil.copy(scans / "c.png", scans / "A.BMP")
    Image.open(scans / "b.png").save(scans / "b.jpg")
    assert command(scans, other, "-o", tmp_path / "out", "--no-overlay") == 0
    found = listing(tmp_path / "out" / "masks")
    assert found == sorted(["A.BMP.png", "b.jpg.png", "ward/a.png", *(f"{name}.png" for name in "abcde")])
    assert not read_mask(tmp_path / "out" / "masks" / "ward" / "a.png").any()
    assert not read_mask(tmp_path / "out" / "masks" / "A.BMP.png").any()
    assert read_mask(tmp_path / "out" / "masks" / "a.png").any()


def test_one_image_named_twice_is_done_once(scans, tmp_path, command):
    assert command(scans / "a.png", scans, scans / ".." / "scans" / "a.png", "-o", tmp_path / "out") == 0
    assert listing(tmp_path / "out" / "masks") == [f"{name}.png" for name in "abcde"]


def test_a_terminal_sees_progress(scans, tmp_path, command, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert command(scans, "-o", tmp_path / "out") == 0
    assert capsys.readouterr().err.endswith("\rimages 5/5\n")


def test_help_loads_nothing_heavy():
    code = "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
    code += "from salus.cli import main; main(['segment', '--help'])"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert not {"numpy", "scipy", "PIL", "openvino"} & set(done.stderr.split())
    assert after.ru_utime - before.ru_utime < 0.5
    assert "--resume" in done.stdout


def test_the_python_call_over_files_needs_no_command(scans, tmp_path, network):
    from salus.pipeline.jobs import plan_jobs

    records, folder = [], tmp_path / "out"
    result = run_jobs(plan_jobs([scans], folder), folder, Segmenter(network), on_record=records.append)
    assert (list(result.records), result.kept, result.failed) == (records, 0, 0)
    assert len(records) == 5
