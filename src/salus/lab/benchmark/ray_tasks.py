"""Run the fold tasks of a benchmark on a Ray cluster, on any machine that sees the run's folder and the data.

A task whose worker dies is started again on a free machine and resumes from its checkpoint in the run's folder. Its
results are those of a local run, as both call `salus.lab.benchmark.task.train_and_test`. Saliency maps that several
methods use are estimated by a task of their own, for which theirs wait.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from salus.errors import SalusError
from salus.lab.benchmark.task import (
    BenchmarkRun,
    FoldTask,
    load_or_estimate_maps,
    run_fold_indices,
    saliency_source,
    train_and_test,
)
from salus.lab.saliency.source import parse_source
from salus.lab.training.run_folder import RUN_FILE
from salus.ray_cluster import RETRIES, min_per_node, raise_task_error, ray_cluster


def run_fold_tasks(run: BenchmarkRun, titles: Mapping[FoldTask, str], threads: int | None, address: str | None) -> None:
    """Train and test methods on folds, as many at a time as the cluster has room for.

    Args:
        run: the run; all machines must see its folder and the data under the same paths.
        titles: the tasks, each with its title in the log.
        threads: processor cores of a task; None: as many as the smallest machine has. A task takes a GPU where every
            machine has one.
        address: address of the cluster, see `salus.ray_cluster.ray_cluster`.

    Raises:
        SalusError: Ray is missing, a machine does not see the folders, a task fails, or its workers die repeatedly.
    """
    with ray_cluster(address) as ray:
        cores, gpus = threads or max(1, min_per_node("CPU")), min(1, min_per_node("GPU"))
        remote = partial(ray.remote, num_cpus=cores, num_gpus=gpus, max_retries=RETRIES)
        folder = run.folder.absolute()
        fingerprint = _run_fingerprint(folder)
        shared_run = ray.put(replace(run, folder=folder, log=_print_line))
        run.log(f"Ray: {len(titles)} parts, each on {cores} cores{' and a GPU' * gpus}")
        estimate, train = remote()(estimate_maps), remote()(train_fold_task)
        map_tasks: dict[tuple[str, int], Any] = {}
        running = {}
        for task in titles:
            source = saliency_source(run, task.method)
            key = (parse_source(source).base, task.fold) if source else None
            if key and key not in map_tasks:
                options = estimate.options(name=f"maps {key[0]}, fold {key[1]}")
                map_tasks[key] = options.remote(shared_run, fingerprint, *key)
            maps = map_tasks[key] if key else None
            running[train.options(name=str(task)).remote(shared_run, fingerprint, task, cores, maps)] = task
        while running:
            (finished,), _ = ray.wait(list(running))
            task = running.pop(finished)
            try:
                ray.get(finished)
            except ray.exceptions.RayError as error:
                raise_task_error(error, str(task))
            run.log(f"{titles[task]}: done")


def estimate_maps(run: BenchmarkRun, fingerprint: str, base: str, fold: int) -> None:
    """Estimate the saliency maps of one base on one fold and save them in the run's folder (a Ray task)."""
    _set_up_worker(run, fingerprint)
    load_or_estimate_maps(run, base, fold, run_fold_indices(run, fold))


def train_fold_task(run: BenchmarkRun, fingerprint: str, task: FoldTask, threads: int, maps: None) -> None:
    """Train and test one method on one fold (a Ray task); `maps` makes it wait for the task that estimates its maps."""
    _set_up_worker(run, fingerprint)
    train_and_test(replace(run, log=lambda line: _print_line(f"{task}: {line.strip()}")), task, threads)


def _set_up_worker(run: BenchmarkRun, fingerprint: str) -> None:
    """Check that the worker sees the run's folder and the data, and set up its backend."""
    from salus.lab.training.backend import use_backend

    if _run_fingerprint(run.folder) != fingerprint:
        raise SalusError(
            f"{run.folder}: {platform.node()} does not see this run there; put it in a folder that all machines share"
        )
    image = run.pairs.cases[0].image
    if not image.is_file():
        raise SalusError(f"{image}: {platform.node()} does not see the data; put them in a folder that all share")
    use_backend(run.config.backend)


def _run_fingerprint(folder: Path) -> str:
    """Return the SHA-256 of the run's settings file; an empty text where there is no run."""
    path = folder / RUN_FILE
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _print_line(line: str) -> None:
    """Print a line of progress in a worker; Ray shows it where the run was started."""
    print(line, flush=True)
