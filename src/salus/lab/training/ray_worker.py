"""Train networks side by side on a Ray cluster: what the tasks of `salus train` and `salus benchmark` have in common.

A task whose worker dies is started again on a free machine, and goes on from its checkpoint in the run's folder.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salus.errors import SalusError
from salus.lab.training.progress import Log
from salus.lab.training.run_folder import RUN_FILE
from salus.ray_cluster import RETRIES, min_per_node, raise_task_error

if TYPE_CHECKING:
    from types import ModuleType


def task_options(ray: ModuleType, threads: int | None) -> tuple[Any, int, str]:
    """Choose what a task takes of the cluster.

    Args:
        ray: the module, connected.
        threads: processor cores of a task; None: as many as the smallest machine has. A task takes a GPU where every
            machine has one.

    Returns:
        What makes a function a task, the cores, and both in words.
    """
    cores, gpus = threads or max(1, min_per_node("CPU")), min(1, min_per_node("GPU"))
    remote = partial(ray.remote, num_cpus=cores, num_gpus=gpus, max_retries=RETRIES)
    return remote(), cores, f"{cores} cores{' and a GPU' * gpus}"


def wait_for_tasks(ray: ModuleType, running: Mapping[Any, tuple[str, str]], log: Log) -> None:
    """Wait for all tasks, and log each that is done.

    Args:
        ray: the module, connected.
        running: name and title of each task by its reference.
        log: called with a line for each.

    Raises:
        SalusError: a task failed by a mistake of the user, or its workers died again and again.
    """
    left = dict(running)
    while left:
        (finished,), _ = ray.wait(list(left))
        name, title = left.pop(finished)
        try:
            ray.get(finished)
        except ray.exceptions.RayError as error:
            raise_task_error(error, name)
        log(f"{title}: done")


def run_fingerprint(run: Path) -> str:
    """Return the SHA-256 of a run's settings file; an empty text where there is no run."""
    path = run / RUN_FILE
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def set_up_worker(run: Path, fingerprint: str, image: Path, backend: str, threads: int) -> None:
    """Check that a worker sees the run's folder and the data, and set up its backend.

    Args:
        run: folder of the run.
        fingerprint: of the run, where it was started.
        image: one of the run's images.
        backend: of Keras.
        threads: of the backend.

    Raises:
        SalusError: the worker does not see them, or has no such backend.
    """
    from salus.lab.training.backend import set_threads, use_backend

    if run_fingerprint(run) != fingerprint:
        raise SalusError(
            f"{run}: {platform.node()} does not see this run there; put it in a folder that all machines share"
        )
    if not image.is_file():
        raise SalusError(f"{image}: {platform.node()} does not see the data; put them in a folder that all share")
    use_backend(backend)
    set_threads(threads)


def print_line(line: str) -> None:
    """Print a line of progress in a worker; Ray shows it where the run was started."""
    print(line, flush=True)
