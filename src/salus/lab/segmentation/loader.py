"""Batches made ahead of the steps that take them: by a thread, or by several processes where a GPU waits for them."""

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
from typing import TYPE_CHECKING

import numpy as np

from salus.errors import SalusError
from salus.lab.segmentation.samples import Drawn, as_inputs, draw_batch

if TYPE_CHECKING:
    from salus.lab.segmentation.recipe import SegmentRecipe

AHEAD = 3
"""Batches that each maker has begun or finished before they are wanted."""


def batches(
    images: np.ndarray, masks: np.ndarray, recipe: SegmentRecipe, done: int, steps: int, processes: int = 0
) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
    """What the steps that are left take; the arguments are those of `drawn_batches`."""
    return (as_inputs(*drawn) for drawn in drawn_batches(images, masks, recipe, done, steps, processes))


def drawn_batches(
    images: np.ndarray, masks: np.ndarray, recipe: SegmentRecipe, done: int, steps: int, processes: int = 0
) -> Iterator[Drawn]:
    """Augmented batches of the steps that are left, each from (seed, step), made while the ones before are used.

    Args:
        images: (n, s, s) uint8.
        masks: (n, s, s) bool.
        recipe: the settings.
        done: steps that were made before.
        steps: of the whole training.
        processes: that make batches; 0 makes them in a thread of this process. The batches are the same.

    Raises:
        SalusError: a process that makes batches was killed.
    """
    with _makers(images, masks, recipe, processes) as begin:
        ahead = AHEAD * max(1, processes)
        waiting = deque(begin(step) for step in range(done, min(done + ahead, steps)))
        for step in range(done, steps):
            try:
                drawn = waiting.popleft().result()
                if step + ahead < steps:
                    waiting.append(begin(step + ahead))
            except BrokenProcessPool:
                raise SalusError("a process that makes batches was killed, perhaps for want of memory") from None
            yield drawn


@contextmanager
def _makers(
    images: np.ndarray, masks: np.ndarray, recipe: SegmentRecipe, processes: int
) -> Iterator[Callable[[int], Future[Drawn]]]:
    """What begins to draw a step's batch; the images reach other processes as files that all of them map."""
    lesion = np.asarray(masks.any(axis=(1, 2)))
    if not processes:
        with ThreadPoolExecutor(1) as pool:
            yield lambda step: pool.submit(draw_batch, images, masks, lesion, recipe, step)
        return
    with tempfile.TemporaryDirectory(prefix="salus-train-") as name:
        folder = Path(name)
        np.save(folder / "images.npy", images, allow_pickle=False)
        np.save(folder / "masks.npy", masks, allow_pickle=False)
        makers = ProcessPoolExecutor(processes, get_context("spawn"), _begin_maker, (folder, lesion, recipe))
        try:
            yield lambda step: makers.submit(_draw_mapped, step)
        finally:
            makers.shutdown(cancel_futures=True)


_mapped: tuple[np.ndarray, np.ndarray, np.ndarray, SegmentRecipe]
"""In a process that makes batches: what it makes them from."""


def _begin_maker(folder: Path, lesion: np.ndarray, recipe: SegmentRecipe) -> None:
    """Map the images; from now on Ctrl-C is the training's business, and its death is this process's."""
    global _mapped
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(folder,), daemon=True).start()
    images, masks = (np.load(folder / name, mmap_mode="r") for name in ("images.npy", "masks.npy"))
    _mapped = images, masks, lesion, recipe


def _end_with_parent(folder: Path) -> None:
    """After a `kill -9` of the training a maker would wait for ever, and the files would stay."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)


def _draw_mapped(step: int) -> Drawn:
    return draw_batch(*_mapped, step)
