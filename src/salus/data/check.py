"""Check a data set before anything is trained on it: what is in it, and what is wrong with it.

Every file is read once. A damaged file is one line in the report, and the check goes on. Errors are what would stop a
training run: unreadable files, masks of another size than their image. Warnings are what makes its scores doubtful: odd
or empty masks, near-duplicates, suspected burned-in marks. Nothing on disk is changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

import numpy as np
from scipy import ndimage

from salus.data.case import Case, DataSet
from salus.data.check_report import CheckReport, Problem, ValueRange
from salus.data.duplicates import PerceptualHash, cluster_hashes, independent_groups, perceptual_hash
from salus.data.marks import KINDS, Marks, find_marks
from salus.errors import SalusError
from salus.parallel import map_in_order
from salus.read.formats import IMAGE, detect_format
from salus.read.frames import open_frames
from salus.read.image import may_hold_colour, read_values
from salus.read.mask_file import read_label_map
from salus.read.mask_values import GRADES, LABELS, MaskReading
from salus.scan import MIN_SIDE

SIZE_CLASSES = (0.01, 0.05, 0.15, 0.30)
"""Bounds of the lesion-size classes, shares of the image."""

INVERTED_ABOVE = 0.8
"""A lesion above this share of the image looks like an inverted mask."""

MIN_LESION_SHARE = 0.02
"""A separate region of a mask counts as a lesion of its own from this share of the whole mask on."""

Clusters = Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class _CaseFindings:
    """What the files of one case hold.

    Attributes:
        case: the case.
        shape: (height, width) of the image; None if it cannot be read, as are `hash` and `marks`.
        hash: of the image.
        marks: suspected marks in the image.
        share: the lesion's share of the image; None without a usable mask.
        lesions: number of separate lesions.
        grey_mask: whether a mask has more than two values.
        frames: number of frames or pages in the image's file.
        errors: a line for each file that cannot be used.
    """

    case: Case
    shape: tuple[int, int] | None
    hash: PerceptualHash | None
    marks: Marks | None
    share: float | None
    lesions: int
    grey_mask: bool
    frames: int
    errors: tuple[str, ...]


def check_data_set(
    data: DataSet, *, workers: int = 2, progress: Callable[[int, int], None] | None = None
) -> CheckReport:
    """Read every file of a data set and report what is in it and what is wrong.

    Args:
        data: the data set.
        workers: number of reading threads.
        progress: called with (done, total) after each case.
    """
    findings: list[_CaseFindings] = []
    for case_findings in map_in_order(_inspect_case, data.cases, workers):
        findings.append(case_findings)
        if progress:
            progress(len(findings), len(data))
    duplicates = cluster_hashes(
        {f.case.name: f.hash for f in findings if f.hash is not None},
        {f.case.name: f.errors[0] for f in findings if f.hash is None},
    )
    cases = {case.name: case for case in data.cases}
    across_labels = tuple(c for c in duplicates.clusters if len({cases[name].label for name in c} - {None}) > 1)
    across_patients = tuple(c for c in duplicates.clusters if len({cases[name].patient for name in c} - {None}) > 1)
    marks = {kind: tuple(f.case.name for f in findings if f.marks and kind in f.marks.kinds) for kind in KINDS}
    shares = [f.share for f in findings if f.share]
    bounds = pairwise([0.0, *SIZE_CLASSES, 1.0])
    errors = [Problem("error", (f.case.name,), line) for f in findings for line in f.errors]
    warnings = [
        *_image_warnings(findings, sorted(set(chain(*marks.values())))),
        *_duplicate_warnings(duplicates.clusters, across_labels, across_patients, len(data)),
    ]
    return CheckReport(
        root=str(data.root),
        layout=data.layout,
        images=len(data),
        labelled=len(data.labelled),
        labels=dict(Counter(sorted(case.label or "unknown" for case in data.cases))),
        patients=len({case.patient for case in data.cases} - {None}) or None,
        groups=len(set(independent_groups(data, duplicates=duplicates).values())),
        official_folds=len(set(data.official_folds.values())),
        height=_value_range([f.shape[0] for f in findings if f.shape]),
        width=_value_range([f.shape[1] for f in findings if f.shape]),
        lesion=_value_range(shares),
        lesion_classes={f"{low:.0%} to {high:.0%}": sum(low < s <= high for s in shares) for low, high in bounds},
        tumour_free=sum(f.share == 0 for f in findings),
        several_masks=tuple(case.name for case in data.cases if len(case.masks or ()) > 1),
        several_lesions=tuple(f.case.name for f in findings if f.lesions > 1),
        duplicates=duplicates.clusters,
        across_labels=across_labels,
        across_patients=across_patients,
        marks=marks,
        remarks=data.remarks,
        problems=(*errors, *warnings),
    )


def _inspect_case(case: Case) -> _CaseFindings:
    """Read one case's files."""
    errors: list[str] = []
    shape = image_hash = marks = share = None
    lesions, grey_mask, frames = 0, False, 1
    try:
        scan = case.read_image()
        frames = open_frames(case.image).count
        shape, image_hash = scan.shape, perceptual_hash(scan.pixels)
        is_colour = detect_format(case.image) == IMAGE and may_hold_colour(case.image)
        marks = find_marks(scan.pixels, read_values(case.image) if is_colour else None)
    except SalusError as error:
        errors.append(str(error))
    for path in () if case.annotation else case.masks or ():
        try:
            size = read_label_map(path).shape if detect_format(path) != IMAGE else read_values(path).shape[:2]
            if shape is not None and size != shape:
                case.read_mask(shape)  # raises the error that names both sizes
        except SalusError as error:
            errors.append(str(error))
    if case.masks is not None and shape is not None and not errors:
        try:
            readings = case.read_mask_files(shape)
        except SalusError as error:  # what is lesion cannot be decided
            errors.append(str(error))
            readings = {}
        grey_mask = any(
            reading.decision.meaning in (LABELS, GRADES) and not _is_jpeg_noise(path, reading)
            for path, reading in readings.items()
        )
        mask = np.any([reading.mask for reading in readings.values()], axis=0) if readings else np.zeros(shape, bool)
        share = float(mask.mean())
        labels, _ = ndimage.label(mask, np.ones((3, 3)))
        lesions = int((np.bincount(labels.ravel())[1:] >= max(MIN_LESION_SHARE * mask.sum(), 1)).sum())
    try:
        if case.saliency is not None:
            case.read_saliency()
    except SalusError as error:
        errors.append(str(error))
    return _CaseFindings(
        case, shape, image_hash, marks, share, lesions, grey_mask, frames, tuple(dict.fromkeys(errors))
    )


