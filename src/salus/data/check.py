"""What is in a data set, and what is wrong with it, before anything is trained on it.

Every file is read once. A damaged file is one line in the report; the others go on. Errors are what a training run
would stumble over: unreadable files, masks of another size than their image. Warnings are what makes its scores
doubtful: odd or empty masks, near-duplicates, suspected marks. Nothing on disk is changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy import ndimage

from salus.data.case import Case, DataSet
from salus.data.duplicates import Duplicates, Fingerprint, cluster, fingerprint, group_of
from salus.data.marks import KINDS, Marks, find_marks
from salus.errors import SalusError
from salus.read.image import image_size, may_hold_colour, read_labels
from salus.scan import MIN_SIDE

SIZE_CLASSES = (0.01, 0.05, 0.15, 0.30)
"""Bounds of the lesion-size classes, shares of the image."""

COVERS = 0.8
"""A lesion above this share of the image looks like an inverted mask."""

PART = 0.02
"""A separate part of a truth counts as a lesion of its own from this share of the whole truth on."""


@dataclass(frozen=True)
class Problem:
    """Something that needs a look.

    Attributes:
        severity: "error" (a run would stumble) or "warning" (its scores would be doubtful).
        names: the cases it is about.
        message: what is wrong, with which file, and what to do.
    """

    severity: str
    names: tuple[str, ...]
    message: str


@dataclass(frozen=True)
class Spread:
    """The least, the median and the most of some values."""

    least: float
    median: float
    most: float


@dataclass(frozen=True)
class CheckReport:
    """What `check` found; `dataclasses.asdict` makes it ready for JSON.

    Attributes:
        root: the data set's folder.
        layout: how it was read.
        images: how many.
        labelled: how many have a truth.
        labels: how many images have each label, "unknown" where the data set does not say.
        patients: how many are known, None where none is.
        groups: how many independent groups patients and near-duplicates make.
        official_folds: how many folds the data set ships.
        height: of the readable images, pixels; None where there is none.
        width: likewise.
        lesion: the truths' shares of the image, in (0, 1]; None where there is no lesion.
        lesion_classes: how many truths are of each size class.
        tumour_free: how many truths are empty.
        several_masks: images whose truth is in several files.
        several_lesions: images whose truth is in several parts.
        duplicates: clusters of near-duplicates.
        across_labels: those of them that have different labels.
        across_patients: those of them that show different patients.
        marks: images with suspected marks, by kind.
        remarks: what the reader of the layout noticed.
        problems: what needs a look, errors first.
    """

    root: str
    layout: str
    images: int
    labelled: int
    labels: dict[str, int]
    patients: int | None
    groups: int
    official_folds: int
    height: Spread | None
    width: Spread | None
    lesion: Spread | None
    lesion_classes: dict[str, int]
    tumour_free: int
    several_masks: tuple[str, ...]
    several_lesions: tuple[str, ...]
    duplicates: tuple[tuple[str, ...], ...]
    across_labels: tuple[tuple[str, ...], ...]
    across_patients: tuple[tuple[str, ...], ...]
    marks: dict[str, tuple[str, ...]]
    remarks: tuple[str, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class _Seen:
    """What the files of one case hold; errors has a line for each file that cannot be used."""

    case: Case
    shape: tuple[int, int] | None
    print: Fingerprint | None
    marks: Marks | None
    share: float | None
    lesions: int
    grey_mask: bool
    errors: tuple[str, ...]


def check(data: DataSet, *, workers: int = 2, progress: Callable[[int, int], None] | None = None) -> CheckReport:
    """Read every file of a data set and report.

    Args:
        data: the data set.
        workers: threads that read.
        progress: called with (done, all) after each case.
    """
    seen: list[_Seen] = []
    with ThreadPoolExecutor(workers) as pool:
        for one in pool.map(_look, data.cases):
            seen.append(one)
            if progress:
                progress(len(seen), len(data))
    prints = {one.case.name: one.print for one in seen if one.print is not None}
    found = cluster(prints, {one.case.name: one.errors[0] for one in seen if one.print is None})
    known = {case.name: case for case in data.cases}
    patients = {case.patient for case in data.cases} - {None}
    shares = [one.share for one in seen if one.share]
    bounds = [0.0, *SIZE_CLASSES, 1.0]
    classes = {f"{a:.0%} to {b:.0%}": sum(a < s <= b for s in shares) for a, b in pairwise(bounds)}
    marked = {kind: tuple(s.case.name for s in seen if s.marks and kind in s.marks.kinds) for kind in KINDS}
    across_labels = tuple(c for c in found.clusters if len({known[name].label for name in c} - {None}) > 1)
    across_patients = tuple(c for c in found.clusters if len({known[name].patient for name in c} - {None}) > 1)
    errors = [Problem("error", (one.case.name,), line) for one in seen for line in one.errors]
    return CheckReport(
        root=str(data.root),
        layout=data.layout,
        images=len(data),
        labelled=len(data.labelled),
        labels=dict(Counter(sorted(case.label or "unknown" for case in data.cases))),
        patients=len(patients) or None,
        groups=len(set(group_of(data, duplicates=found).values())),
        official_folds=len(set(data.official_folds.values())),
        height=_spread([one.shape[0] for one in seen if one.shape]),
        width=_spread([one.shape[1] for one in seen if one.shape]),
        lesion=_spread(shares),
        lesion_classes=classes,
        tumour_free=sum(one.share == 0 for one in seen),
        several_masks=tuple(case.name for case in data.cases if len(case.masks or ()) > 1),
        several_lesions=tuple(one.case.name for one in seen if one.lesions > 1),
        duplicates=found.clusters,
        across_labels=across_labels,
        across_patients=across_patients,
        marks=marked,
        remarks=data.remarks,
        problems=(*errors, *_warnings(seen, found, across_labels, across_patients, marked)),
    )


def exit_code(report: CheckReport, *, strict: bool = False) -> int:
    """0 where a run can use the data set, 1 where there are errors, with `strict` where there are warnings too."""
    return int(any(problem.severity == "error" or strict for problem in report.problems))


def render_table(report: CheckReport) -> str:
    """The report as text: a table of what there is, then a line for each problem and remark."""
    rows = [
        ("images", f"{report.images}, of which {report.labelled} have a truth"),
        ("labels", ", ".join(f"{label} {count}" for label, count in report.labels.items())),
        ("patients", str(report.patients or "unknown")),
        ("independent", f"{report.groups} groups of patients and near-duplicates"),
        ("official folds", str(report.official_folds or "none")),
        ("height, pixels", _range(report.height, ".0f")),
        ("width, pixels", _range(report.width, ".0f")),
        ("lesion, of image", _range(report.lesion, ".1%")),
        ("", ", ".join(f"{bounds}: {count}" for bounds, count in report.lesion_classes.items())),
        ("tumour-free", str(report.tumour_free)),
        ("several masks", str(len(report.several_masks))),
        ("several lesions", str(len(report.several_lesions))),
        ("near-duplicates", f"{sum(map(len, report.duplicates))} images in {len(report.duplicates)} clusters"),
        ("suspected marks", ", ".join(f"{kind} {len(names)}" for kind, names in report.marks.items())),
    ]
    lines = [f"{report.root} (layout {report.layout})", *(f"  {title:<17} {text}".rstrip() for title, text in rows)]
    lines += [f"{problem.severity}: {problem.message}" for problem in report.problems]
    lines += [f"note: {remark}" for remark in report.remarks]
    kinds = Counter(problem.severity for problem in report.problems)
    return "\n".join([*lines, f"errors: {kinds['error']}, warnings: {kinds['warning']}"])


def _look(case: Case) -> _Seen:
    """Read one case's files."""
    errors: list[str] = []
    shape = image_print = marks = share = None
    lesions, grey_mask = 0, False
    try:
        scan = case.read_image()
        shape, image_print = scan.shape, fingerprint(scan.pixels)
        marks = find_marks(scan.pixels, read_labels(case.image) if may_hold_colour(case.image) else None)
    except SalusError as error:
        errors.append(str(error))
    for path in case.masks or ():
        try:
            grey_mask |= not _is_binary(read_labels(path), path)
            if shape is not None and image_size(path) != shape:
                case.read_mask(shape)  # says so
        except SalusError as error:
            errors.append(str(error))
    if case.masks is not None and shape is not None and not errors:
        truth = case.read_mask(shape)
        share = float(truth.mean())
        labels, _ = ndimage.label(truth, np.ones((3, 3)))
        lesions = int((np.bincount(labels.ravel())[1:] >= max(PART * truth.sum(), 1)).sum())
    try:
        if case.saliency is not None:
            case.read_saliency()
    except SalusError as error:
        errors.append(str(error))
    return _Seen(case, shape, image_print, marks, share, lesions, grey_mask, tuple(dict.fromkeys(errors)))


