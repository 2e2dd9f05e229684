"""Scores of predictions against truth, a row an image and resolution: the benchmark's and anyone else's, by one code.

Each image is scored twice: at the networks' size ("network", 256 x 256 as published) and at its own ("native", the
probability resized back before it is cut at the threshold).
"""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from salus.data.case import Case
from salus.data.layouts import read_data_set
from salus.data.layouts.files import images_by_stem
from salus.errors import SalusError
from salus.metrics.segmentation import SCORES, score
from salus.preprocess import resize
from salus.read.image import read_labels
from salus.segmentation.result import Segmentation
from salus.segmentation.segmenter import Segmenter

Row = dict[str, Any]


def rows_of(
    network: str,
    fold: int,
    cases: Sequence[Case],
    masks: np.ndarray,
    probability: np.ndarray,
    threshold: float = 0.5,
) -> list[Row]:
    """Score a network's probabilities.

    Args:
        network: its name.
        fold: the fold's number.
        cases: n cases.
        masks: (n, s, s) bool, the truth at the network's size.
        probability: (n, s, s) float in [0, 1].
        threshold: from which a pixel is lesion.
    """
    rows = []
    for case, truth, p in zip(cases, masks, probability, strict=True):
        scan_shape = case.read_image().shape
        native_truth = case.read_mask(scan_shape)
        native_p = resize(p, scan_shape)
        for resolution, t, q in (("network", truth, p), ("native", native_truth, native_p)):
            rows.append(_row(network, fold, case, resolution, t, q >= threshold, q))
    return rows


def prediction_rows(name: str, fold: int, case: Case, path: Path, size: int = 256, *, graded: bool) -> list[Row]:
    """Score one image's prediction made elsewhere (another program, a radiologist), at both resolutions.

    Args:
        name: who made it.
        fold: the fold in which the case is tested.
        case: a labelled case.
        path: the prediction, of the image's size; see `read_prediction`.
        size: the networks' height and width.
        graded: whether it is a probability, see `are_graded`.

    Raises:
        SalusError: a file is unreadable or of another size than the image.
    """
    shape = case.read_image().shape
    truth = case.read_mask(shape)
    probability, mask = read_prediction(path, shape, graded)
    small_truth = resize(truth, (size, size)) >= 0.5
    small = resize(mask if probability is None else probability, (size, size))
    return [
        _row(name, fold, case, "network", small_truth, small >= 0.5, None if probability is None else small),
        _row(name, fold, case, "native", truth, mask, probability),
    ]


def found_rows(found: Segmentation, case: Case, size: int = 256) -> list[Row]:
    """Score what a `Segmenter` found in one image, at both resolutions, by its own mask.

    Args:
        found: in the case's image.
        case: a labelled case.
        size: height and width of the "network" resolution.

    Raises:
        SalusError: a mask is unreadable or of another size than the image.
    """
    truth = case.read_mask(found.mask.shape)
    small_truth, small_mask, small = (resize(m, (size, size)) for m in (truth, found.mask, found.probability))
    return [
        _row(found.network, 0, case, "network", small_truth >= 0.5, small_mask >= 0.5, np.clip(small, 0, 1)),
        _row(found.network, 0, case, "native", truth, found.mask, found.probability),
    ]


def matched(folder: Path, cases: Sequence[Case]) -> list[Path]:
    """The prediction file of each case: equal stem, or the image's stem.

    Raises:
        SalusError: no such folder, or cases without a prediction (named).
    """
    if not folder.is_dir():
        raise SalusError(f"{folder}: no such folder of predictions")
    files = images_by_stem(folder)
    stems = Counter(case.image.stem for case in cases)  # of equal ones no file says whose it is
    found = [
        files.get(case.name) or (files.get(case.image.stem) if stems[case.image.stem] == 1 else None) for case in cases
    ]
    missing = [case.name for case, path in zip(cases, found, strict=True) if path is None]
    if missing:
        raise SalusError(
            f"{folder}: no prediction for {len(missing)} of {len(cases)} cases, e.g. {', '.join(missing[:3])}; "
            "name each file as its image"
        )
    paths = [path for path in found if path is not None]
    if list(map(os.path.realpath, paths)) == [os.path.realpath(case.image) for case in cases]:
        raise SalusError(f"{folder}: holds the images themselves; name the folder of what was predicted of them")
    return paths


