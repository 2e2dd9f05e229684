"""A Keras network's weights inside its ONNX file: found at export, so that training can start from a shipped file.

The converter lays kernels out anew and calls them by names of its own. Each weight is therefore looked for by its
values, and the place and order of axes are noted in the file's settings under `KEY`.
"""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from salus.engine import SETTINGS
from salus.errors import SalusError

if TYPE_CHECKING:
    import keras
    import onnx

HALF = "_half"
"""What is added to the name of a weight that is stored as float16."""

KEY = "weights"
"""In the settings: for each of the model's weights, in Keras's order, [initializer, order of axes]."""


def note_weights(graph: onnx.ModelProto, model: keras.Model) -> list[list[Any]]:
    """Where each of a network's weights lies in its ONNX file.

    Args:
        graph: what the network was exported as.
        model: the network; only weights that are in the file are looked for.

    Raises:
        SalusError: a weight is not in the file as it is.
    """
    from onnx import numpy_helper

    by_size: dict[int, list[tuple[str, np.ndarray]]] = {}
    for tensor in graph.graph.initializer:
        values = numpy_helper.to_array(tensor)
        by_size.setdefault(values.size, []).append((tensor.name, values))
    found = []
    for weight in model.weights:
        values = np.asarray(weight)
        place = next((p for p in (_match(values, *one) for one in by_size.get(values.size, ())) if p), None)
        if place is None:
            raise SalusError(f"the exported file does not hold the weight {weight.path}; training cannot start from it")
        found.append(place)
    return found


def load_noted(model: keras.Model, path: Path) -> None:
    """Lay the weights of an ONNX file that `note_weights` described into a network.

    Raises:
        SalusError: the file is missing, damaged, holds no notes, or is of another network.
    """
    graph = _load(path)
    notes = read_settings(graph).get(KEY)
    if not notes:
        raise SalusError(f"{path}: says not where its weights lie; start from a file that salus train wrote")
    arrays = _arrays(graph)
    try:
        values = [arrays[name].reshape(shape).transpose(axes) for name, shape, axes in notes]
        model.set_weights(values)
    except (KeyError, ValueError, TypeError) as error:
        raise SalusError(f"{path}: is of another network than this ({' '.join(str(error).split())[:120]})") from None


def load_layer(path: Path, layer: str) -> tuple[np.ndarray, np.ndarray]:
    """A dense layer's kernel and bias, found by the name that the converter gives them.

    Raises:
        SalusError: the file cannot be read, or holds no such layer.
    """
    found = [value for name, value in sorted(_arrays(_load(path)).items()) if f"/{layer}" in name]
    kernel, bias = ([value for value in found if value.ndim == n] for n in (2, 1))
    if len(kernel) != 1 or len(bias) != 1:
        raise SalusError(f"{path}: holds no layer {layer}; start from a file that salus train wrote")
    return kernel[0], bias[0]


def read_settings(graph: onnx.ModelProto) -> dict[str, Any]:
    """What an ONNX file says of itself; empty where it says nothing."""
    kept: dict[str, Any] = json.loads({prop.key: prop.value for prop in graph.metadata_props}.get(SETTINGS, "{}"))
    return kept


def _load(path: Path) -> onnx.ModelProto:
    import onnx

    try:
        return onnx.load(path)
    except Exception as error:  # protobuf raises its own kinds
        raise SalusError(f"{path}: cannot be read as a network ({' '.join(str(error).split())[:120]})") from None


def _arrays(graph: onnx.ModelProto) -> dict[str, np.ndarray]:
    """The arrays of a file by name, as float32."""
    from onnx import numpy_helper

    return {
        tensor.name.removesuffix(HALF): numpy_helper.to_array(tensor).astype(np.float32)
        for tensor in graph.graph.initializer
    }


def _match(values: np.ndarray, name: str, stored: np.ndarray) -> list[Any] | None:
    """[name, shape, order of axes] where stored values are the weight's, their axes in another order; else None."""
    for axes in permutations(range(values.ndim)):
        shape = tuple(values.shape[axis] for axis in axes)  # what is stored, in the weight's own sides
        back = tuple(int(a) for a in np.argsort(axes))
        if np.array_equal(stored.reshape(shape).transpose(back), values):
            return [name, list(shape), list(back)]
    return None
