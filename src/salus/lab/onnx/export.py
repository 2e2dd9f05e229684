"""Write a Keras model as an ONNX file of Salus, and check that the file computes what the model does.

Every ONNX file of Salus has outputs by name, a free first dimension called "batch", and its settings inside.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from salus.engine import SETTINGS, open_network
from salus.errors import SalusError
from salus.lab.onnx.weights import KEY, store_weight_names

if TYPE_CHECKING:
    import keras
    import onnx

BATCH = "batch"
"""The name of the free first dimension of every input and output."""


def export_onnx(
    model: keras.Model,
    path: Path,
    outputs: Sequence[str],
    settings: dict[str, Any],
    tolerance: float,
    *,
    weights_of: keras.Model | None = None,
    unchecked: Sequence[str] = (),
) -> float:
    """Write a model as an ONNX file and compare both on random images.

    Args:
        model: with one output or a list of outputs; its inputs are of fixed size, in [0, 1].
        path: the .onnx file.
        outputs: the name of each output.
        settings: plain values, stored in the file as JSON under the metadata key "salus".
        tolerance: largest difference allowed between an output of the model and of the file.
        weights_of: a network whose weights are found in the file and named in its settings, so that training can
            start from the file; see `salus.lab.onnx.weights`.
        unchecked: outputs that are not compared.

    Returns:
        The largest difference.

    Raises:
        SalusError: the difference exceeds the tolerance.
    """
    import onnx

    rng = np.random.default_rng(0)
    images = [rng.random((2, *port.shape[1:]), np.float32) for port in model.inputs]
    inputs: Any = images[0] if len(images) == 1 else images
    if isinstance(model.input, dict):
        inputs = {port.name: image for port, image in zip(model.inputs, images, strict=True)}
    predicted = model.predict(inputs, verbose=0)
    expected = dict(zip(outputs, predicted if isinstance(predicted, list) else [predicted], strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of NumPy, about a line in Keras's exporter
        model.export(path, format="onnx", verbose=False)
    graph = onnx.load(path)
    if weights_of is not None:
        settings = settings | {KEY: store_weight_names(graph, weights_of)}
    finalize_graph(graph, outputs, settings)
    onnx.save(graph, path)

    network = open_network(path)
    computed = network.run(dict(zip(network.inputs, images, strict=True)))
    difference = max(float(np.abs(computed[name] - expected[name]).max()) for name in outputs if name not in unchecked)
    if not difference <= tolerance:
        raise SalusError(f"{path}: differs from the network by {difference:.1e}, more than {tolerance:.0e}; not usable")
    return difference


def finalize_graph(graph: onnx.ModelProto, outputs: Sequence[str], settings: dict[str, Any]) -> None:
    """Name the outputs and the batch dimension of a converter's graph, and replace its metadata by settings.

    Args:
        graph: changed in place.
        outputs: a name for each output, in its order.
        settings: of the network; plain values.
    """
    import onnx

    names = dict(zip((port.name for port in graph.graph.output), outputs, strict=True))
    for node in graph.graph.node:
        node.output[:] = [names.get(name, name) for name in node.output]
        node.input[:] = [names.get(name, name) for name in node.input]
    for port in graph.graph.output:
        port.name = names[port.name]
    for port in (*graph.graph.input, *graph.graph.output):
        port.type.tensor_type.shape.dim[0].dim_param = BATCH
    onnx.helper.set_model_props(graph, {SETTINGS: json.dumps(settings)})
    onnx.checker.check_model(graph)
