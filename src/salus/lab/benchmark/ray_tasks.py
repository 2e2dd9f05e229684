"""Run the fold tasks of a benchmark on a Ray cluster, on any machine that sees the run's folder and the data.

A task whose worker dies is started again on a free machine and resumes from its checkpoint in the run's folder. Its
results are those of a local run, as both call `salus.lab.benchmark.task.train_and_test`. Saliency maps that several
methods use are estimated by a task of their own, for which theirs wait.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from salus.lab.benchmark.task import (
    BenchmarkRun,
    FoldTask,
    load_or_estimate_maps,
    run_fold_indices,
    saliency_source,
    train_and_test,
)
from salus.lab.saliency.source import parse_source
from salus.lab.training.ray_worker import print_line, run_fingerprint, set_up_worker, task_options, wait_for_tasks
from salus.ray_cluster import ray_cluster


def run_fold_tasks(run: BenchmarkRun, titles: Mapping[FoldTask, str], threads: int | None, address: str | None) -> None:
    """Train and test methods on folds, as many at a time as the cluster has room for.

    Args:
        run: the run; all machines must see its folder and the data under the same paths.
        titles: the tasks, each with its title in the log.
        threads: processor cores of a task, see `salus.lab.training.ray_worker.task_options`.
        address: address of the cluster, see `salus.ray_cluster.ray_cluster`.

    Raises:
        SalusError: Ray is missing, a machine does not see the folders, a task fails, or its workers die repeatedly.
    """
    with ray_cluster(address) as ray:
        remote, cores, what = task_options(ray, threads)
        folder = run.folder.absolute()
        fingerprint = run_fingerprint(folder)
        shared_run = ray.put(replace(run, folder=folder, log=print_line))
        run.log(f"Ray: {len(titles)} parts, each on {what}")
        estimate, train = remote(estimate_maps), remote(train_fold_task)
        map_tasks: dict[tuple[str, int], Any] = {}
        running = {}
        for task, title in titles.items():
            source = saliency_source(run, task.method)
            key = (parse_source(source).base, task.fold) if source else None
            if key and key not in map_tasks:
                options = estimate.options(name=f"maps {key[0]}, fold {key[1]}")
                map_tasks[key] = options.remote(shared_run, fingerprint, cores, *key)
            maps = map_tasks[key] if key else None
            reference = train.options(name=str(task)).remote(shared_run, fingerprint, cores, task, maps)
            running[reference] = (str(task), title)
        wait_for_tasks(ray, running, run.log)


def estimate_maps(run: BenchmarkRun, fingerprint: str, threads: int, base: str, fold: int) -> None:
    """Estimate the saliency maps of one base on one fold and save them in the run's folder (a Ray task)."""
    set_up_worker(run.folder, fingerprint, run.pairs.cases[0].image, run.config.backend, threads)
    load_or_estimate_maps(run, base, fold, run_fold_indices(run, fold))


def train_fold_task(run: BenchmarkRun, fingerprint: str, threads: int, task: FoldTask, maps: None) -> None:
    """Train and test one method on one fold (a Ray task); `maps` makes it wait for the task that estimates its maps."""
    set_up_worker(run.folder, fingerprint, run.pairs.cases[0].image, run.config.backend, threads)
    train_and_test(replace(run, log=lambda line: print_line(f"{task}: {line.strip()}")), task, threads)
