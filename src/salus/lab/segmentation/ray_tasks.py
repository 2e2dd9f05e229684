"""Train the networks of a run of `salus train` side by side on a Ray cluster, a task for each.

All machines see the run's folder and the data. A network's result is that of a local run, as both call `train_network`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from salus.lab.segmentation.tasks import NetworkTask, train_network
from salus.lab.training.cross_validation import CrossValidationData
from salus.lab.training.progress import Log
from salus.lab.training.ray_worker import print_line, run_fingerprint, set_up_worker, task_options, wait_for_tasks
from salus.ray_cluster import ray_cluster


def train_on_cluster(
    run: Path,
    tasks: Sequence[NetworkTask],
    data: CrossValidationData,
    threads: int | None,
    address: str | None,
    log: Log,
) -> None:
    """Train networks, as many at a time as the cluster has room for.

    Args:
        run: folder of the run; all machines must see it and the data under the same paths.
        tasks: the networks that are not done.
        data: the images of the run.
        threads: processor cores of a task, see `salus.lab.training.ray_worker.task_options`.
        address: of the cluster, see `salus.ray_cluster.ray_cluster`.
        log: called with lines of progress.

    Raises:
        SalusError: Ray is missing, a machine does not see the folders, a task fails, or its workers die repeatedly.
    """
    import keras

    with ray_cluster(address) as ray:
        remote, cores, what = task_options(ray, threads)
        shared_data, fingerprint, backend = ray.put(data), run_fingerprint(run), keras.backend.backend()
        log(f"Ray: {len(tasks)} networks, each on {what}")
        train = remote(train_task)
        references: dict[Path, Any] = {}
        for task in tasks:
            before = references.get(task.needs) if task.needs else None
            references[task.folder] = train.options(name=task.name).remote(
                task, shared_data, run, fingerprint, backend, cores, before
            )
        wait_for_tasks(ray, {references[task.folder]: (task.name, task.title) for task in tasks}, log)


def train_task(
    task: NetworkTask, data: CrossValidationData, run: Path, fingerprint: str, backend: str, threads: int, before: None
) -> None:
    """Train one network (a Ray task); `before` makes it wait for the network that it goes on from."""
    set_up_worker(run, fingerprint, data.cases[0].image, backend, threads)
    train_network(task, data, lambda line: print_line(f"{task.name}: {line.strip()}"))
