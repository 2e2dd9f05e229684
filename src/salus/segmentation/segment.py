"""Outline the tumours of one image by a function; the network stays in memory between calls."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from salus.prompts.prompt import Numbers
from salus.read.inputs import ImageInput
from salus.segmentation.loading import network_path
from salus.segmentation.result import Segmentation
from salus.segmentation.segmenter import Segmenter


@lru_cache(maxsize=4)
def _cached_segmenter(path: Path, state: tuple[int, int] | None, **options: Any) -> Segmenter:
    """Open a segmenter, or return that of an earlier call; `state` tells a file from what its name held before."""
    return Segmenter(**options)


def _file_state(path: Path) -> tuple[int, int] | None:
    """Return when a file was changed, and its size; None where there is none."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size


def segment(
    image: ImageInput,
    *,
    points: Numbers = (),
    not_points: Numbers = (),
    box: Numbers | None = None,
    scribble: Numbers | None = None,
    prompt_map: np.ndarray | Path | str | None = None,
    network: Path | str | None = None,
    threshold: float | None = None,
    restraint: str | None = None,
    tta: bool | None = None,
    engine: str = "auto",
    threads: int | None = None,
    precision: str = "float32",
    device: str = "cpu",
    streams: int = 1,
) -> Segmentation:
    """Outline the tumours of one image; the network is loaded at the first call and kept.

    Args:
        image: an image file, its bytes or a binary stream of them; a Pillow image; a `Scan`; or an array, a PyTorch or
            JAX tensor, or anything with `__array__`, by this rule. Shape: (height, width), or (height, width, channels)
            with 1, 3 or 4 channels; several images go to `Segmenter.batch`. Integers from 0 to 255: 255 is white; wider
            ones are stretched from 0 to their maximum, as 16-bit files are. Floating point in 0..1: 1 is white; in
            0..255: 255 is white. NaN, and what fits no line of the rule, is refused.
        points: places (x, y) inside the lesion, in pixels from the image's upper left corner; for a network that takes
            prompts, as for the next four. See `salus.prompts.prompt.make_prompt`.
        not_points: places (x, y) outside it.
        box: (x0, y0, x1, y1) around it.
        scribble: places (x, y) along a line inside it.
        prompt_map: (height, width) in [0, 1], high where the lesion is; or the image file of one.
        network: an .onnx file that `salus train` wrote; None or "shipped" takes the one in the package.
        threshold: probability from which on a pixel is tumour; None takes the network's own.
        restraint: "none", "balanced" or "strict", how readily an image is left empty; see `Segmenter`.
        tta: average over several passes, see `Segmenter`; None does what the network was calibrated for.
        engine: see `Segmenter`, also for threads, precision, device and streams.

    Raises:
        SalusError: as `Segmenter`.

    Example:
        >>> from salus import make_phantom, segment
        >>> segment(make_phantom(3).image).network
        'salus-7'
    """
    path = network_path(network).absolute()
    segmenter = _cached_segmenter(
        path,
        _file_state(path),
        network=network,
        restraint=restraint,
        tta=tta,
        engine=engine,
        threads=threads,
        precision=precision,
        device=device,
        streams=streams,
    )
    return segmenter(
        image,
        points=points,
        not_points=not_points,
        box=box,
        scribble=scribble,
        prompt_map=prompt_map,
        threshold=threshold,
    )
