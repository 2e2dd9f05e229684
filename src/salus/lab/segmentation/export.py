"""A trained segmentation network as the ONNX file that `salus.segmentation.segmenter` reads."""

from __future__ import annotations

import warnings
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from salus.errors import SalusError
from salus.preprocess import Preprocessing

if TYPE_CHECKING:
    import keras

PARITY = 1e-4
"""Largest difference allowed between the network's probabilities and its ONNX file's."""

EXPORTED = ("probability", "saliency", "presence", "strangeness")
WHITENED = "whitened"
"""The layer of the strangeness that holds what was fitted."""

KNOWN = 99.5
"""Per cent of the training images that lie within the limit of strangeness."""


def with_strangeness(model: keras.Model, images: np.ndarray) -> keras.Model:
    """The network with the output "strangeness": how far an image's features lie from those of known images.

    Mahalanobis's distance of the means of every stage's features under a shrunk covariance (Ledoit & Wolf 2004), over
    the distance within which `KNOWN` per cent of the known images lie (Lee et al. 2018, "A simple unified framework
    for detecting out-of-distribution samples", for the idea).

    Args:
        model: of `segment_net`.
        images: (n, s, s) uint8, the known images.
    """
    from sklearn.covariance import LedoitWolf

    inputs = images[..., None] / np.float32(255)
    known = model.predict(inputs, batch_size=32, verbose=0)["features"].astype(np.float64)
    fitted = LedoitWolf().fit(known)
    values, vectors = np.linalg.eigh(fitted.covariance_)
    whiten = vectors / np.sqrt(values)
    far = np.sqrt((((known - fitted.location_) @ whiten) ** 2).mean(axis=1))
    whiten /= np.percentile(far, KNOWN)
    return join_strangeness(model, whiten.astype(np.float32), (-fitted.location_ @ whiten).astype(np.float32))


def join_strangeness(model: keras.Model, whiten: np.ndarray, shift: np.ndarray) -> keras.Model:
    """The network with the output "strangeness" (n, 1), the root of the mean square of whitened features.

    Args:
        model: of `segment_net`.
        whiten: (d, d) float32, by which the d features are multiplied.
        shift: (d,) float32, which is then added.
    """
    import keras
    from keras import layers

    place = layers.Dense(len(shift), dtype="float32", name=WHITENED)
    z = place(model.output["features"])
    place.set_weights([whiten, shift])
    square = layers.Multiply(dtype="float32", name="squared")([z, z])
    mean = layers.Dense(1, use_bias=False, dtype="float32", name="mean_square")
    total = mean(square)
    mean.set_weights([np.full((len(shift), 1), 1 / len(shift), np.float32)])
    strangeness = keras.ops.sqrt(total)
    return keras.Model(model.input, {**model.output, "strangeness": strangeness}, name=model.name)


def export_segmenter(model: keras.Model, path: Path, settings: dict[str, Any]) -> float:
    """Write the network as the ONNX file that `salus.segmentation.segmenter` reads; the largest difference of a probability.

    Args:
        model: of `with_strangeness`.
        path: the .onnx file.
        settings: see `salus.segmentation.network.NetworkSettings`; more is kept as it is.

    Raises:
        SalusError: the file's probabilities differ from the network's by more than 1e-4.
    """
    import keras
    import onnx

    from salus.engine import open_network
    from salus.lab.networks.segment_net import OUTPUTS
    from salus.lab.onnx.graph import finish
    from salus.lab.onnx.weights import KEY, note_weights

    side = model.input_shape[1]
    listed = keras.Model(model.input, [model.output[name] for name in EXPORTED])
    listed(np.zeros((1, side, side, 1), np.float32))  # Keras exports what has been called
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of NumPy, about a line in Keras's exporter
        listed.export(path, format="onnx", verbose=False)
    graph = onnx.load(path)
    network = keras.Model(model.input, [model.output[name] for name in OUTPUTS])
    kept = settings | {"preprocessing": asdict(Preprocessing(side, side)), KEY: note_weights(graph, network)}
    finish(graph, EXPORTED, kept)
    onnx.save(graph, path)
    images = np.random.default_rng(0).random((2, side, side, 1), np.float32)
    wanted = model.predict(images, verbose=0)
    found = open_network(path).run({"image": images})
    difference = max(float(np.abs(found[name] - wanted[name]).max()) for name in EXPORTED[:3])
    if not difference <= PARITY:
        raise SalusError(f"{path}: differs from the network by {difference:.1e}, more than {PARITY:.0e}; not usable")
    return difference
