"""The report of `salus data check`: what it holds, as text, and the exit code that follows from it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """A problem that a person should look at.

    Attributes:
        severity: "error" (a training run would stop) or "warning" (its scores would be doubtful).
        names: the cases it is about.
        message: what is wrong, with which file, and what to do.
    """

    severity: str
    names: tuple[str, ...]
    message: str


@dataclass(frozen=True)
class ValueRange:
    """Minimum, median and maximum of some values."""

    least: float
    median: float
    most: float


@dataclass(frozen=True)
class CheckReport:
    """The result of `check_data_set`; `dataclasses.asdict` makes it ready for JSON.

    Attributes:
        root: the data set's folder.
        layout: the layout it was read as.
        images: number of images.
        labelled: number of images with a mask.
        labels: number of images by label; "unknown" where the data set does not say.
        patients: number of known patients, None if none is known.
        groups: number of independent groups that patients and near-duplicates make.
        official_folds: number of folds that the data set ships.
        height: of the readable images, pixels; None if there is none.
        width: likewise.
        lesion: the lesions' shares of the image, in (0, 1]; None if there is no lesion.
        lesion_classes: number of masks in each size class.
        tumour_free: number of empty masks.
        several_masks: images whose lesion is in several files.
        several_lesions: images whose mask has several separate lesions.
        duplicates: clusters of near-duplicates.
        across_labels: those of them with different labels.
        across_patients: those of them with different patients.
        marks: images with suspected marks, by kind.
        remarks: what the reader of the layout noticed.
        problems: errors first, then warnings.
    """

    root: str
    layout: str
    images: int
    labelled: int
    labels: dict[str, int]
    patients: int | None
    groups: int
    official_folds: int
    height: ValueRange | None
    width: ValueRange | None
    lesion: ValueRange | None
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


def exit_code(report: CheckReport, *, strict: bool = False) -> int:
    """Return 1 if the report has errors (with `strict`: or warnings), else 0."""
    return int(any(problem.severity == "error" or strict for problem in report.problems))


def render_table(report: CheckReport) -> str:
    """Render a report as text: a table of counts, then a line for each problem and remark."""
    rows = [
        ("images", f"{report.images}, of which {report.labelled} have a truth"),
        ("labels", ", ".join(f"{label} {count}" for label, count in report.labels.items())),
        ("patients", str(report.patients or "unknown")),
        ("independent", f"{report.groups} groups of patients and near-duplicates"),
        ("official folds", str(report.official_folds or "none")),
        ("height, pixels", _format_range(report.height, ".0f")),
        ("width, pixels", _format_range(report.width, ".0f")),
        ("lesion, of image", _format_range(report.lesion, ".1%")),
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


def _format_range(values: ValueRange | None, form: str) -> str:
    return "-" if values is None else f"{values.least:{form}} to {values.most:{form}}, median {values.median:{form}}"