def are_graded(paths: Sequence[Path], workers: int = 4) -> bool:
    """Whether files from one hand are probabilities: one of them has more than two values, or fractions.

    A probability of a quiet image may have two values, or one, as a mask has; so all are looked at together.
    """

    def one(path: Path) -> bool:
        try:
            values = np.unique(read_labels(path))
        except SalusError:
            return False  # is told of where it is scored
        return len(values) > 2 or bool((values % 1).any())

    with ThreadPoolExecutor(workers) as pool:
        return any(pool.map(one, paths))


def read_prediction(path: Path, shape: tuple[int, int], graded: bool) -> tuple[np.ndarray | None, np.ndarray]:
    """A prediction's file: (probability or None, mask).

    Args:
        path: the file.
        shape: (height, width) of the image.
        graded: it is a probability (8 bits: value / 255; 16 bits: / 65535; float: as it is), cut at one half; else a
            mask, where it is above 0.

    Raises:
        SalusError: of another size than the image, or neither a mask nor a probability.
    """
    values = read_labels(path)
    if values.ndim == 3:
        values = values.max(axis=2)
    if values.shape != tuple(shape):
        raise SalusError(
            f"{path}: the prediction is {values.shape[1]} x {values.shape[0]}, its image {shape[1]} x {shape[0]}"
        )
    if not graded:
        return None, values > 0
    scale = 1 if values.dtype.kind == "f" else 255 if values.dtype == np.uint8 else 65535
    low, high = values.min(), values.max()
    if low < 0 or high > scale:
        raise SalusError(
            f"{path}: values from {low:g} to {high:g} are no probability; save 8 bits, or floats from 0 to 1"
        )
    probability = values.astype(np.float32) / scale
    return probability, probability >= 0.5


def evaluate(
    predictions: Path | str, truth: Path | str, *, layout: str | None = None, size: int = 256, workers: int = 4
) -> tuple[list[Row], list[str]]:
    """Score a folder of predictions against a data set.

    Args:
        predictions: a folder of masks or probability maps, named as the images.
        truth: the data set's folder.
        layout: how it is laid out; None detects it.
        size: height and width of the "network" resolution.
        workers: threads.

    Returns:
        Two rows a case that could be scored, and one line for each that could not.

    Raises:
        SalusError: a folder is missing, or cases have no prediction.
    """
    cases = _labelled(truth, layout)
    name, found = Path(predictions).name, matched(Path(predictions), cases)
    paths, graded = dict(zip(cases, found, strict=True)), are_graded(found, workers)
    return _score_each(cases, lambda case: prediction_rows(name, 0, case, paths[case], size, graded=graded), workers)


def evaluate_network(
    network: Path | str | None, truth: Path | str, *, layout: str | None = None, size: int = 256, workers: int = 1
) -> tuple[list[Row], list[str]]:
    """Outline every image of a data set at its own size, as `salus segment` does, and score that.

    Args:
        network: an .onnx file of `salus train`; None or "shipped" takes the one in the package.
        truth: the data set's folder.
        layout: how it is laid out; None detects it.
        size: height and width of the "network" resolution.
        workers: images that are worked on at a time; the network takes all cores for one.

    Returns:
        As `evaluate`.

    Raises:
        SalusError: the folder is missing or nothing in it has a truth; or see `salus.segmentation.segmenter.Segmenter`.
    """
    cases = _labelled(truth, layout)
    segmenter = Segmenter(network)
    return _score_each(cases, lambda case: found_rows(segmenter(case.image), case, size), workers)


