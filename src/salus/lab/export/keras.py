"""Export published networks as Keras files in the authors' own graph, which their code can load."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from salus.errors import SalusError
from salus.lab.export.exportable import Arrays, ExportableNetwork

ENDINGS = (".keras", ".h5", ".weights.h5")
PRECISIONS = ("float32",)


def write(network: ExportableNetwork, path: Path, precision: str) -> list[Path]:
    """Write a whole model (.keras, .h5), which Keras loads without Salus, or the weights alone (.weights.h5).

    Raises:
        SalusError: the authors have not released the network as Keras code.
    """
    from salus.lab.export.import_keras import to_released_graph
    from salus.lab.networks.originals import ORIGINALS
    from salus.lab.training.backend import silence_framework_logs

    if network.architecture not in ORIGINALS:
        raise SalusError(
            f"{network.path}: Keras files are written of the released networks, {' and '.join(ORIGINALS)}, and this is "
            f"{network.architecture}; export it as onnx, openvino or litert"
        )
    model = to_released_graph(network.build_model(), network.architecture, network.size)
    with silence_framework_logs():
        model.save_weights(path) if path.name.endswith(".weights.h5") else model.save(path)
    return [path]


def predict(network: ExportableNetwork, path: Path, inputs: Arrays) -> dict[str, np.ndarray]:
    """Predict with the authors' network, built anew, and the file's weights; the file's configuration is not read."""
    from salus.lab.networks.originals import original

    model = original(network.architecture, network.size)
    model.load_weights(path)
    arrays = [inputs[name] for name in network.input_names]
    return {"probability": model.predict(arrays if len(arrays) > 1 else arrays[0], verbose=0)}
