"""The benchmark on a Ray cluster of two workers gives what it gives here, also where a worker is killed."""

import csv
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from tests.conftest import make_published, ray_workers

from salus.cli import main
from salus.evaluation import read_rows
from salus.lab.benchmark.config import part_folder

OWN = """
import keras

def one(size):
    x = keras.Input((size, size, 1))
    y = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    y = keras.layers.BatchNormalization()(y)
    return keras.Model(x, keras.layers.Conv2D(1, 3, padding="same", activation="sigmoid")(y))

def two(size):
    x, s = keras.Input((size, size, 1)), keras.Input((size, size, 1))
    y = keras.layers.Concatenate()([x, s])
    return keras.Model([x, s], keras.layers.Conv2D(1, 5, padding="same", activation="sigmoid")(y))
"""
OPTIONS = "--networks own_networks:one,own_networks:two --folds 2 --size 16 --epochs 30 --precision float32 --threads 1"
PARTS = [(network, fold) for network in ("own_networks:one", "own_networks:two") for fold in (1, 2)]


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """A data set, networks of one's own, and the run that was made here; folder and data."""
    root = tmp_path_factory.mktemp("ray")
    (root / "own_networks.py").write_text(OWN)
    data = make_published(root / "data", 12)
    command = [sys.executable, "-m", "salus", "benchmark", str(data), *OPTIONS.split(), "-o", str(root / "here")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root)
    assert done.returncode == 0, done.stderr
    return root, data


def test_killed_with_9_and_yet_equal(bench, two_workers, monkeypatch, capsys):
    root, data = bench
    run = root / "spread"
    monkeypatch.syspath_prepend(root)
    monkeypatch.chdir(root)  # Ray's workers find modules where the command was given
    killed: list[int] = []

    def kill() -> None:
        history = part_folder(run, *PARTS[0]) / "history.csv"
        while not killed:
            time.sleep(0.05)
            if history.is_file() and len(history.read_text().splitlines()) > 4:
                for pid in ray_workers("own_networks:one, fold 1"):
                    os.kill(pid, signal.SIGKILL)
                    killed.append(len(history.read_text().splitlines()) - 1)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    command = ["benchmark", str(data), *OPTIONS.split(), "-o", str(run), "--engine", "ray", "--address", two_workers]
    assert main(command) == 0
    killer.join(5)
    assert killed
    assert 4 <= killed[0] < 30
    said = capsys.readouterr().out
    assert "[4/4]" in said

    for network, fold in PARTS:
        one, two = part_folder(root / "here", network, fold), part_folder(run, network, fold)
        assert sorted(p.name for p in one.glob("[!.]*")) == sorted(p.name for p in two.glob("[!.]*"))
        rows = [list(csv.DictReader((folder / "history.csv").open())) for folder in (one, two)]
        assert len(rows[0]) == 30
        for name in ("epoch", "loss", "val_loss"):
            assert [float(r[name]) for r in rows[0]] == [float(r[name]) for r in rows[1]], (network, fold, name)
        outputs = [np.load(folder / "outputs.npz", allow_pickle=False) for folder in (one, two)]
        for name in outputs[0].files:
            np.testing.assert_array_equal(outputs[0][name], outputs[1][name])
    scores = [
        sorted((r["network"], r["case"], r["resolution"], r["dice"]) for r in read_rows(root / name / "scores.csv"))
        for name in ("here", "spread")
    ]
    assert scores[0] == scores[1]
    assert (run / "report.html").is_file()


def test_a_mistake_in_a_task_is_one_line(bench, two_workers, monkeypatch, tmp_path, capsys):
    """A machine that does not share the run's folder is named; here the run is taken away under the tasks' feet."""
    from salus.lab.benchmark import ray_tasks as benchmark_ray

    root, data = bench
    monkeypatch.syspath_prepend(root)
    monkeypatch.setattr(benchmark_ray, "_seal", lambda run: "another")
    command = ["benchmark", str(data), *OPTIONS.split(), "-o", str(tmp_path / "run"), "--engine", "ray"]
    assert main([*command, "--address", two_workers]) == 2
    said = capsys.readouterr().err
    assert "does not see this run there; put it in a folder that all machines share" in said
    assert "Traceback" not in said


def test_without_ray_the_command_to_install_it_is_named(bench, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    root, data = bench
    monkeypatch.syspath_prepend(root)
    command = ["benchmark", str(data), *OPTIONS.split(), "-o", str(tmp_path / "run")]
    assert main([*command, "--engine", "ray"]) == 2
    assert 'pip install "salus[ray]"' in capsys.readouterr().err
    assert main([*command, "--address", "somewhere:1"]) == 2
    assert "give --engine ray as well" in capsys.readouterr().err
