"""An archive, segmented by a pool of Ray actors that hold a network each; Ray Data hands them the shards.

What Ray repeats, after a worker's death, it repeats by shards; a shard that is written is passed over. So "exactly
once" hangs on nothing but that a shard appears whole or not at all, see `salus.pipeline.archive.store`.
"""

from __future__ import annotations

import json
import logging
import platform
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from salus.errors import SalusError
from salus.pipeline.archive.inputs import each_input, write_inputs
from salus.pipeline.archive.shard import SHARDS, make_shard, shard_name
from salus.pipeline.archive.store import Store
from salus.pipeline.jobs import frames_of
from salus.pipeline.run import settings_of
from salus.ray_cluster import RETRIES, raise_plainly, ray_cluster
from salus.segmentation.segmenter import Segmenter
from salus.write.tables import FAILED, FOUND, NONE

ARCHIVE = "archive.json"
SHARD_SIZE = 1000
BLOCKS = 10_000
"""Ray Data's pieces of the list of shards, at most."""


@dataclass(frozen=True)
class Order:
    """What an archive is made with.

    Attributes:
        out: OUT, a path or a URL.
        options: of `Segmenter`.
        frames: of cines, see `salus.pipeline.jobs.frames_of`; None takes all.
        size: inputs of a shard.
    """

    out: str
    options: dict[str, Any]
    frames: str | None = None
    size: int = SHARD_SIZE

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        frames_of(self.frames, 1)
        if self.size < 1:
            raise SalusError(f"--shard-size {self.size}: give 1 or more")


@dataclass(frozen=True)
class Plan:
    """ARCHIVE's content: what a run that goes on must have in common with the one that began.

    Attributes:
        settings: that results depend on.
        frames: of cines.
        inputs: how many there are.
        shards: likewise.
        size: inputs of a shard.
    """

    settings: dict[str, Any]
    frames: str | None
    inputs: int
    shards: int
    size: int


@dataclass(frozen=True)
class Outcome:
    """What a run over an archive did.

    Attributes:
        inputs: in the archive.
        shards: likewise.
        kept: shards of an earlier run.
        results: rows of all shards by result, see `salus.write.tables`.
    """

    inputs: int
    shards: int
    kept: int
    results: Counter[str]


def segment_archive(
    given: Sequence[str],
    order: Order,
    address: str | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    told: Callable[[int, int], object] = lambda done, shards: None,
) -> Outcome:
    """Segment what files, folders, globs and URLs stand for.

    Args:
        given: see `salus.pipeline.archive.inputs.each_input`; not looked at where a run goes on.
        order: what to make.
        address: of the Ray cluster, see `salus.ray_cluster.ray_cluster`.
        resume: go on with the run in OUT.
        overwrite: begin anew, and remove the run in OUT.
        told: called with the number of shards that are there, and of all.

    Raises:
        SalusError: no Ray; OUT holds a run, or one with other settings; no image; a machine that does not see OUT; or
            workers that die again and again.
        OSError: OUT cannot be read or written.
    """
    with ray_cluster(address) as ray:
        store = Store(order.out)
        plan = _planned(store, given, order, resume, overwrite)
        names = store.names(SHARDS)
        todo = [shard for shard in range(plan.shards) if shard_name(shard) not in names]
        kept = plan.shards - len(todo)
        told(kept, plan.shards)
        results = _counted(store, [shard for shard in range(plan.shards) if shard_name(shard) in names])
        try:
            for done, counts in enumerate(_made(ray, todo, order, plan), kept + 1):
                results += counts
                told(done, plan.shards)
        except ray.exceptions.RayError as error:
            raise_plainly(error, order.out)
    return Outcome(plan.inputs, plan.shards, kept, results)


