"""`salus segment` as a user meets it, on a network whose answer is known."""

import csv
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image
from tests.segmentation.test_segmenter import image_of, write_network

import salus
from salus.cli import main
from salus.pipeline.journal import Journal
from salus.pipeline.run import run_jobs
from salus.read.image import read_mask
from salus.segmentation.region_results import STRANGE
from salus.segmentation.result import FOUND, NONE
from salus.segmentation.segmenter import Segmenter
from salus.write.tables import COLUMNS, FAILED


@pytest.fixture
def network(tmp_path):
    return write_network(tmp_path / "dark.onnx")


@pytest.fixture
def scans(tmp_path):
    """Five images: one tumour, two, none, one that is strange, one at the border."""
    folder = tmp_path / "scans"
    folder.mkdir()
    images = {
        "a": image_of((20, 60, 30, 90), shape=(100, 128)),
        "b": image_of((20, 60, 30, 60), (70, 90, 80, 110), shape=(100, 128)),
        "c": np.full((90, 70), 200, np.uint8),
        "d": np.full((64, 64), 250, np.uint8),
        "e": image_of((0, 20, 10, 50)),
    }
    for name, image in images.items():
        Image.fromarray(image).save(folder / f"{name}.png")
    return folder


@pytest.fixture
def command(network):
    """Run the command with the network; its exit code."""

    def call(*arguments):
        return main(["segment", *map(str, arguments), "--network", str(network)])

    return call


def listing(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def table(folder):
    with (folder / "lesions.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def written(folder):
    return json.loads((folder / "lesions.json").read_text())["images"]


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
        command(scans, "-o", tmp_path / "a", "--threshold", "0.95", "--report", "--engine", "onnxruntime", "--tta") == 0
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


def fails(command, capsys, *arguments):
    assert command(*arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


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
        (["scans", "-o", "out", "--device", "gpu", "--engine", "openvino"], "onnxruntime"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(arguments, part, scans, tmp_path, command, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert part in fails(command, capsys, *arguments)
    assert not (tmp_path / "out").exists()


def many(folder, n, side=1200):
    folder.mkdir()
    for i in range(n):
        image = np.random.default_rng(i).integers(150, 256, (side, side), dtype=np.uint8)
        image[100 : 300 + 10 * i, 200:500] = 10
        Image.fromarray(image).save(folder / f"{i:03}.png", compress_level=1)
    return folder


def process(*arguments, before="pass"):
    heed = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # where nohup has it ignored
    code = f"import sys; {heed}; {before}; from salus.cli import main; sys.exit(main(sys.argv[1:]))"
    call = [sys.executable, "-c", code, "segment", *map(str, arguments)]
    return subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL])
def test_what_is_done_stays_when_it_is_stopped_and_resume_goes_on(tmp_path, network, command, sign, capsys):
    scans, out = many(tmp_path / "many", 24, 600), tmp_path / "out"
    slow = "import time, salus.pipeline.run as s; w = s.write_mask"
    slow += "; s.write_mask = lambda *a: (time.sleep(0.2), w(*a))"
    running = process(scans, "-o", out, "--network", network, before=slow)
    journal = out / "journal.jsonl"
    until = time.monotonic() + 120
    while running.poll() is None and time.monotonic() < until:
        if journal.exists() and journal.read_text().count("\n") > 2:
            break
        time.sleep(0.005)
    running.send_signal(sign)
    _, error = running.communicate(timeout=120)
    lines = journal.read_text().count("\n") - 1
    assert 2 <= lines < 24
    if sign == signal.SIGINT:
        assert running.returncode == 130
        assert error == "salus: interrupted; what is done stays, and the same command with --resume goes on\n"
        assert len(written(out)) == lines
    assert command(scans, "-o", out, "--resume") == 0
    assert f"24 images: 24 with a tumour, 0 without; {lines} of them kept" in capsys.readouterr().out
    assert command(scans, "-o", tmp_path / "whole") == 0
    for name in ("lesions.csv", *(f"masks/{i:03}.png" for i in range(24))):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert set(listing(out)) - set(listing(tmp_path / "whole")) <= {
        name
        for name in listing(out)
        if ".part" in name  # left behind by kill -9 alone
    }


def test_an_interrupt_right_after_a_line_of_the_journal_loses_nothing(tmp_path, scans, command, monkeypatch):
    """The tables then hold what the journal holds, though the run itself had not yet noted it."""
    add = Journal.add

    def interrupted(journal, record):
        add(journal, record)
        if record.name == "b":
            raise KeyboardInterrupt

    monkeypatch.setattr(Journal, "add", interrupted)
    assert command(scans, "-o", tmp_path / "out") == 130
    assert [one["name"] for one in written(tmp_path / "out")] == ["a", "b"]
    assert {row["name"] for row in table(tmp_path / "out")} == {"a", "b"}


def test_a_full_disk_is_one_line_and_resume_goes_on(tmp_path, network, command, scans):
    """Files may not grow beyond a limit: what a full disk is to a program, but for the words."""
    many(scans / "large", 2, 400)
    inputs = (scans, scans / "large")
    full = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)"
    full += "; resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))"
    stopped = process(*inputs, "-o", tmp_path / "out", "--network", network, "--engine", "onnxruntime", before=full)
    _, error = stopped.communicate(timeout=120)
    assert stopped.returncode == 2, error
    assert error == f"salus: {tmp_path / 'out' / 'overlays' / '000.jpg'}: File too large\n"
    assert [one["name"] for one in written(tmp_path / "out")] == list("abcde")
    assert not [name for name in listing(tmp_path / "out") if ".part" in name]
    assert command(*inputs, "-o", tmp_path / "out", "--resume", "--engine", "onnxruntime") == 0
    assert len(written(tmp_path / "out")) == 7


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written(scans, tmp_path, command, capsys):
    (tmp_path / "out").mkdir(mode=0o500)
    assert "Permission denied" in fails(command, capsys, scans, "-o", tmp_path / "out")


def test_memory_stays_flat(tmp_path, network):
    """Seven times as many images of 4 MB as floats take no more than some of them."""
    peaks = []
    for n in (4, 30):
        scans = tmp_path / f"s{n}"
        many(scans, 1, 1000)
        for i in range(1, n):
            os.link(scans / "000.png", scans / f"{i:03}.png")
        code = "import atexit, resource as r; atexit.register(lambda: print(r.getrusage(r.RUSAGE_SELF).ru_maxrss))"
        made = process(scans, "-o", tmp_path / f"o{n}", "--network", network, "--no-overlay", before=code)
        out, error = made.communicate(timeout=300)
        assert made.returncode == 0, error
        peaks.append(int(out.splitlines()[-1]) / 1024)
    assert peaks[1] < peaks[0] + 40, peaks


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
