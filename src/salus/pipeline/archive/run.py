"""Segment an archive by a pool of Ray actors that hold a network each; Ray Data hands them the shards.

After a worker's death Ray repeats shards; a shard that exists is skipped. So each input is segmented into exactly one
shard, because a shard appears whole or not at all; see `salus.pipeline.archive.store`.
"""

from __future__ import annotations

import json
import logging
import platform
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from salus.errors import SalusError
from salus.pipeline.archive.inputs import list_inputs, write_inputs
from salus.pipeline.archive.shard import SHARDS, make_shard, shard_name
from salus.pipeline.archive.store import Store
from salus.pipeline.jobs import parse_frames
from salus.pipeline.output_folder import output_folder
from salus.pipeline.run import segmenter_settings
from salus.ray_cluster import RETRIES, raise_task_error, ray_cluster
from salus.segmentation.result import FOUND, NONE
from salus.segmentation.segmenter import Segmenter
from salus.write.tables import FAILED

ARCHIVE = "archive.json"
SHARD_SIZE = 1000
"""Inputs of a shard by default."""

MAX_BLOCKS = 10_000
"""Largest number of blocks into which Ray Data divides the list of shards."""


@dataclass(frozen=True)
class ArchiveOptions:
    """Options of a run over an archive.

    Attributes:
        out: OUT, a path or a URL.
        segmenter: options of `Segmenter`.
        frames: of cines, see `salus.pipeline.jobs.parse_frames`; None takes all.
        shard_size: inputs of a shard.
    """

    out: str
    segmenter: dict[str, Any]
    frames: str | None = None
    shard_size: int = SHARD_SIZE

    def __post_init__(self) -> None:
        """Check the frames and the shard size."""
        parse_frames(self.frames, 1)
        if self.shard_size < 1:
            raise SalusError(f"--shard-size {self.shard_size}: give 1 or more")


@dataclass(frozen=True)
class Plan:
    """Content of the file `ARCHIVE`, which a resumed run must share with the earlier one.

    Attributes:
        settings: that results depend on.
        frames: of cines.
        inputs: number of inputs.
        shards: number of shards.
        size: inputs of a shard.
    """

    settings: dict[str, Any]
    frames: str | None
    inputs: int
    shards: int
    size: int


@dataclass(frozen=True)
class ArchiveResult:
    """Result of a run over an archive.

    Attributes:
        inputs: number of inputs in the archive.
        shards: number of shards.
        kept: number of shards that an earlier run made.
        results: number of rows of all shards by result, see `salus.write.tables`.
    """

    inputs: int
    shards: int
    kept: int
    results: Counter[str]


def segment_archive(
    inputs: Sequence[str],
    options: ArchiveOptions,
    address: str | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    on_shard: Callable[[int, int], object] = lambda done, shards: None,
    on_warning: Callable[[str], object] = lambda line: None,
) -> ArchiveResult:
    """Segment the images that files, folders, globs and URLs stand for.

    Args:
        inputs: see `salus.pipeline.archive.inputs.list_inputs`; ignored where a run is resumed.
        options: of the run.
        address: of the Ray cluster, see `salus.ray_cluster.ray_cluster`.
        resume: continue the run in OUT.
        overwrite: remove the run in OUT and begin anew.
        on_shard: called with the number of finished shards, and of all.
        on_warning: called with one line for what is left out of the inputs.

    Raises:
        SalusError: no Ray; OUT holds a run, or one with other settings; another run writes there; no image; a machine
            that does not see OUT; or workers that die again and again.
        OSError: OUT cannot be read or written.
    """
    with ray_cluster(address) as ray, ExitStack() as held:
        store = Store(options.out)
        held.enter_context(output_folder(Path(store.root)) if store.is_local else nullcontext())
        plan = _make_plan(store, inputs, options, resume, overwrite, on_warning)
        names = store.names(SHARDS)
        todo = [shard for shard in range(plan.shards) if shard_name(shard) not in names]
        kept = plan.shards - len(todo)
        on_shard(kept, plan.shards)
        results = _count_results(store, [shard for shard in range(plan.shards) if shard_name(shard) in names])
        try:
            for done, counts in enumerate(_make_shards(ray, todo, options, plan), kept + 1):
                results += counts
                on_shard(done, plan.shards)
        except ray.exceptions.RayError as error:
            raise_task_error(error, options.out)
    return ArchiveResult(plan.inputs, plan.shards, kept, results)


