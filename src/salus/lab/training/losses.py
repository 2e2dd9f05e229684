"""Losses of the networks, and the score that is logged while training."""

from __future__ import annotations

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="salus")
def dice_loss(truth: keras.KerasTensor, probability: keras.KerasTensor) -> keras.KerasTensor:
    """Compute the published Dice loss: 1 - (2 Σ y p + 1) / (Σ y + Σ p + 1), the sums over the whole batch.

    As in the notebooks of Vakanski, Xian & Freer (2020).

    Args:
        truth: y, (n, h, w, 1) of 0 and 1.
        probability: p, (n, h, w, 1) in [0, 1].

    Returns:
        A scalar in [0, 1).
    """
    y, p = ops.cast(truth, "float32"), ops.cast(probability, "float32")
    return 1 - (2 * ops.sum(y * p) + 1) / (ops.sum(y) + ops.sum(p) + 1)


@keras.saving.register_keras_serializable(package="salus")
def dsc(truth: keras.KerasTensor, probability: keras.KerasTensor) -> keras.KerasTensor:
    """Compute the DSC of each image at threshold 0.5, (n,); 1 where truth and prediction are empty. For logs only.

    Args:
        truth: (n, h, w, 1) of 0 and 1.
        probability: (n, h, w, 1) in [0, 1].
    """
    y, p = ops.cast(truth, "float32"), ops.cast(probability >= 0.5, "float32")
    both, areas = ops.sum(y * p, axis=(1, 2, 3)), ops.sum(y, axis=(1, 2, 3)) + ops.sum(p, axis=(1, 2, 3))
    return ops.where(areas > 0, 2 * both / ops.maximum(areas, 1), 1.0)


@keras.saving.register_keras_serializable(package="salus")
def outline_loss(truth: keras.KerasTensor, probability: keras.KerasTensor) -> keras.KerasTensor:
    """Compute cross-entropy plus the mean Dice loss of the images with a lesion; an image without one has no Dice.

    Args:
        truth: (n, h, w, 1) in [0, 1].
        probability: (n, h, w, 1) in [0, 1].

    Returns:
        A scalar, at least 0.
    """
    y, p = ops.cast(truth, "float32"), ops.cast(probability, "float32")
    safe = ops.clip(p, 1e-6, 1 - 1e-6)
    entropy = -ops.mean(y * ops.log(safe) + (1 - y) * ops.log(1 - safe))
    lesion = ops.cast(ops.max(y, axis=(1, 2, 3)) > 0, "float32")
    both, areas = ops.sum(y * p, axis=(1, 2, 3)), ops.sum(y, axis=(1, 2, 3)) + ops.sum(p, axis=(1, 2, 3))
    dice = 1 - (2 * both + 1) / (areas + 1)
    return entropy + ops.sum(lesion * dice) / ops.maximum(ops.sum(lesion), 1)


@keras.saving.register_keras_serializable(package="salus")
def saliency_loss(share: keras.KerasTensor, probability: keras.KerasTensor) -> keras.KerasTensor:
    """Compute cross-entropy, which calibrates a map, plus half of each image's Dice loss, which weighs sizes alike.

    Args:
        share: the share of each pixel that is tumour, (n, h, w, 1) in [0, 1].
        probability: (n, h, w, 1) in [0, 1].

    Returns:
        A scalar, at least 0.
    """
    y, p = ops.cast(share, "float32"), ops.cast(probability, "float32")
    safe = ops.clip(p, 1e-6, 1 - 1e-6)
    entropy = -ops.mean(y * ops.log(safe) + (1 - y) * ops.log(1 - safe))
    both, areas = ops.sum(y * p, axis=(1, 2, 3)), ops.sum(y, axis=(1, 2, 3)) + ops.sum(p, axis=(1, 2, 3))
    return entropy + 0.5 * ops.mean(1 - (2 * both + 1) / (areas + 1))
