"""Make batches ahead of the steps that use them: in a thread, or in several processes where a GPU waits for them."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from salus.errors import SalusError
from salus.lab.segmentation.samples import Batch, sample_batch, to_inputs_and_targets

if TYPE_CHECKING:
    from salus.lab.segmentation.recipe import SegmentationRecipe

PREFETCH = 3
"""Batches per worker that are begun or finished before they are used."""


def load_batches(
    images: np.ndarray, masks: np.ndarray, recipe: SegmentationRecipe, finished: int, steps: int, processes: int = 0
) -> Iterator[tuple[Any, dict[str, np.ndarray]]]:
    """Make the inputs and targets of the steps that are left; the arguments are those of `sample_batches`."""
    samples = sample_batches(images, masks, recipe, finished, steps, processes)
    return (to_inputs_and_targets(batch) for batch in samples)


def sample_batches(
    images: np.ndarray, masks: np.ndarray, recipe: SegmentationRecipe, finished: int, steps: int, processes: int = 0
) -> Iterator[Batch]:
    """Make the augmented batches of the steps that are left, each while earlier ones are used.

    Args:
        images: (n, s, s) uint8.
        masks: (n, s, s) bool.
        recipe: the settings.
        finished: number of steps that were made before.
        steps: of the whole training.
        processes: number of worker processes; 0 works in a thread of this process. The batches are the same.

    Raises:
        SalusError: a worker process was killed.
    """
    with _start_workers(images, masks, recipe, processes) as submit:
        ahead = PREFETCH * max(1, processes)
        waiting = deque(submit(step) for step in range(finished, min(finished + ahead, steps)))
        for step in range(finished, steps):
            try:
                batch = waiting.popleft().result()
                if step + ahead < steps:
                    waiting.append(submit(step + ahead))
            except BrokenProcessPool:
                raise SalusError("a process that makes batches was killed, perhaps for want of memory") from None
            yield batch


@contextmanager
def _start_workers(
    images: np.ndarray, masks: np.ndarray, recipe: SegmentationRecipe, processes: int
) -> Iterator[Callable[[int], Future[Batch]]]:
    """Yield a function that submits a step; worker processes map the images from files that they share."""
    lesion = np.asarray(masks.any(axis=(1, 2)))
    if not processes:
        with ThreadPoolExecutor(1) as thread:
            yield lambda step: thread.submit(sample_batch, images, masks, lesion, recipe, step)
        return
    with tempfile.TemporaryDirectory(prefix="salus-train-") as name:
        folder = Path(name)
        np.save(folder / "images.npy", images, allow_pickle=False)
        np.save(folder / "masks.npy", masks, allow_pickle=False)
        workers = ProcessPoolExecutor(processes, get_context("spawn"), _start_worker, (folder, lesion, recipe))
        try:
            yield lambda step: workers.submit(_sample_mapped, step)
        finally:
            workers.shutdown(cancel_futures=True)


_worker_data: tuple[np.ndarray, np.ndarray, np.ndarray, SegmentationRecipe]
"""In a worker process: images, masks, which of them show a tumour, and the recipe."""


def _start_worker(folder: Path, lesion: np.ndarray, recipe: SegmentationRecipe) -> None:
    """Map the images, leave Ctrl-C to the training process, and end when it ends."""
    global _worker_data
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(folder,), daemon=True).start()
    images, masks = (np.load(folder / name, mmap_mode="r") for name in ("images.npy", "masks.npy"))
    _worker_data = images, masks, lesion, recipe


def _end_with_parent(folder: Path) -> None:
    """Wait for the end of the training process: after its `kill -9` this worker and the files would stay for ever."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)


def _sample_mapped(step: int) -> Batch:
    return sample_batch(*_worker_data, step)
