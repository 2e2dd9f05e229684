"""TODO."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from salus.errors import SalusError
from salus.lab.segmentation.config import NETWORK, RAW
from salus.lab.training.cross_validation import Pool
from salus.lab.training.progress import Log
from salus.lab.training.run_folder import write_by_rename


@dataclass(frozen=True, eq=False)
class Raw:
    """What the judged folds' networks said of their test images, before any calibration.

    Attributes:
        place: (n,) of each image in the pool.
        fold: (n,) which network.
        logit: (n, s, s) float16, of the outline.
        presence: (n,) in [0, 1].
        strangeness: (n,).
    """

    place: np.ndarray
    fold: np.ndarray
    logit: np.ndarray
    presence: np.ndarray
    strangeness: np.ndarray


def write_raw(folder: Path, pool: Pool, test: np.ndarray, tta: bool, log: Log) -> None:
    """Ask a fold's network for its test images, and keep what it said."""
    from salus.engine import open_network
    from salus.segmentation.network import ask
    from salus.segmentation.postprocess import to_logit

    network = open_network(folder / NETWORK)
    logit = np.empty((len(test), *pool.images.shape[1:]), np.float16)
    others = np.empty((2, len(test)))
    for index, place in enumerate(test):
        found = ask(network, pool.images[place][None, ..., None] / np.float32(255), tta)
        logit[index] = to_logit(found["probability"][0, ..., 0])
        others[:, index] = found["presence"].item(), found["strangeness"].item()
        if (index + 1) % 200 == 0:
            log(f"  {index + 1} of {len(test)} held-out images")

    def write(path: Path) -> None:
        with path.open("wb") as file:
            np.savez_compressed(
                file, allow_pickle=False, place=test, logit=logit, presence=others[0], strangeness=others[1]
            )

    write_by_rename(folder / RAW, write)


def read_raw(run: Path, folds: range, pool: Pool) -> Raw | None:
    """The held-out outputs of the judged folds; None without any."""
    parts = []
    for fold in folds:
        with np.load(run / f"fold-{fold}" / RAW, allow_pickle=False) as file:
            parts.append({name: file[name] for name in file.files} | {"fold": np.full(len(file["place"]), fold)})
    if not parts:
        return None
    if max(int(part["place"].max()) for part in parts) >= len(pool.names):
        raise SalusError(f"{run}: its outputs are of other images; start a new run")
    return Raw(**{name: np.concatenate([part[name] for part in parts]) for name in parts[0]})
