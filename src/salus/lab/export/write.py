"""Export a network: write the file, run it, compare it with the network, and only then put it in its place."""

from __future__ import annotations

import importlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import numpy as np

from salus.data.phantom.make import make_phantom
from salus.errors import SalusError
from salus.lab.export.source import Source, Values, open_source
from salus.preprocess import resize, to_bytes

FORMATS = ("onnx", "openvino", "litert", "keras")
"""Each format's module."""

BOUNDS = {"float16": 0.05, "int8": 0.2}
"""By how much outputs may differ from the network's where weights are stored so; in float32 see `Source.parity`."""

PHANTOMS = 4
"""Images that are compared, beside one of noise."""


class Format(Protocol):
    """What a format's module has.

    Attributes:
        ENDINGS: of its files, the usual one first.
        PRECISIONS: in which weights can be stored.
    """

    ENDINGS: tuple[str, ...]
    PRECISIONS: tuple[str, ...]

    def write(self, source: Source, path: Path, precision: str) -> list[Path]:
        """Write the network at `path`; the files that were made."""

    def run(self, source: Source, path: Path, values: Values) -> dict[str, np.ndarray]:
        """What the written file answers."""


@dataclass(frozen=True)
class Exported:
    """An exported network.

    Attributes:
        files: that were written.
        difference: the largest between its outputs and the network's, see `largest_difference`.
        bound: what that may be at most.
    """

    files: tuple[Path, ...]
    difference: float
    bound: float


def export_network(
    net: str, kind: str, output: Path | None = None, precision: str = "float32", factory: str | None = None
) -> Exported:
    """Export a network.

    Args:
        net: see `salus.lab.export.source`.
        kind: one of `FORMATS`.
        output: the file; None takes the network's name, in the current folder.
        precision: of the weights in the file, "float32" or one of `BOUNDS`, if the format has it.
        factory: see `open_source`.

    Raises:
        SalusError: the network cannot be read or has no such format, the file exists or cannot be written, or it
            differs from the network by more than its bound; then nothing is left.
    """
    made = cast(Format, importlib.import_module(f"salus.lab.export.{kind}"))
    if precision not in made.PRECISIONS:
        raise SalusError(f"{kind} files have no {precision} weights; choose one of {', '.join(made.PRECISIONS)}")
    if output is not None and not output.name.endswith(made.ENDINGS):
        raise SalusError(f"{output}: {kind} files end with {' or '.join(made.ENDINGS)}")
    source = open_source(net, factory)
    path = output or Path(source.name + made.ENDINGS[0])
    if not path.parent.is_dir():
        raise SalusError(f"{path.parent}: no such folder; make it first")
    values = examples(source)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".salus-export-") as folder:
        files = made.write(source, Path(folder) / path.name, precision)
        targets = tuple(path.parent / file.name for file in files)
        for target in targets:
            if target.exists():
                raise SalusError(f"{target}: exists already; name another file with -o")
        difference = largest_difference(made.run(source, files[0], values), source.run(values))
        bound = BOUNDS.get(precision, source.parity)
        if not difference <= bound:
            raise SalusError(
                f"{path}: differs from {source.path} by {difference:.1e}, more than {bound:g}; not written"
            )
        for file, target in zip(files, targets, strict=True):
            os.replace(file, target)
    return Exported(targets, difference, bound)


def examples(source: Source) -> dict[str, np.ndarray]:
    """What is compared: phantoms with their masks as saliency, and noise with noise; each (n, s, s, 1) float32."""
    shape, rng = (source.size, source.size), np.random.default_rng(0)
    made = [make_phantom(seed) for seed in range(PHANTOMS)]
    images = [to_bytes(resize(one.image / np.float32(255), shape)) / np.float32(255) for one in made]
    maps = [resize(one.mask.astype(np.float32), shape) for one in made]
    noise = rng.random((2, *shape), np.float32)
    both = {"image": np.stack([*images, noise[0]]), "saliency": np.stack([*maps, noise[1]])}
    return {name: both[name][..., None] for name in source.inputs}


def largest_difference(found: Values, wanted: Values) -> float:
    """The largest |found - wanted| of any output: of a probability as it is, of what exceeds 1 in parts of itself.

    Raises:
        SalusError: an output is missing or has another shape.

    Example:
        >>> import numpy as np
        >>> largest_difference({"a": np.array([0.5, 22.0])}, {"a": np.array([0.25, 20.0])})
        0.25
    """
    largest = 0.0
    for name, right in wanted.items():
        if name not in found or found[name].shape != right.shape:
            raise SalusError(f"the exported file has no output {name} of shape {right.shape}; not written")
        difference = float((np.abs(found[name] - right) / np.maximum(1, np.abs(right))).max())
        largest = max(largest, difference if np.isfinite(difference) else np.inf)
    return largest
