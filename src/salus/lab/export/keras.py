"""Keras files of the published networks, in the authors' own graph, so that their code loads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from salus.errors import SalusError
from salus.lab.export.source import Source, Values

ENDINGS = (".keras", ".h5", ".weights.h5")
PRECISIONS = ("float32",)


def write(source: Source, path: Path, precision: str) -> list[Path]:
    """Write a whole model (.keras, .h5), which Keras loads without Salus, or its weights alone (.weights.h5).

    Raises:
        SalusError: the network is none of those that are released as Keras code.
    """
    from salus.lab.export.import_keras import as_released
    from salus.lab.networks.originals import ORIGINALS
    from salus.lab.training.backend import no_chatter

    if source.network not in ORIGINALS:
        raise SalusError(
            f"{source.path}: Keras files are written of the released networks, {' and '.join(ORIGINALS)}, and this is "
            f"{source.network}; export it as onnx, openvino or litert"
        )
    theirs = as_released(source.model(), source.network, source.size)
    with no_chatter():
        theirs.save_weights(path) if path.name.endswith(".weights.h5") else theirs.save(path)
    return [path]


def run(source: Source, path: Path, values: Values) -> dict[str, np.ndarray]:
    """The answers of the authors' network, built anew, with the file's weights; its configuration is not read."""
    from salus.lab.networks.originals import original

    model = original(source.network, source.size)
    model.load_weights(path)
    given = [values[name] for name in source.inputs]
    return {"probability": model.predict(given if len(given) > 1 else given[0], verbose=0)}
