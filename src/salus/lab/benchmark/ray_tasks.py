"""The parts of a benchmark as Ray tasks: each network on each fold, on any machine that sees the run and the data.

A part whose worker dies is begun again, on whatever machine is free, and goes on from its checkpoint in the run's
folder; what it gives is what a part gives that is trained here (`salus.lab.benchmark.task.one_part`, unchanged). Saliency
maps that several networks take are a task of their own, on which theirs wait.
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
from salus.lab.benchmark.task import Bench, Part, maps_of, one_part, parting_of, source_of
from salus.lab.saliency.source import parse_source
from salus.lab.training.run_folder import RUN_FILE
from salus.ray_cluster import RETRIES, least, raise_plainly, ray_cluster


def run_parts(bench: Bench, todo: Mapping[Part, str], threads: int | None, address: str | None) -> None:
    """Train and test parts, as many at a time as the cluster has room for.

    Args:
        bench: the run; its folder and the data's must be seen by all machines under the same names.
        todo: the parts, each with a title for progress.
        threads: processor cores that a part takes; None: as many as the smallest machine has. A part takes a GPU where
            every machine has one.
        address: see `salus.ray_cluster.ray_cluster`.

    Raises:
        SalusError: no Ray, a machine that does not see the folders, a mistake within a part, or a part whose workers
            die again and again.
    """
    with ray_cluster(address) as ray:
        cores, gpus = threads or max(1, least("CPU")), min(1, least("GPU"))
        task = partial(ray.remote, num_cpus=cores, num_gpus=gpus, max_retries=RETRIES)
        bench.log(f"Ray: {len(todo)} parts, each on {cores} cores{' and a GPU' * gpus}")
        run = bench.run.absolute()
        shared = ray.put(replace(bench, run=run, log=_say))
        seal = _seal(run)
        estimate, train = task()(estimate_maps), task()(train_part)
        maps: dict[tuple[str, int], Any] = {}
        waiting = {}
        for part in todo:
            source = source_of(bench, part.network)
            base = (parse_source(source).base, part.fold) if source else None
            if base and base not in maps:
                maps[base] = estimate.options(name=f"maps {base[0]}, fold {base[1]}").remote(shared, seal, *base)
            made = train.options(name=str(part)).remote(shared, seal, part, cores, maps[base] if base else None)
            waiting[made] = part
        while waiting:
            (done,), _ = ray.wait(list(waiting))
            part = waiting.pop(done)
            try:
                ray.get(done)
            except ray.exceptions.RayError as error:
                raise_plainly(error, str(part))
            bench.log(f"{todo[part]}: done")


def estimate_maps(bench: Bench, seal: str, base: str, fold: int) -> None:
    """The task of one saliency base on one fold: the maps lie in the run's folder then."""
    _arrive(bench, seal)
    maps_of(bench, base, fold, parting_of(bench, fold))


def train_part(bench: Bench, seal: str, part: Part, threads: int, maps: None) -> None:
    """The task of one part; `maps` stands for the task that it waits for."""
    _arrive(bench, seal)
    one_part(replace(bench, log=lambda line: _say(f"{part}: {line.strip()}")), part, threads)


def _arrive(bench: Bench, seal: str) -> None:
    """Set up the worker as the run wants it, if it sees what it needs."""
    from salus.lab.training.backend import use_backend

    if _seal(bench.run) != seal:
        raise SalusError(
            f"{bench.run}: {platform.node()} does not see this run there; put it in a folder that all machines share"
        )
    image = bench.pairs.cases[0].image
    if not image.is_file():
        raise SalusError(f"{image}: {platform.node()} does not see the data; put them in a folder that all share")
    use_backend(bench.settings.backend)


def _seal(run: Path) -> str:
    """What tells a run's folder from others: empty where there is no run."""
    path = run / RUN_FILE
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _say(line: str) -> None:
    """A line of progress; Ray brings it to where the run was started."""
    print(line, flush=True)
