"""Predict the held-out images of each judged fold, and keep the predictions for calibration and scores."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from salus.atomic import write_whole
from salus.engine import open_network
from salus.errors import SalusError
from salus.lab.segmentation.config import NETWORK, PREDICTIONS
from salus.lab.training.cross_validation import CrossValidationData
from salus.lab.training.progress import Log
from salus.segmentation.network import NetworkSettings, predict
from salus.segmentation.postprocess import clipped_logit


@dataclass(frozen=True, eq=False)
class HeldOutPredictions:
    """The outputs of the judged folds' networks on their test images, before any calibration.

    Attributes:
        place: (n,) index of each image in the run's data.
        fold: (n,) fold of the network.
        logit: (n, s, s) float16, of the probability.
        presence: (n,) in [0, 1].
        strangeness: (n,).
    """

    place: np.ndarray
    fold: np.ndarray
    logit: np.ndarray
    presence: np.ndarray
    strangeness: np.ndarray


def write_held_out(
    folder: Path, data: CrossValidationData, test: np.ndarray, settings: NetworkSettings, log: Log
) -> None:
    """Predict a fold's test images with its network, and write the outputs to its folder.

    Args:
        folder: of the fold; holds its network.
        data: the images of the run.
        test: indices of the test images.
        settings: `tta` and `refine` say in which passes.
        log: called with lines of progress.
    """
    network = open_network(folder / NETWORK)
    logit = np.empty((len(test), *data.images.shape[1:]), np.float16)
    presence, strangeness = np.empty((2, len(test)))
    for row, index in enumerate(test):
        image = data.images[index][None, ..., None] / np.float32(255)
        outputs = predict(network, image, settings.tta, refine=settings.refine)
        logit[row] = clipped_logit(outputs["probability"][0, ..., 0])
        presence[row], strangeness[row] = outputs["presence"].item(), outputs["strangeness"].item()
        if (row + 1) % 200 == 0:
            log(f"  {row + 1} of {len(test)} held-out images")
    arrays = {"place": test, "logit": logit, "presence": presence, "strangeness": strangeness}
    write_whole(folder / PREDICTIONS, lambda temporary: np.savez_compressed(temporary, allow_pickle=False, **arrays))


def read_held_out(run: Path, folds: Iterable[int], data: CrossValidationData) -> HeldOutPredictions | None:
    """Read the predictions of the judged folds; None without any fold.

    Raises:
        SalusError: they are of other images than the data.
    """
    parts = []
    for fold in folds:
        with np.load(run / f"fold-{fold}" / PREDICTIONS, allow_pickle=False) as file:
            parts.append({name: file[name] for name in file.files} | {"fold": np.full(len(file["place"]), fold)})
    if not parts:
        return None
    if max(int(part["place"].max()) for part in parts) >= len(data.names):
        raise SalusError(f"{run}: its outputs are of other images; start a new run")
    return HeldOutPredictions(**{name: np.concatenate([part[name] for part in parts]) for name in parts[0]})
