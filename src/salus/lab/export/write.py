"""Export a network: write the file, run it, compare it with the network, and only then move it to its place."""

from __future__ import annotations

import importlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import numpy as np

from salus.atomic import write_whole
from salus.data.phantom.make import make_phantom
from salus.errors import SalusError
from salus.lab.export.exportable import Arrays, ExportableNetwork, load_exportable
from salus.preprocess import resize, to_uint8

FORMATS = ("onnx", "openvino", "litert", "keras")
"""The formats, each with a module of its name."""

TOLERANCES = {"float16": 0.05, "int8": 0.2}
"""Largest difference allowed by the precision of weights; of float32 see `ExportableNetwork.tolerance`."""

PHANTOMS = 4
"""Number of phantoms that are compared, beside an image of noise."""


class Format(Protocol):
    """The module of a format.

    Attributes:
        ENDINGS: endings of its files' names, the default first.
        PRECISIONS: precisions in which weights can be stored.
    """

    ENDINGS: tuple[str, ...]
    PRECISIONS: tuple[str, ...]

    def write(self, network: ExportableNetwork, path: Path, precision: str) -> list[Path]:
        """Write the network to `path`, and return all files written."""

    def predict(self, network: ExportableNetwork, path: Path, inputs: Arrays) -> dict[str, np.ndarray]:
        """Predict with the file at `path`."""


@dataclass(frozen=True)
class ExportResult:
    """An exported network.

    Attributes:
        files: files that were written.
        difference: largest difference between their outputs and the network's, see `largest_difference`.
        bound: largest difference allowed.
    """

    files: tuple[Path, ...]
    difference: float
    bound: float


def export_network(
    net: str, kind: str, output: Path | None = None, precision: str = "float32", factory: str | None = None
) -> ExportResult:
    """Export a network.

    Args:
        net: the network, see `salus.lab.export.exportable`.
        kind: one of `FORMATS`.
        output: the file; None takes the network's name, in the current folder.
        precision: precision of the weights in the file, "float32" or one of `TOLERANCES`, if the format has it.
        factory: see `load_exportable`.

    Raises:
        SalusError: the network cannot be read or has no such format, the file exists, or it differs from the network
            by more than its bound; then nothing is left.
        OSError: the file cannot be written.
    """
    file_format = cast(Format, importlib.import_module(f"salus.lab.export.{kind}"))
    if precision not in file_format.PRECISIONS:
        raise SalusError(f"{kind} files have no {precision} weights; choose one of {', '.join(file_format.PRECISIONS)}")
    if output is not None and not output.name.endswith(file_format.ENDINGS):
        raise SalusError(f"{output}: {kind} files end with {' or '.join(file_format.ENDINGS)}")
    network = load_exportable(net, factory)
    path = output or Path(network.name + file_format.ENDINGS[0])
    if not path.parent.is_dir():
        raise SalusError(f"{path.parent}: no such folder; make it first")
    inputs = make_test_inputs(network)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".salus-export-") as folder:
        files = file_format.write(network, Path(folder) / path.name, precision)
        targets = tuple(path.parent / file.name for file in files)
        for target in targets:
            if target.exists():
                raise SalusError(f"{target}: exists already; name another file with -o")
        difference = largest_difference(file_format.predict(network, files[0], inputs), network.predict(inputs))
        bound = TOLERANCES.get(precision, network.tolerance)
        if not difference <= bound:
            raise SalusError(
                f"{path}: differs from {network.path} by {difference:.1e}, more than {bound:g}; not written"
            )
        for file, target in zip(files, targets, strict=True):
            write_whole(target, file.replace)
    return ExportResult(targets, difference, bound)


def make_test_inputs(network: ExportableNetwork) -> dict[str, np.ndarray]:
    """Make the inputs that are compared: phantoms with masks as maps, and noise; each (n, s, s, 1) float32."""
    shape, rng = (network.size, network.size), np.random.default_rng(0)
    phantoms = [make_phantom(seed) for seed in range(PHANTOMS)]
    images = [to_uint8(resize(phantom.image / np.float32(255), shape)) / np.float32(255) for phantom in phantoms]
    maps = [resize(phantom.mask.astype(np.float32), shape) for phantom in phantoms]
    noise = rng.random((2, *shape), np.float32)
    arrays = {"image": np.stack([*images, noise[0]]), "saliency": np.stack([*maps, noise[1]])}
    arrays["prompt"] = 2 * arrays["saliency"] - 1
    return {name: arrays[name][..., None] for name in network.input_names}


def largest_difference(outputs: Arrays, expected: Arrays) -> float:
    """Compute the largest difference of any output: absolute up to 1, relative to the expected value above 1.

    Raises:
        SalusError: an output is missing or has another shape.

    Example:
        >>> import numpy as np
        >>> largest_difference({"a": np.array([0.5, 22.0])}, {"a": np.array([0.25, 20.0])})
        0.25
    """
    largest = 0.0
    for name, values in expected.items():
        if name not in outputs or outputs[name].shape != values.shape:
            raise SalusError(f"the exported file has no output {name} of shape {values.shape}; not written")
        difference = float((np.abs(outputs[name] - values) / np.maximum(1, np.abs(values))).max())
        largest = max(largest, difference if np.isfinite(difference) else np.inf)
    return largest