def _is_binary(values: np.ndarray, path: Path) -> bool:
    """Whether each channel holds at most two values; for JPEG, but for what its noise explains."""
    channels = values.reshape(-1, values.shape[2]) if values.ndim == 3 else values.reshape(-1, 1)
    if path.suffix.lower() not in (".jpg", ".jpeg"):
        return all(((channel != channel.min()) & (channel != channel.max())).sum() == 0 for channel in channels.T)
    between = (channels > 0.25 * channels.max()) & (channels < 0.75 * channels.max())
    return bool(between.mean() < 0.005)


def _warnings(
    seen: Sequence[_Seen],
    found: Duplicates,
    across_labels: Sequence[tuple[str, ...]],
    across_patients: Sequence[tuple[str, ...]],
    marked: dict[str, tuple[str, ...]],
) -> list[Problem]:
    """What makes scores doubtful, a problem for each kind that there is."""
    tumours = [one for one in seen if one.case.label in ("benign", "malignant")]
    normals = [one for one in seen if one.case.label == "normal"]
    large = [cluster for cluster in found.clusters if len(cluster) >= max(20, 0.1 * len(seen))]
    marks = sorted({name for names in marked.values() for name in names})
    small = [s.case.name for s in seen if s.shape and min(s.shape) < MIN_SIDE]
    images = [
        (small, f"images have fewer than {MIN_SIDE} pixels a side; salus segment and salus saliency refuse them"),
        ([s.case.name for s in seen if s.grey_mask], "masks hold more than two values; all above 0 counts as lesion"),
        ([s.case.name for s in tumours if s.share == 0], "masks are empty, though the label names a tumour"),
        ([s.case.name for s in normals if s.share], "masks hold a lesion, though the label is normal"),
        (
            [s.case.name for s in seen if (s.share or 0) > COVERS],
            f"lesions cover more than {COVERS:.0%}: mask inverted?",
        ),
        (marks, "images have suspected burned-in marks; judge on images without them too"),
    ]
    clusters = [
        (found.clusters, "are near-duplicates; no fold may part them"),
        (across_labels, "are near-duplicates with different labels; one of the labels must be wrong"),
        (across_patients, "are near-duplicates of different patients, probably one; they are kept together"),
        (large, "are alike in an uncommon number; crop away what they share, a machine's frame or text"),
    ]
    found_odd = [Problem("warning", tuple(n), f"{len(n)} {text}: {_few(n)}") for n, text in images if n]
    return found_odd + [
        Problem(
            "warning", names, f"{len(names)} images ({len(some)} clusters) {text}: {_few(list(map(' = '.join, some)))}"
        )
        for some, text in clusters
        if (names := tuple(name for cluster in some for name in cluster))
    ]


def _few(names: Sequence[str]) -> str:
    return "; ".join(names[:6]) + (f"; and {len(names) - 6} more" if len(names) > 6 else "")


def _spread(values: Iterable[float]) -> Spread | None:
    ordered = np.sort(np.fromiter(values, float))
    return Spread(float(ordered[0]), float(np.median(ordered)), float(ordered[-1])) if ordered.size else None


def _range(spread: Spread | None, form: str) -> str:
    return "-" if spread is None else f"{spread.least:{form}} to {spread.most:{form}}, median {spread.median:{form}}"
