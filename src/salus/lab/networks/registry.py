"""Build networks by name: Salus's own, and a researcher's as `package.module:factory`."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable

import keras

from salus.errors import SalusError
from salus.lab.networks.sa_unet import sa_unet
from salus.lab.networks.unet import WIDE, unet

NETWORKS: dict[str, Callable[[int], keras.Model]] = {
    "unet": lambda size: unet(size),
    "sa-unet": lambda size: sa_unet(size, "released"),
    "sa-unet-figure": lambda size: sa_unet(size, "figure"),
    "sa-unet-mended": lambda size: sa_unet(size, "mended"),
    "unet-wide": lambda size: unet(size, WIDE),
    "unet-two-channels": lambda size: unet(size, saliency=True),
}
"""Builder of each network; takes the height and width of the input."""

PUBLISHED = ("unet", "sa-unet", "sa-unet-figure")
"""Networks that the authors published, in one form or another."""


def build_network(name: str, size: int = 256) -> keras.Model:
    """Build a network.

    Args:
        name: one of `NETWORKS`, or "package.module:factory", a function that returns a Keras model. It gets size=SIZE
            where it has such a parameter. Its inputs: an image (n, size, size, 1), and if there are two a saliency map
            of the same shape; its output: a probability of that shape.
        size: height and width of the input.

    Raises:
        SalusError: unknown name, factory not importable, or a model whose shapes do not fit.
    """
    if name in NETWORKS:
        return NETWORKS[name](size)
    if ":" not in name:
        raise SalusError(
            f"unknown network {name!r}; choose one of {', '.join(NETWORKS)}, or name your own as package.module:factory"
        )
    module, _, function = name.partition(":")
    try:
        factory = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise SalusError(f"{name}: cannot be imported ({error}); is its folder on PYTHONPATH?") from None
    takes_size = "size" in inspect.signature(factory).parameters
    model = factory(size=size) if takes_size else factory()
    if not isinstance(model, keras.Model):
        raise SalusError(f"{name}: returned {type(model).__name__}; it must return a keras.Model")
    _check_shapes(name, model, size)
    return model


def takes_saliency(model: keras.Model) -> bool:
    """Tell whether the model's second input is a saliency map."""
    return len(model.inputs) == 2


def _check_shapes(name: str, model: keras.Model, size: int) -> None:
    shapes = [tuple(x.shape) for x in [*model.inputs, *model.outputs]]
    fits = all(len(s) == 4 and s[1] in (None, size) and s[2] in (None, size) and s[3] == 1 for s in shapes)
    if len(model.inputs) not in (1, 2) or len(model.outputs) != 1 or not fits:
        raise SalusError(
            f"{name}: inputs and output have the shapes {shapes}; wanted: image (n, {size}, {size}, 1), maybe a "
            "saliency map of that shape, and one output of that shape"
        )
