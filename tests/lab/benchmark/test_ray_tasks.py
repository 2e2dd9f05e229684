"""A benchmark on a Ray cluster of two workers gives the results of a local one, also where a worker is killed."""

import csv
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from tests.conftest import make_published, ray_workers

from salus.cli import main
from salus.errors import SalusError
from salus.evaluation.summary import read_rows
from salus.lab.benchmark.config import BenchmarkConfig, fold_folder
from salus.lab.benchmark.run import start
from salus.ray_cluster import RAY

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
TASKS = [(network, fold) for network in ("own_networks:one", "own_networks:two") for fold in (1, 2)]


@pytest.fixture(scope="module")
def local_run(tmp_path_factory):
    """Folder of a local run with networks of its own, RUN "here", and the folder of its data set."""
    root = tmp_path_factory.mktemp("ray")
    (root / "own_networks.py").write_text(OWN)
    data = make_published(root / "data", 12)
    command = [sys.executable, "-m", "salus", "benchmark", str(data), *OPTIONS.split(), "-o", str(root / "here")]
    process = subprocess.run(command, capture_output=True, text=True, cwd=root)
    assert process.returncode == 0, process.stderr
    return root, data


def test_run_with_a_killed_worker_equals_the_local_run(local_run, two_workers, monkeypatch, capsys):
    root, data = local_run
    run = root / "spread"
    monkeypatch.syspath_prepend(root)
    monkeypatch.chdir(root)  # Ray's workers find modules where the command was given
    killed: list[int] = []

    def kill() -> None:
        history = fold_folder(run, *TASKS[0]) / "history.csv"
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
    assert "[4/4]" in capsys.readouterr().out

    for network, fold in TASKS:
        folders = [fold_folder(root / "here", network, fold), fold_folder(run, network, fold)]
        local_files, ray_files = (sorted(path.name for path in folder.glob("[!.]*")) for folder in folders)
        assert local_files == ray_files
        rows = [list(csv.DictReader((folder / "history.csv").open())) for folder in folders]
        assert len(rows[0]) == 30
        for name in ("epoch", "loss", "val_loss"):
            assert [float(r[name]) for r in rows[0]] == [float(r[name]) for r in rows[1]], (network, fold, name)
        outputs = [np.load(folder / "outputs.npz", allow_pickle=False) for folder in folders]
        for name in outputs[0].files:
            np.testing.assert_array_equal(outputs[0][name], outputs[1][name])
    scores = [
        sorted((r["network"], r["case"], r["resolution"], r["dice"]) for r in read_rows(root / name / "scores.csv"))
        for name in ("here", "spread")
    ]
    assert scores[0] == scores[1]
    assert (run / "report.html").is_file()


def test_worker_that_does_not_see_the_run_is_an_error_of_one_line(local_run, two_workers, monkeypatch, tmp_path):
    """The run's settings are removed as soon as the tasks are about to start, as if its folder were not shared."""
    root, data = local_run
    monkeypatch.syspath_prepend(root)
    config = replace(BenchmarkConfig.load(root / "here"), data=str(data))

    def log(line: str) -> None:
        if line.startswith("Ray: "):
            (tmp_path / "run" / "run.json").unlink()

    with pytest.raises(SalusError, match="does not see this run there; put it in a folder that all") as error:
        start(tmp_path / "run", config, log, threads=1, engine=RAY, address=two_workers)
    assert "\n" not in str(error.value)


def test_without_ray_the_command_to_install_it_is_named(local_run, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    root, data = local_run
    monkeypatch.syspath_prepend(root)
    command = ["benchmark", str(data), *OPTIONS.split(), "-o", str(tmp_path / "run")]
    assert main([*command, "--engine", "ray"]) == 2
    assert 'pip install "salus[ray]"' in capsys.readouterr().err
    assert main([*command, "--address", "somewhere:1"]) == 2
    assert "give --engine ray as well" in capsys.readouterr().err
