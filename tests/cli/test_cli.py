"""The command line as a user meets it: fast help, one-line errors, exit codes, no laboratory behind the runtime."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from salus.cli import main
from salus.evaluation import read_rows, summarise
from salus.metrics.segmentation import SCORES

LABORATORY = ("keras", "tensorflow", "jax", "torch", "pandas", "matplotlib", "sklearn", "h5py", "jinja2")


def salus(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "salus", *arguments], capture_output=True, text=True)


@pytest.mark.parametrize("arguments", [["--help"], ["benchmark", "--help"], ["data", "check", "--help"]])
def test_help_takes_less_than_three_tenths_of_a_second(arguments):
    times = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert salus(*arguments).returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(times) < 0.3  # processor time: what a machine with nothing else to do takes


def test_the_runtime_needs_no_laboratory(tmp_path):
    """Phantoms, check, evaluate and folds run where the laboratory cannot be imported."""
    script = f"""
import sys
for name in {LABORATORY}:
    sys.modules[name] = None  # importing it raises ImportError
from salus.cli import main
folder = {str(tmp_path)!r}
assert main(["data", "phantom", folder + "/p", "-n", "3"]) == 0
assert main(["data", "check", folder + "/p"]) == 0
assert main(["evaluate", folder + "/p/masks", folder + "/p"]) == 0
assert main(["data", "folds", folder + "/p", "-o", folder + "/folds.json", "-k", "2"]) == 0
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["data", "check", "absent"], "no such folder"),
        (["data", "phantom", "p", "-n", "0"], "n"),
        (["evaluate", "absent", "data"], "no such folder"),
        (["evaluate", "data/images", "data"], "holds the images themselves"),
        (["evaluate", "data/masks", "absent"], "no such folder"),
        (["evaluate", "data/masks", "data", "--layout", "odd"], "unknown layout"),
        (["benchmark", "data"], "salus benchmark DATA -o RUN"),
        (["benchmark", "--resume", "data"], "is data the folder of a run"),
        (["benchmark", "data", "-o", "run", "--preset", "odd"], "published"),
        (["benchmark", "data", "-o", "run", "--size", "100"], "multiple of 16"),
        (["benchmark", "data", "-o", "run", "--predictions", "x"], "NAME=FOLDER"),
        (["report", "data"], "run.json"),
        (["import-keras", "absent.h5"], "no such file"),
        (["data", "folds", "data", "-o", "f.json", "-k", "99"], "fewer folds"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_do(arguments, part, published, monkeypatch, capsys):
    monkeypatch.chdir(published.parent)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("salus: ")
    assert error.count("\n") == 1
    assert part in error


def test_evaluate_scores_and_names_the_bad_file(published, tmp_path, capsys):
    """The truth against itself is perfect; a damaged prediction costs one line and exit code 3, not the others."""
    predictions = tmp_path / "predictions"
    predictions.mkdir()
    for path in (published / "masks").iterdir():
        (predictions / path.name).write_bytes(path.read_bytes())
    assert main(["evaluate", str(predictions), str(published), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["native"]["scores"]["dice"] == {"mean": 1.0, "n": 12}

    (predictions / "003.png").write_bytes(b"no image")
    Image.fromarray(np.zeros((40, 48), np.uint8)).save(predictions / "004.png")
    table = tmp_path / "scores.csv"
    assert main(["evaluate", str(predictions), str(published), "--json", "-o", str(table)]) == 3
    out, err = capsys.readouterr()
    assert "003.png" in err
    assert err.count("\n") == 1
    assert json.loads(out)["native"]["scores"]["dice"] == {"mean": pytest.approx(10 / 11), "n": 11}
    assert len(table.read_text().splitlines()) == 1 + 2 * 11


def test_import_keras_makes_a_network(tmp_path, capsys):
    from salus.lab.networks.originals import original

    original("unet", 32).save(tmp_path / "theirs.keras")
    assert main(["import-keras", str(tmp_path / "theirs.keras"), "--size", "32"]) == 0
    assert "unet, 717,313 parameters" in capsys.readouterr().out
    assert {p.name for p in (tmp_path / "theirs").iterdir()} == {"network.json", "model.weights.h5", "network.onnx"}


def test_version_and_unknown_command():
    assert salus("--version").stdout.startswith("salus 0.")
    done = salus("segmentt")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_no_file_of_the_runtime_imports_the_laboratory():
    """Beside the import linter: the modules that `import salus` and its command line load are the runtime's own."""
    code = "import sys, salus, salus.cli; print(*sorted(m for m in sys.modules if m.startswith('salus')))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split()
    assert not [m for m in loaded if m.startswith(("salus.lab.networks", "salus.lab.training", "salus.lab.report"))]


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="no /dev/full here")
@pytest.mark.parametrize("command", [["data", "check", "data"], ["evaluate", "data/masks", "data"]])
def test_a_full_disk_and_a_closed_pipe_are_no_traceback(command, published):
    call = [sys.executable, "-m", "salus", *command]
    own = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with open("/dev/full", "w") as full:
        done = subprocess.run(call, stdout=full, stderr=subprocess.PIPE, text=True, cwd=published.parent, env=own)
    assert (done.returncode, done.stderr) == (2, "salus: the output: No space left on device\n")
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(call, stdout=write, stderr=subprocess.PIPE, text=True, cwd=published.parent, env=own)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


def test_names_beyond_the_terminals_letters_and_odd_headers_are_no_chatter(published):
    (published / "images" / "000.png").rename(published / "images" / "\u00fc.png")
    Image.new("1", (10_000, 10_000)).save(published / "images" / "001.png")  # Pillow warns of such sizes
    done = subprocess.run(
        [sys.executable, "-m", "salus", "data", "check", str(published)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert r"\xfc.png: an image without a mask" in done.stdout
    assert "001.png: 10000 x 10000 pixels is more than" in done.stdout


def test_evaluate_writes_to_links_and_devices_and_leaves_no_rest(published, tmp_path):
    link, target = tmp_path / "link.csv", tmp_path / "scores.csv"
    link.symlink_to(target)
    assert main(["evaluate", str(published / "masks"), str(published), "-o", str(link)]) == 0
    assert link.is_symlink()
    assert target.read_text().startswith("network,fold,case")
    before = sorted(tmp_path.iterdir())
    assert main(["evaluate", str(published / "masks"), str(published), "-o", str(published)]) == 2
    assert sorted(tmp_path.iterdir()) == before


def test_evaluate_needs_a_truth(published, capsys):
    assert main(["evaluate", str(published / "masks"), str(published / "images")]) == 2
    assert "no image in it has a truth" in capsys.readouterr().err


def test_one_prediction_is_not_taken_for_two_images(tmp_path, capsys):
    for name in ("x/1.png", "y/1.png", "masks/1.png"):
        (tmp_path / name).parent.mkdir()
        Image.fromarray(np.eye(20, dtype=np.uint8) * 255).save(tmp_path / name)
    (tmp_path / "manifest.csv").write_text("image,mask\nx/1.png,masks/1.png\ny/1.png,masks/1.png\n")
    assert main(["evaluate", str(tmp_path / "masks"), str(tmp_path)]) == 2
    assert "no prediction for 2 of 2 cases, e.g. x_1, y_1" in capsys.readouterr().err


@pytest.mark.parametrize("scale", [np.float32(1), np.float32(-0.01), np.int32(400)])
def test_values_that_are_no_probability_are_one_line(scale, published, tmp_path, capsys):
    folder = tmp_path / "given"
    folder.mkdir()
    for mask in (published / "masks").iterdir():
        values = np.arange(40 * 48).reshape(40, 48).astype(scale.dtype) * scale
        Image.fromarray(values).save(folder / f"{mask.stem}.tif")
    assert main(["evaluate", str(folder), str(published)]) == 3
    assert capsys.readouterr().err.count("are no probability") == 12


def test_a_quiet_probability_among_others_is_no_mask(published, tmp_path, capsys):
    """One file of a folder has the values of a mask; the others tell that all are probabilities."""
    folder = tmp_path / "given"
    folder.mkdir()
    names = sorted(path.name for path in (published / "masks").iterdir())
    for name in names:
        graded = np.where(np.arange(40 * 48).reshape(40, 48) % 2, 1, 0).astype(np.uint8)
        if name != names[0]:
            graded[0, 0] = 200
        Image.fromarray(graded).save(folder / name)
    assert main(["evaluate", str(folder), str(published), "-o", str(tmp_path / "s.csv")]) == 0
    found = {r["case"]: r["area_predicted"] for r in read_rows(tmp_path / "s.csv") if r["resolution"] == "native"}
    assert found.pop(Path(names[0]).stem) == 0
    assert set(found.values()) == {1}
    capsys.readouterr()
    for name in names[1:]:
        (folder / name).write_bytes((folder / names[0]).read_bytes())
    assert main(["evaluate", str(folder), str(published), "-o", str(tmp_path / "m.csv")]) == 0
    assert {r["area_predicted"] for r in read_rows(tmp_path / "m.csv") if r["resolution"] == "native"} == {40 * 48 / 2}


def test_a_lesion_that_vanishes_at_the_networks_size_is_a_lesion_still():
    small = {"case": "a", "dice": 0.0, "area_predicted": 0.0} | dict.fromkeys(SCORES, 0.0)
    rows = [small | {"resolution": "network", "area_true": 0.0}, small | {"resolution": "native", "area_true": 4.0}]
    assert [summarise(rows)[of]["tumour_free"]["images"] for of in ("network", "native")] == [0, 0]


def test_evaluate_says_where_every_prediction_is_empty(published, tmp_path, capsys):
    folder = tmp_path / "given"
    folder.mkdir()
    for mask in (published / "masks").iterdir():
        Image.fromarray((np.arange(40 * 48) % 3).astype(np.uint8).reshape(40, 48)).save(folder / mask.name)
    assert main(["evaluate", str(folder), str(published)]) == 0
    assert "every prediction is empty" in capsys.readouterr().err
