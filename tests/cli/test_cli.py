"""The command line as a user meets it: fast help, one-line errors, exit codes, no laboratory behind the runtime."""

import os
import resource
import subprocess
import sys
from pathlib import Path

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


def test_runtime_commands_run_without_training_frameworks(tmp_path):
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
def test_mistakes_are_one_line_that_says_what_to_do(arguments, part, published, monkeypatch, capsys):
    monkeypatch.chdir(published.parent)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("salus: ")
    assert error.count("\n") == 1
    assert part in error


def test_version_is_printed_and_an_unknown_command_is_refused():
    assert salus("--version").stdout.startswith("salus 0.")
    done = salus("segmentt")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_importing_the_command_line_loads_nothing_of_the_laboratory():
    """Beside the import linter: the modules that `import salus` and its command line load are the runtime's own."""
    code = "import sys, salus, salus.cli; print(*sorted(m for m in sys.modules if m.startswith('salus')))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split()
    assert not [m for m in loaded if m.startswith("salus.lab")]


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="no /dev/full here")
@pytest.mark.parametrize("command", [["data", "check", "data"], ["evaluate", "data/masks", "data"]])
def test_a_full_disk_and_a_closed_pipe_give_no_traceback(command, published):
    call = [sys.executable, "-m", "salus", *command]
    own = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with open("/dev/full", "w") as full:
        done = subprocess.run(call, stdout=full, stderr=subprocess.PIPE, text=True, cwd=published.parent, env=own)
    message = "No space left on device; free space, then run the command again"
    assert (done.returncode, done.stderr) == (2, f"salus: the output: {message}\n")
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(call, stdout=write, stderr=subprocess.PIPE, text=True, cwd=published.parent, env=own)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


def test_unprintable_names_and_huge_images_print_no_warnings(published):
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