class ShardWorker:
    """An actor of the pool: a network, loaded once, that makes shards.

    Args:
        order: what to make.
        plan: ARCHIVE's content, which it must find in OUT.
    """

    def __init__(self, order: Order, plan: Plan) -> None:
        self.order, self.store = order, Store(order.out)
        if not self.store.has(ARCHIVE) or _read_plan(self.store) != plan:
            raise SalusError(f"{order.out}: {platform.node()} does not see it; name a folder that all machines share")
        self.segmenter = Segmenter(**order.options, threads=1)
        other = [name for name, value in settings_of(self.segmenter).items() if plan.settings[name] != value]
        if other:
            raise SalusError(f"{platform.node()} has another {' and '.join(other)}; install the same on all machines")

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Make shards; the counts of what was found, of those already there as well."""
        found = [
            make_shard(self.store, int(shard), self.segmenter, self.order.frames) or _counted(self.store, [int(shard)])
            for shard in batch["shard"]
        ]
        return {name: np.array([counts[name] for counts in found]) for name in (FOUND, NONE, FAILED)}


def _made(ray: Any, todo: Sequence[int], order: Order, plan: Plan) -> Iterator[Counter[str]]:
    """Make shards by Ray Data; the counts of each, as they are through."""
    if not todo:
        return
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    shards = ray.data.from_items([{"shard": shard} for shard in todo], override_num_blocks=min(len(todo), BLOCKS))
    first = max(1, min(len(todo), int(ray.cluster_resources().get("CPU", 1))))  # more as the cluster grows
    made = shards.map_batches(
        ShardWorker,
        fn_constructor_args=(order, plan),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(
            min_size=1, max_size=len(todo), initial_size=first, max_tasks_in_flight_per_actor=1
        ),
        num_cpus=1,  # the next line is deprecated, without a successor yet; so Ray has an upper limit in pyproject.toml
        ray_remote_args_fn=lambda: {"max_restarts": -1, "max_task_retries": RETRIES},
    )
    for row in made.iter_rows():
        yield Counter({name: int(row[name]) for name in (FOUND, NONE, FAILED)})


def _planned(store: Store, given: Sequence[str], order: Order, resume: bool, overwrite: bool) -> Plan:
    """The plan of the run in OUT where one goes on; else a new one, for which the place must be free."""
    settings = settings_of(Segmenter(**order.options, threads=1))
    if store.has(ARCHIVE) and not overwrite:
        if not resume:
            raise SalusError(
                f"{store.place}/{ARCHIVE} is there already; --resume goes on where an earlier run stopped, --overwrite "
                "replaces it, -o names another folder"
            )
        plan = _read_plan(store)
        wanted = {**settings, "frames": order.frames}
        other = [name for name, value in wanted.items() if {**plan.settings, "frames": plan.frames}[name] != value]
        if other:
            raise SalusError(
                f"{store.place}: was made with another {' and '.join(other)}; use the same again, give --overwrite in "
                "place of --resume, or name another folder with -o"
            )
        return plan
    for name in (ARCHIVE, SHARDS):
        store.remove(name)
    inputs, shards = write_inputs(store, each_input(given), order.size)
    plan = Plan(settings, order.frames, inputs, shards, order.size)
    store.write(ARCHIVE, json.dumps(asdict(plan), indent=1).encode())
    return plan


def _read_plan(store: Store) -> Plan:
    try:
        return Plan(**json.loads(store.read(ARCHIVE)))
    except (ValueError, TypeError):
        raise SalusError(f"{store.place}/{ARCHIVE}: damaged; begin anew with --overwrite") from None


def _counted(store: Store, shards: Sequence[int]) -> Counter[str]:
    """Rows of written shards by result."""
    from pyarrow.parquet import read_table

    def count(shard: int) -> Counter[str]:
        with store.system.open(store.path(f"{SHARDS}/{shard_name(shard)}"), "rb") as file:
            return Counter(read_table(file, columns=["result"]).column("result").to_pylist())

    with ThreadPoolExecutor(8) as pool:
        return sum(pool.map(count, shards), Counter())
