"""Many devices and processes give what one gives: real processes, real connections, on one CPU."""

import csv
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import make_published

from salus.errors import SalusError
from salus.lab.training.process_group import SINGLE_PROCESS, ProcessGroup, open_process_group

ROOT = Path(__file__).parents[3]
needs_jax = pytest.mark.skipif(
    importlib.util.find_spec("jax") is None, reason="jax is not installed (pip install 'salus[jax]')"
)
NETWORK = """import keras
def tiny(size):
    x = keras.Input((size, size, 1))
    y = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    y = keras.layers.BatchNormalization()(y)
    return keras.Model(x, keras.layers.Conv2D(1, 5, padding="same", activation="sigmoid")(y))
"""


started = []


@pytest.fixture(autouse=True)
def _nothing_stays():
    """Processes that a failed test leaves behind end with it."""
    yield
    for process in started:
        if process.poll() is None:
            process.kill()
    started.clear()


def launch(arguments, path, devices=1, log=None):
    """A process of its own; `devices` parts of the processor are what JAX sees."""
    environment = {k: v for k, v in os.environ.items() if k != "KERAS_BACKEND"}
    environment["PYTHONPATH"] = os.pathsep.join([str(path), str(ROOT), environment.get("PYTHONPATH", "")])
    environment["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={devices}"
    output = subprocess.PIPE if log is None else log.open("w")
    process = subprocess.Popen(
        [sys.executable, *map(str, arguments)], stdout=output, stderr=subprocess.STDOUT, text=True, env=environment
    )
    started.append(process)
    return process


def wait_for_end(*processes):
    for process in processes:
        output, _ = process.communicate(timeout=600)
        assert process.returncode == 0, output[-2000:]


def two_hosts():
    with socket.create_server(("", 0)) as server:
        return f"localhost:{server.getsockname()[1]},localhost"


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("group")
    make_published(folder / "data", 13)  # batches of 4 leave some over
    (folder / "own_network.py").write_text(NETWORK)
    return folder


def wait_for(text, log, process):
    until = time.monotonic() + 600
    while text not in log.read_text():
        assert process.poll() is None, log.read_text()[-2000:]
        assert time.monotonic() < until, log.read_text()[-2000:]
        time.sleep(0.02)


@needs_jax
def test_a_benchmark_of_two_processes_is_that_of_one_also_after_one_died(work):
    options = ["--networks", "own_network:tiny", "--folds", 2, "--size", 16, "--epochs", 3, "--precision", "float32"]
    options = ["-m", "salus", "benchmark", work / "data", *options, "--learning-rate", 0.01, "--restore-best"]
    wait_for_end(launch([*options, "--backend", "jax", "-o", work / "one"], work))
    run, hosts = work / "two", two_hosts()
    logs = [work / "0.log", work / "1.log"]
    pair = [launch([*options, "-o", run, "--hosts", hosts, "--host", i], work, log=log) for i, log in enumerate(logs)]
    wait_for("epoch 1/3", logs[0], pair[0])
    pair[1].send_signal(signal.SIGKILL)
    assert pair[0].wait(timeout=60) == 2
    assert "host 1 (localhost) died" in logs[0].read_text()
    assert f"salus benchmark --resume {run} --hosts {hosts} --host I" in logs[0].read_text()
    assert "epoch" not in logs[1].read_text()  # only the main process is not silent
    again = ["-m", "salus", "benchmark", "--resume", run, "--hosts", hosts, "--host"]
    wait_for_end(*(launch([*again, i], work) for i in (0, 1)))
    for fold in ("fold-1", "fold-2"):
        folders = [work / name / "own_network.tiny" / fold for name in ("one", "two")]
        rows = [list(csv.DictReader((folder / "history.csv").open())) for folder in folders]
        assert len(rows[0]) == len(rows[1]) == 3
        for name in ("loss", "val_loss", "dsc", "val_dsc"):
            assert [float(r[name]) for r in rows[1]] == pytest.approx([float(r[name]) for r in rows[0]], abs=1e-5)
        outputs = [np.load(folder / "outputs.npz")["probability"].astype(np.float32) for folder in folders]
        np.testing.assert_allclose(outputs[1], outputs[0], atol=1e-3)  # kept as float16
    assert (run / "report.html").is_file()


@needs_jax
def test_a_training_on_many_devices_and_hosts_is_that_on_one(work):
    script, hosts = Path(__file__).with_name("process_group_steps.py"), two_hosts()
    for name in ("one", "devices", "hosts"):
        (work / name).mkdir(exist_ok=True)
    wait_for_end(
        launch([script, work / "one", "-", "-", "-"], work),
        launch([script, work / "devices", 2, "-", "-"], work, devices=2),
        *(launch([script, work / "hosts", 2, hosts, i], work, devices=2) for i in (0, 1)),
    )
    weights = [np.load(work / name / "weights.npz") for name in ("one", "devices", "hosts")]
    for key in weights[0].files:
        for other in weights[1:]:
            np.testing.assert_allclose(other[key], weights[0][key], rtol=1e-4, atol=1e-5)


def test_options_that_cannot_work_are_refused(published):
    with pytest.raises(SalusError, match="need the backend jax, not tensorflow"), open_process_group(2, None, None, ""):
        pass
    with pytest.raises(SalusError, match="say who the hosts are"), open_process_group(None, None, 1, ""):
        pass
    with pytest.raises(SalusError, match=r"batch of 4 .* 3 devices; use --batch 6"):
        ProcessGroup(devices=3).check_batch(4)
    with open_process_group(None, None, None, "") as group:
        assert group is SINGLE_PROCESS
        assert group.replicate_folder(published) == published
        assert group.broadcast_flag(lambda: True)