def _is_jpeg_noise(path: str, reading: MaskReading) -> bool:
    """Tell whether the values of a mask lie near its lowest and highest but for the noise of JPEG compression."""
    if not path.lower().endswith((".jpg", ".jpeg")) or reading.probability is None:
        return False
    share = reading.probability / reading.probability.max()
    return bool(((share > 0.25) & (share < 0.75)).mean() < 0.005)


def _image_warnings(findings: Sequence[_CaseFindings], marked: Sequence[str]) -> list[Problem]:
    """Warn of odd images and masks, one warning for each kind that occurs."""
    tumours = [f for f in findings if f.case.label in ("benign", "malignant")]
    normals = [f for f in findings if f.case.label == "normal"]
    small = [f.case.name for f in findings if f.shape and min(f.shape) < MIN_SIDE]
    grey = [f.case.name for f in findings if f.grey_mask]
    cines = [f.case.name for f in findings if f.frames > 1]
    large = [f.case.name for f in findings if (f.share or 0) > INVERTED_ABOVE]
    kinds = [
        (small, f"images have fewer than {MIN_SIDE} pixels a side; salus segment and salus saliency refuse them"),
        (cines, "images hold several frames or pages, of which the first is taken; save each as a file"),
        (
            grey,
            "masks hold more than two values: labels, all above 0 lesion, or soft edges, lesion from one half on "
            "(--mask-values reads them otherwise)",
        ),
        ([f.case.name for f in tumours if f.share == 0], "masks are empty, though the label names a tumour"),
        ([f.case.name for f in normals if f.share], "masks hold a lesion, though the label is normal"),
        (large, f"lesions cover more than {INVERTED_ABOVE:.0%}: mask inverted?"),
        (marked, "images have suspected burned-in marks; judge on images without them too"),
    ]
    return [
        Problem("warning", tuple(names), f"{len(names)} {text}: {_list_few(names)}") for names, text in kinds if names
    ]


def _duplicate_warnings(
    clusters: Clusters, across_labels: Clusters, across_patients: Clusters, images: int
) -> list[Problem]:
    """Warn of near-duplicates, one warning for each kind that occurs."""
    large = [cluster for cluster in clusters if len(cluster) >= max(20, 0.1 * images)]
    kinds = [
        (clusters, "are near-duplicates; no fold may part them"),
        (across_labels, "are near-duplicates with different labels; one of the labels must be wrong"),
        (across_patients, "are near-duplicates of different patients, probably one; they are kept together"),
        (large, "are alike in an uncommon number; crop away what they share, a machine's frame or text"),
    ]
    warnings = []
    for concerned, text in kinds:
        if names := tuple(chain(*concerned)):
            examples = _list_few([" = ".join(cluster) for cluster in concerned])
            message = f"{len(names)} images ({len(concerned)} clusters) {text}: {examples}"
            warnings.append(Problem("warning", names, message))
    return warnings


def _list_few(names: Sequence[str]) -> str:
    """List the first six names, and how many more there are."""
    return "; ".join(names[:6]) + (f"; and {len(names) - 6} more" if len(names) > 6 else "")


def _value_range(values: Sequence[float]) -> ValueRange | None:
    return ValueRange(float(min(values)), float(np.median(values)), float(max(values))) if values else None