class ShardWorker:
    """An actor of the pool, which loads the network once and makes shards.

    Args:
        options: of the run.
        plan: content of `ARCHIVE`, which the worker must find in OUT.
    """

    def __init__(self, options: ArchiveOptions, plan: Plan) -> None:
        self.options, self.store = options, Store(options.out)
        if not self.store.has(ARCHIVE) or _read_plan(self.store) != plan:
            raise SalusError(f"{options.out}: {platform.node()} does not see it; name a folder that all machines share")
        self.segmenter = Segmenter(**options.segmenter, threads=1)
        different = [name for name, value in segmenter_settings(self.segmenter).items() if plan.settings[name] != value]
        if different:
            raise SalusError(
                f"{platform.node()} has another {' and '.join(different)}; install the same on all machines"
            )

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Make a batch of shards; return the numbers of their rows by result, also for those that existed."""
        counts = [
            make_shard(self.store, shard, self.segmenter, self.options.frames) or _count_results(self.store, [shard])
            for shard in map(int, batch["shard"])
        ]
        return {result: np.array([count[result] for count in counts]) for result in (FOUND, NONE, FAILED)}


def _make_shards(ray: Any, todo: Sequence[int], options: ArchiveOptions, plan: Plan) -> Iterator[Counter[str]]:
    """Make shards by Ray Data; yield the numbers of rows by result of each, as it is finished."""
    if not todo:
        return
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    shards = ray.data.from_items([{"shard": shard} for shard in todo], override_num_blocks=min(len(todo), MAX_BLOCKS))
    actors = max(1, min(len(todo), int(ray.cluster_resources().get("CPU", 1))))  # more as the cluster grows
    results = shards.map_batches(
        ShardWorker,
        fn_constructor_args=(options, plan),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(
            min_size=1, max_size=len(todo), initial_size=actors, max_tasks_in_flight_per_actor=1
        ),
        num_cpus=1,  # the next line is deprecated, without a successor yet; so Ray has an upper limit in pyproject.toml
        ray_remote_args_fn=lambda: {"max_restarts": -1, "max_task_retries": RETRIES},
    )
    for row in results.iter_rows():
        yield Counter({result: int(row[result]) for result in (FOUND, NONE, FAILED)})


def _make_plan(
    store: Store,
    inputs: Sequence[str],
    options: ArchiveOptions,
    resume: bool,
    overwrite: bool,
    on_warning: Callable[[str], object],
) -> Plan:
    """Read the plan of a run that is resumed; else write a new one, for which OUT must hold no run."""
    settings = segmenter_settings(Segmenter(**options.segmenter, threads=1))
    if store.has(ARCHIVE) and not overwrite:
        if not resume:
            raise SalusError(
                f"{store.location}/{ARCHIVE} is there already; --resume goes on where an earlier run stopped, "
                "--overwrite replaces it, -o names another folder"
            )
        plan = _read_plan(store)
        earlier = {**plan.settings, "frames": plan.frames}
        different = [name for name, value in {**settings, "frames": options.frames}.items() if earlier[name] != value]
        if different:
            raise SalusError(
                f"{store.location}: was made with another {' and '.join(different)}; use the same again, give "
                "--overwrite in place of --resume, or name another folder with -o"
            )
        return plan
    for name in (ARCHIVE, SHARDS):
        store.remove(name)
    count, shards = write_inputs(store, list_inputs(inputs, options.out, on_warning), options.shard_size)
    plan = Plan(settings, options.frames, count, shards, options.shard_size)
    store.write(ARCHIVE, json.dumps(asdict(plan), indent=1).encode())
    return plan


def _read_plan(store: Store) -> Plan:
    try:
        return Plan(**json.loads(store.read(ARCHIVE)))
    except (ValueError, TypeError):
        raise SalusError(f"{store.location}/{ARCHIVE}: damaged; begin anew with --overwrite") from None


def _count_results(store: Store, shards: Sequence[int]) -> Counter[str]:
    """Count the rows of existing shards by result."""
    from pyarrow.parquet import read_table

    def count(shard: int) -> Counter[str]:
        with store.system.open(store.path(f"{SHARDS}/{shard_name(shard)}"), "rb") as file:
            return Counter(read_table(file, columns=["result"]).column("result").to_pylist())

    with ThreadPoolExecutor(8) as pool:
        return sum(pool.map(count, shards), Counter())
