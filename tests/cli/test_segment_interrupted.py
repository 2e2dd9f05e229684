"""Runs that are stopped, or that meet the limits of disk, memory and permissions."""

import gzip
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image
from tests.cli.segment_outputs import fails, listing, table, written
from tests.segmentation.test_segmenter import image_of

from salus.pipeline.journal import Journal


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


def test_a_cine_that_got_more_frames_before_an_interrupt_has_them_in_all_its_files(tmp_path, command, monkeypatch):
    """What is made of a whole cine is made again, though the last run segmented no frame of it."""
    pages = [Image.fromarray(image_of(box)) for box in [(5, 20, 5, 20)] * 2 + [(30, 50, 30, 60)] * 3]
    (tmp_path / "in").mkdir()
    for name in "ab":
        pages[0].save(tmp_path / "in" / f"{name}.tif", save_all=True, append_images=pages[1:])
    arguments = (tmp_path / "in", "--output", "png,overlay,csv,json,nifti,labelme", "-o")
    assert command(*arguments, tmp_path / "out", "--frames", "3-4") == 0
    add = Journal.add

    def interrupted(journal, record):
        add(journal, record)
        if record.name == "b/0001":
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "add", interrupted)
        assert command(*arguments, tmp_path / "out", "--resume") == 130
    assert command(*arguments, tmp_path / "out", "--resume") == 0
    assert command(*arguments, tmp_path / "whole") == 0
    names = listing(tmp_path / "out")
    assert names == listing(tmp_path / "whole")
    assert {"nifti/a.nii.gz", "labelme/a/0003.json", "cine/a/area.csv", "cine/a/overlay.gif"} <= set(names)
    for name in names:
        if name.endswith(".nii.gz"):
            made, expected = (gzip.decompress((tmp_path / out / name).read_bytes()) for out in ("out", "whole"))
            assert made == expected, name
        elif name not in ("journal.jsonl", "lesions.json"):  # they hold times
            assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_a_full_disk_is_one_line_and_resume_goes_on(tmp_path, network, command, scans):
    """Files may not grow beyond a limit: what a full disk is to a program, but for the words."""
    many(scans / "large", 2, 400)
    inputs = (scans, scans / "large")
    full = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)"
    full += "; resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))"
    stopped = process(*inputs, "-o", tmp_path / "out", "--network", network, "--runtime", "onnxruntime", before=full)
    _, error = stopped.communicate(timeout=120)
    assert stopped.returncode == 2, error
    assert error == f"salus: {tmp_path / 'out' / 'overlays' / '000.jpg'}: File too large\n"
    assert [one["name"] for one in written(tmp_path / "out")] == list("abcde")
    assert not [name for name in listing(tmp_path / "out") if ".part" in name]
    assert command(*inputs, "-o", tmp_path / "out", "--resume", "--runtime", "onnxruntime") == 0
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
