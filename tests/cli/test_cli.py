"""The command line as a user meets it: fast help, one-line errors, exit codes, no laboratory behind the runtime."""

import json
import resource
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from salus.cli import main

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
    from originals import original  # bench/originals.py

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
    assert not [m for m in loaded if m.startswith(("salus.networks", "salus.train", "salus.report"))]
