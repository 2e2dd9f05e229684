"""Write data sets of images with masks as pictures, in the layouts that hospitals and papers use.

The layouts of annotation tools are written by their own modules in `salus.data.layouts`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from salus.data.layouts.colours import BENIGN, MALIGNANT
from salus.data.layouts.sample import Sample
from salus.errors import SalusError

MANIFEST = ("name", "image", "mask", "saliency", "patient", "label", "fold", "source")
"""Columns of a manifest."""


def write_manifest(root: Path, samples: Iterable[Sample]) -> None:
    """Write images/, masks/, saliency/ where there are maps, and a manifest.csv that names them: nothing is lost."""
    rows = []
    for part in ("images", "masks"):
        (root / part).mkdir()
    for sample in samples:
        case = sample.case
        image, mask, saliency = sample.save_image(root / "images"), "", ""
        if sample.mask is not None:
            mask = f"masks/{sample.name}.png" if sample.mask.any() else "none"
        if sample.mask is not None and sample.mask.any():
            sample.save_mask(root / mask)
        if case.saliency is not None:
            saliency = _save_saliency(root, sample)
        fold = "" if sample.fold is None else sample.fold
        rows.append((sample.name, f"images/{image.name}", mask, saliency, case.patient, case.label, fold, case.source))
    _write_table(root / "manifest.csv", MANIFEST, rows)


def write_published(root: Path, samples: Iterable[Sample]) -> None:
    """Write images/, masks/, saliency/ where there are maps, and manifest.csv with labels and patients."""
    rows = []
    for part in ("images", "masks"):
        (root / part).mkdir()
    for sample in samples:
        sample.save_image(root / "images")
        if sample.mask is not None:
            sample.save_mask(root / "masks" / f"{sample.name}.png")
        if sample.case.saliency is not None:
            _save_saliency(root, sample)
        rows.append((sample.name, sample.case.label, sample.case.patient))
    _write_table(root / "manifest.csv", ("name", "label", "patient"), rows)


def write_pairs(root: Path, samples: Iterable[Sample]) -> None:
    """Write NAME.png and NAME_mask.png side by side; an image without a tumour has an empty mask."""
    for sample in samples:
        sample.save_image(root)
        if sample.mask is not None:
            sample.save_mask(root / f"{sample.name}_mask.png")


def write_busi(root: Path, samples: Iterable[Sample]) -> None:
    """Write BUSI's folders benign, malignant and normal.

    Raises:
        SalusError: an image has no label, or is normal without a mask, which BUSI takes for tumour-free.
    """
    for sample in samples:
        label = _label(sample, "busi")
        if sample.mask is None and label == "normal":
            raise SalusError(f"{sample.case.image}: is unlabelled, and the layout busi cannot say so of a normal image")
        (root / label).mkdir(exist_ok=True)
        sample.save_image(root / label)
        if sample.mask is not None:
            sample.save_mask(root / label / f"{sample.name}_mask.png")


def write_busbra(root: Path, samples: Iterable[Sample]) -> None:
    """Write BUS-BRA's Images/, Masks/, bus_data.csv and, where there are folds, 5-fold-cv.csv."""
    rows, folds = [], []
    for part in ("Images", "Masks"):
        (root / part).mkdir()
    for sample in samples:
        sample.save_image(root / "Images")
        if sample.mask is not None:
            sample.save_mask(root / "Masks" / f"mask_{sample.name.removeprefix('bus_')}.png")
        rows.append((sample.name, (sample.case.patient or "").removeprefix("busbra-"), sample.case.label))
        if sample.fold is not None:
            folds.append((sample.name, sample.case.label, sample.fold))
    _write_table(root / "bus_data.csv", ("ID", "Case", "Pathology"), rows)
    if folds:
        _write_table(root / "5-fold-cv.csv", ("ID", "Pathology", "kFold"), folds)


def write_colours(root: Path, samples: Iterable[Sample]) -> None:
    """Write images/ and masks/, green for benign lesions and red for malignant ones.

    Raises:
        SalusError: an image with a lesion has no label, or is labelled normal.
    """
    for part in ("images", "masks"):
        (root / part).mkdir()
    for sample in samples:
        sample.save_image(root / "images")
        if sample.mask is None:
            continue
        values = np.zeros((*sample.mask.shape, 3), np.uint8)
        if sample.mask.any():
            label = _label(sample, "colours")
            if label == "normal":
                raise SalusError(f"{sample.case.image}: is labelled normal, but has a lesion; correct one of the two")
            values[sample.mask] = MALIGNANT if label == "malignant" else BENIGN
        Image.fromarray(values).save(root / "masks" / f"{sample.name}.png")


def _label(sample: Sample, layout: str) -> str:
    if sample.case.label is None:
        raise SalusError(
            f"{sample.case.image}: has no label, which the layout {layout} needs; convert to published or manifest"
        )
    return sample.case.label


def _save_saliency(root: Path, sample: Sample) -> str:
    """Write a saliency map as 8-bit PNG; return its path from the root."""
    (root / "saliency").mkdir(exist_ok=True)
    values = np.round(255 * sample.case.read_saliency().pixels).astype(np.uint8)
    Image.fromarray(values).save(root / "saliency" / f"{sample.name}.png")
    return f"saliency/{sample.name}.png"


def _write_table(path: Path, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([columns, *rows])
