"""Export a trained segmentation network as the ONNX file that `salus.segmentation.segmenter` reads."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from salus.preprocess import Preprocessing

if TYPE_CHECKING:
    import keras

PARITY = 1e-4
"""Largest difference allowed between an output of the network and of its ONNX file."""

EXPORTED = ("probability", "saliency", "presence", "strangeness")
"""The outputs of the file."""

WHITENED = "whitened"
"""Name of the layer that holds the fitted whitening of the features."""

KNOWN_PERCENT = 99.5
"""Per cent of the known images whose strangeness is at most 1."""


def add_strangeness_output(model: keras.Model, images: np.ndarray) -> keras.Model:
    """Add the output "strangeness": how far an image's features are from those of known images.

    It is the Mahalanobis distance of the means of every stage's features under a shrunk covariance (Ledoit & Wolf
    2004), divided by the distance within which `KNOWN_PERCENT` per cent of the known images lie. The idea is of Lee
    et al. 2018, "A simple unified framework for detecting out-of-distribution samples".

    Args:
        model: of `segment_net`.
        images: (n, s, s) uint8, the known images.
    """
    from sklearn.covariance import LedoitWolf

    image = images[..., None] / np.float32(255)
    inputs = image if len(model.inputs) == 1 else {"image": image, "prompt": np.zeros_like(image)}  # no prompt
    features = model.predict(inputs, batch_size=32, verbose=0)["features"].astype(np.float64)
    fitted = LedoitWolf().fit(features)
    values, vectors = np.linalg.eigh(fitted.covariance_)
    whitening = vectors / np.sqrt(values)
    distance = np.sqrt((((features - fitted.location_) @ whitening) ** 2).mean(axis=1))
    whitening /= np.percentile(distance, KNOWN_PERCENT)
    shift = -fitted.location_ @ whitening
    return join_strangeness(model, whitening.astype(np.float32), shift.astype(np.float32))


def join_strangeness(model: keras.Model, whitening: np.ndarray, shift: np.ndarray) -> keras.Model:
    """Add the output "strangeness" (n, 1): the root mean square of the whitened features.

    Args:
        model: of `segment_net`.
        whitening: (d, d) float32, by which the d features are multiplied.
        shift: (d,) float32, which is then added.
    """
    import keras
    from keras import layers

    whiten = layers.Dense(len(shift), dtype="float32", name=WHITENED)
    whitened = whiten(model.output["features"])
    whiten.set_weights([whitening, shift])
    squared = layers.Multiply(dtype="float32", name="squared")([whitened, whitened])
    mean = layers.Dense(1, use_bias=False, dtype="float32", name="mean_square")
    mean_square = mean(squared)
    mean.set_weights([np.full((len(shift), 1), 1 / len(shift), np.float32)])
    strangeness = keras.ops.sqrt(mean_square)
    return keras.Model(model.input, {**model.output, "strangeness": strangeness}, name=model.name)


def export_segmenter(model: keras.Model, path: Path, settings: dict[str, Any]) -> float:
    """Write the network as the ONNX file that `salus.segmentation.segmenter` reads.

    Args:
        model: of `add_strangeness_output`.
        path: the .onnx file.
        settings: see `salus.segmentation.network.NetworkSettings`; other keys are kept in the file as they are.

    Returns:
        The largest difference between an output of the network and of the file, strangeness apart.

    Raises:
        SalusError: the difference exceeds `PARITY`.
    """
    import keras

    from salus.lab.networks.segment_net import in_file_order
    from salus.lab.onnx.export import export_onnx

    side = model.inputs[0].shape[1]
    return export_onnx(
        keras.Model(model.input, [model.output[name] for name in EXPORTED]),
        path,
        EXPORTED,
        settings | {"preprocessing": asdict(Preprocessing(side, side, settings.get("keep_aspect", False)))},
        PARITY,
        weights_of=in_file_order(model),
        unchecked=("strangeness",),
    )