def _labelled(truth: Path | str, layout: str | None) -> tuple[Case, ...]:
    cases = read_data_set(truth, layout).labelled
    if not cases:
        raise SalusError(f"{truth}: no image in it has a truth to score against; salus data check says what is there")
    return cases


def _score_each(
    cases: Sequence[Case], rows_of_case: Callable[[Case], list[Row]], workers: int
) -> tuple[list[Row], list[str]]:
    """The rows of all cases, and one line for each case that raises."""

    def one(case: Case) -> list[Row] | str:
        try:
            return rows_of_case(case)
        except SalusError as error:
            return str(error)

    with ThreadPoolExecutor(workers) as pool:
        results = list(pool.map(one, cases))
    rows = [row for result in results if not isinstance(result, str) for row in result]
    return rows, [result for result in results if isinstance(result, str)]


def summarise(rows: Sequence[Row]) -> dict[str, Any]:
    """Means over images with their number, by resolution: lesion images, and tumour-free images apart.

    Each score is averaged over the images where it is defined; "tumour_free" tells how many were left empty. An image
    is tumour-free if its truth is empty at its own size: a small lesion may vanish at the network's.
    """
    summary: dict[str, Any] = {}
    none = {row["case"] for row in rows if row["resolution"] == "native" and not row["area_true"]}
    for resolution in ("network", "native"):
        own = [row for row in rows if row["resolution"] == resolution]
        lesion, free = [r for r in own if r["area_true"]], [r for r in own if r["case"] in none]
        scores = {}
        for name in SCORES:
            values = [float(r[name]) for r in lesion if not np.isnan(r[name])]
            scores[name] = {"mean": float(np.mean(values)) if values else None, "n": len(values)}
        empty = sum(not r["area_predicted"] for r in free)
        summary[resolution] = {
            "lesion_images": len(lesion),
            "scores": scores,
            "tumour_free": {"images": len(free), "left_empty": empty},
        }
    return summary


def render_summary(summary: dict[str, Any]) -> str:
    """The summary as a text table."""
    lines = [f"{'':<34}{'256 x 256':>12}{'native':>12}"]
    for name, info in SCORES.items():
        means = [summary[r]["scores"][name]["mean"] for r in ("network", "native")]
        title = f"{info.title} ({info.unit})" if info.unit else info.title
        lines.append(f"{title:<34}" + "".join(f"{'-' if m is None else format(m, '.4f'):>12}" for m in means))
    native = summary["native"]
    lines.append(f"{native['lesion_images']} images with a lesion")
    free = native["tumour_free"]
    if free["images"]:
        lines.append(f"{free['images']} tumour-free images, {free['left_empty']} left empty")
    return "\n".join(lines)


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write rows as CSV, by rename; links and devices (/dev/stdout) are written to, not replaced."""
    through = path.is_symlink() or (path.exists() and not path.is_file())
    temporary = path if through else path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("w", newline="", encoding="utf-8") as file:
            if rows:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
        if not through:
            temporary.replace(path)
    except OSError as error:
        if not through:
            temporary.unlink(missing_ok=True)
        raise SalusError(f"{path}: cannot be written ({error.strerror or error})") from None


def read_rows(path: Path) -> list[Row]:
    """Read rows written by `write_rows`: numbers as float, fold as int, empty label or patient as None."""
    with path.open(newline="", encoding="utf-8") as file:
        return [{key: _value(key, text) for key, text in row.items()} for row in csv.DictReader(file)]


def _value(key: str, text: str) -> Any:
    if key in ("network", "case", "resolution"):
        return text
    if key in ("label", "patient"):
        return text or None
    return int(text) if key == "fold" else float(text)


def _row(
    network: str,
    fold: int,
    case: Case,
    resolution: str,
    truth: np.ndarray,
    mask: np.ndarray,
    probability: np.ndarray | None,
) -> Row:
    head = {"network": network, "fold": fold, "case": case.name, "patient": case.patient, "label": case.label}
    return {**head, "resolution": resolution, **asdict(score(truth, mask, probability))}
