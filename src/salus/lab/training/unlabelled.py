"""Read images without a mask, which `salus train --unlabelled` learns from by self-training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from salus.data.case import Case
from salus.data.duplicates import cluster_hashes, perceptual_hash
from salus.data.fingerprint import fingerprint
from salus.data.layouts import read_data_set
from salus.data.prepare import prepare
from salus.errors import SalusError
from salus.lab.training.progress import Log


@dataclass(frozen=True, eq=False)
class UnlabelledImages:
    """Images without a mask.

    Attributes:
        images: (m, s, s) uint8.
        cases: the file of each image, by the name of its data set.
    """

    images: np.ndarray
    cases: dict[str, tuple[Case, ...]]

    def fingerprints(self) -> dict[str, str]:
        """Return the SHA-256 of each data set's images by its name."""
        return {name: fingerprint(cases)["sha256"] for name, cases in self.cases.items()}


def read_unlabelled(
    folders: Sequence[str],
    labelled: np.ndarray,
    *,
    keep_aspect: bool,
    skip_bad: bool = False,
    log: Log = print,
) -> UnlabelledImages:
    """Read the images without a mask of some data sets, at the size of the labelled ones.

    An image that shows the same scan as a labelled one is left out: a network would see it in training where its like
    is held out.

    Args:
        folders: of the data sets; of one that has masks too, the images without are read.
        labelled: (n, s, s) uint8, the images with masks.
        keep_aspect: keep each image's aspect ratio by black bars, in place of squashing it.
        skip_bad: leave out images that cannot be read, instead of stopping.
        log: called with lines of progress.

    Raises:
        SalusError: a folder holds no image without a mask, or an image cannot be read.
    """
    images: list[np.ndarray] = []
    kept: dict[str, tuple[Case, ...]] = {}
    for folder in folders:
        name = name_set(folder)
        if name in kept:
            raise SalusError(f"{folder}: another folder after --unlabelled is called {name} too; rename one")
        data_set = read_data_set(folder)
        for remark in data_set.remarks:
            log(f"note: {remark}")
        cases = [replace(case, masks=()) for case in data_set if case.masks is None]
        if not cases:
            raise SalusError(f"{folder}: every image has a mask; name it among the data sets, not after --unlabelled")
        bad: list[str] = []
        pairs = prepare(cases, labelled.shape[1], keep_aspect=keep_aspect, bad=bad)
        if bad and not skip_bad:
            raise SalusError(f"{len(bad)} images cannot be used, e.g. {bad[0]}; mend them, or go on: --skip-bad")
        for line in bad:
            log(f"left out: {line}")
        new = ~shows_known_scan(pairs.images, labelled)
        repeated = f"; {(~new).sum()} left out, as they show the scan of a labelled image" if not new.all() else ""
        log(f"{folder}: {new.sum()} images without a mask{repeated}")
        images.append(pairs.images[new])
        kept[name] = tuple(case for case, is_new in zip(pairs.cases, new, strict=True) if is_new)
    together = np.concatenate(images)
    if not len(together):
        raise SalusError(f"{', '.join(folders)}: every image shows the scan of a labelled one; leave out --unlabelled")
    return UnlabelledImages(together, kept)


def name_set(folder: str) -> str:
    """Return the name of a data set: its folder's, or of a folder "images" that of the one which holds it.

    Example:
        >>> name_set("scans/hospital/images"), name_set("scans/hospital")
        ('hospital', 'hospital')
    """
    path = Path(folder).resolve()
    return path.parent.name if path.name == "images" else path.name


def shows_known_scan(images: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Tell which images are near-duplicates of a known image.

    Args:
        images: (m, s, s) uint8.
        known: (n, s, s) uint8.

    Returns:
        (m,) bool.
    """
    m = len(images)
    hashes = {str(i): perceptual_hash(image / np.float32(255)) for i, image in enumerate([*images, *known])}
    shown = np.zeros(m, bool)
    for cluster in cluster_hashes(hashes).clusters:
        members = np.array([int(name) for name in cluster])
        if (members >= m).any():
            shown[members[members < m]] = True
    return shown
