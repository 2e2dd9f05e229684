"""`salus train` on a Ray cluster of two workers gives the network of a local run, also where a worker is killed."""

import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from tests.conftest import ray_workers
from tests.lab.segmentation.small_training import SMALL, train_a_tiny_net
from tests.lab.segmentation.test_run import read_card, read_rows

from salus.cli import main
from salus.data.phantom.make import write_phantoms
from salus.errors import SalusError
from salus.lab.segmentation.config import TrainingConfig
from salus.lab.segmentation.run import Execution, start
from salus.lab.training.loop import FINAL_WEIGHTS
from salus.ray_cluster import RAY

ROOT = Path(__file__).parents[3]
STEPS = 200


def read_weights(folder):
    """The weights of a finished training by their place in the file."""
    weights = {}
    with h5py.File(folder / FINAL_WEIGHTS) as file:
        file.visititems(lambda name, item: weights.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return weights


@pytest.fixture
def config(tmp_path):
    write_phantoms(tmp_path / "set", 12, seed=5)
    recipe = replace(SMALL, steps=STEPS, passes=STEPS)
    return TrainingConfig((str(tmp_path / "set"),), "tiny", folds=3, judged=2, final=True, final_steps=5, recipe=recipe)


@pytest.fixture
def cluster(two_workers):
    """Connects to the cluster so that its workers, too, train a small network in place of the real one."""
    import ray

    environment = {"worker_process_setup_hook": train_a_tiny_net, "env_vars": {"PYTHONPATH": str(ROOT)}}
    ray.init(two_workers, runtime_env=environment, logging_level="ERROR")
    yield
    ray.shutdown()


@pytest.mark.slow
def test_a_run_with_a_killed_worker_equals_the_local_run(config, cluster, tmp_path, monkeypatch):
    train_a_tiny_net(monkeypatch)
    start(tmp_path / "here", config, lambda line: None, Execution(threads=1))
    run, killed = tmp_path / "spread", []

    def kill():
        while not killed:
            time.sleep(0.02)
            if states := list((run / "fold-1").glob("step-*.weights.h5")):
                for pid in ray_workers("fold-1"):
                    os.kill(pid, signal.SIGKILL)
                    killed.append(states[0].name)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    lines = []
    start(run, config, lines.append, Execution(threads=1, engine=RAY))
    assert killed
    assert killed[0] < f"step-{STEPS:06d}"
    assert [line for line in lines if line.startswith("Ray")] == ["Ray: 3 networks, each on 1 cores"]
    assert sum(line.endswith(": done") for line in lines) == 3
    for folder in ("fold-1", "fold-2", "final"):
        assert sorted(p.name for p in (run / folder).iterdir()) == sorted(
            p.name for p in (tmp_path / "here" / folder).iterdir()
        )
        local, spread = read_weights(tmp_path / "here" / folder), read_weights(run / folder)
        assert local.keys() == spread.keys()
        assert len(local) > 7
        for name in local:
            np.testing.assert_array_equal(spread[name], local[name])
    assert read_rows(run) == read_rows(tmp_path / "here")
    assert read_card(run)["judged"] == read_card(tmp_path / "here")["judged"]


@pytest.mark.slow
def test_a_worker_that_does_not_see_the_run_is_an_error_of_one_line(config, cluster, tmp_path):
    """The run's settings are removed as soon as the tasks are about to start, as if its folder were not shared."""

    def log(line):
        if line.startswith("Ray: "):
            (tmp_path / "run" / "run.json").unlink()

    with pytest.raises(SalusError, match="does not see this run there; put it in a folder that all") as error:
        start(tmp_path / "run", config, log, Execution(threads=1, engine=RAY))
    assert "\n" not in str(error.value)


def test_options_that_contradict_each_other_are_refused(tmp_path, capsys):
    command = ["train", str(tmp_path), "-o", str(tmp_path / "run")]
    assert main([*command, "--address", "somewhere:1"]) == 2
    assert "give --engine ray as well" in capsys.readouterr().err
    assert main([*command, "--engine", "ray", "--devices", "2"]) == 2
    assert "one network on several GPUs, --engine ray many on one each" in capsys.readouterr().err
