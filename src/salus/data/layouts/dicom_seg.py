"""The layout of DICOM images with their segmentations (SEG) beside them, in one folder or in folders below it.

A segmentation belongs to the image that it refers to, by instance UID; file names do not matter. Segments whose label,
category or type means a lesion (`class_names`) are the lesion; one without a pixel says that there is no tumour. An
image without a segmentation is unlabelled. The patient is told by a digest of the Patient ID, so that reports do not
quote it. Of a cine the first frame is the image, as everywhere in a data set; a segmentation of its other frames alone
says nothing of it.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from salus.data.case import Case, DataSet
from salus.data.layouts.class_names import choose_lesion_classes
from salus.data.layouts.dicom_objects import make_image, make_segmentation
from salus.data.layouts.files import list_folders, remark_on
from salus.data.layouts.json_files import unique_names
from salus.data.layouts.sample import Sample
from salus.errors import SalusError
from salus.read.dicom_header import import_pydicom
from salus.read.formats import IMAGE_SUFFIXES

SEG = "1.2.840.10008.5.1.4.1.1.66.4"
"""SOP class of a segmentation."""

NO_DICOM = (*IMAGE_SUFFIXES, ".json", ".csv", ".txt", ".xml", ".md", ".gz", ".zip", ".nii", ".nrrd")
"""Suffixes of files that are not opened to look whether they are DICOM."""

TAGS = ("SOPClassUID", "SOPInstanceUID", "PatientID", "Rows", "NumberOfFrames", "Modality")
"""What is read of an image's header to list it."""


@dataclass(frozen=True, eq=False)
class Segments:
    """The lesion of one image in DICOM segmentations, as `salus.data.case.Annotation`.

    Attributes:
        instance: UID of the image.
        lesions: names of the segments that are lesion; see `_segment_names`.
    """

    instance: str
    lesions: frozenset[str]

    def read(self, path: Path, shape: tuple[int, int]) -> np.ndarray:
        """Read the lesion; see `salus.data.case.Annotation`."""
        pydicom = import_pydicom()
        try:
            dataset = pydicom.dcmread(path)
            if (dataset.Rows, dataset.Columns) != tuple(shape):
                size = f"{dataset.Columns} x {dataset.Rows}"
                raise SalusError(f"{path}: segments an image of {size}, but it is {shape[1]} x {shape[0]}")
            planes = dataset.pixel_array.reshape(-1, *shape)
            names = _segment_names(dataset)
            limit = 1 if dataset.SegmentationType != "FRACTIONAL" else int(dataset.MaximumFractionalValue) / 2
            union = np.zeros(shape, bool)
            for plane, (segment, instance, frame) in zip(planes, _frames(dataset), strict=True):
                if instance in (None, self.instance) and frame in (None, 1) and names[segment] & self.lesions:
                    union |= plane >= limit
        except SalusError:
            raise
        except Exception as error:  # pydicom raises many kinds, whose words may quote the file
            raise SalusError(f"{path}: cannot be read as a DICOM segmentation ({type(error).__name__})") from None
        return union


def matches(root: Path) -> bool:
    """Tell whether there is a DICOM segmentation and another DICOM file in `root` or its folders."""
    found = {_is_segmentation(path) for path in _dicom_files(root)}
    return found >= {True, False}


def read(root: Path) -> DataSet:
    """List the cases of DICOM images.

    Raises:
        SalusError: pydicom is not installed, or no name tells which segment means a lesion.
    """
    pydicom = import_pydicom()
    images: dict[str, tuple[Path, str]] = {}
    segmentations: dict[str, list[Path]] = defaultdict(list)
    names: set[str] = set()
    unreadable, cines, others = [], [], []
    for path in _dicom_files(root):
        try:
            tags = None if _is_segmentation(path) else TAGS
            header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=tags)
            if header.SOPClassUID == SEG:
                names |= {name for those in _segment_names(header).values() for name in those}
                frames = _frames(header)
                instances = {instance for _, instance, frame in frames if frame in (None, 1)}
                if frames and not instances:
                    others.append(path)
                for instance in instances if frames else {None}:
                    segmentations[instance or _only_reference(header)].append(path)
            elif "Rows" in header:
                images[str(header.SOPInstanceUID)] = (path, str(header.get("PatientID") or ""))
                if int(header.get("NumberOfFrames") or 1) > 1:
                    cines.append(path)
        except Exception:  # pydicom raises many kinds
            unreadable.append(path)
    lesions = frozenset(choose_lesion_classes(names, root))
    used = set()
    cases = []
    case_names = unique_names([path for path, _ in images.values()])
    for (instance, (path, patient)), name in zip(images.items(), case_names, strict=True):
        used.add(instance)
        masks = segmentations.get(instance)
        cases.append(
            Case(
                name=name,
                image=path,
                masks=tuple(masks) if masks else None,
                patient=f"patient-{hashlib.sha256(patient.encode()).hexdigest()[:10]}" if patient else None,
                source=root.resolve().name,
                annotation=Segments(instance, lesions),
            )
        )
    remarks = remark_on(unreadable, "cannot be read as DICOM, so it is left out")
    remarks += remark_on(
        (p for instance, paths in segmentations.items() if instance not in used for p in paths),
        "segments an image that is not here",
    )
    remarks += remark_on(others, "segments no first frame of a cine, so it is left out")
    remarks += remark_on((case.image for case in cases if case.masks is None), "an image without a segmentation")
    remarks += remark_on(cines, "a cine, of which the first frame is taken")
    return DataSet(root, "dicom-seg", tuple(sorted(cases, key=lambda case: case.name)), remarks=tuple(remarks))


def write(root: Path, samples: Iterable[Sample]) -> None:
    """Write images/ and segmentations/: DICOM files as they are, pictures as ultrasound images (US)."""
    for part in ("images", "segmentations"):
        (root / part).mkdir()
    for sample in samples:
        path = root / "images" / f"{sample.name}.dcm"
        image = make_image(sample)
        image.save_as(path, enforce_file_format=True)
        if sample.mask is not None:
            make_segmentation(image, sample.mask).save_as(root / "segmentations" / f"{sample.name}.dcm")


def _dicom_files(root: Path) -> Iterator[Path]:
    """Yield the files that start as DICOM's do, in a folder and two levels below it."""
    folders = [root]
    for folder in list_folders(root):
        folders += [folder, *list_folders(folder)]
    for folder in folders:
        for path in sorted(folder.iterdir()):
            if not path.name.startswith(".") and path.suffix.lower() not in NO_DICOM and path.is_file():
                with path.open("rb") as file:
                    if file.read(132)[128:] == b"DICM":
                        yield path


def _is_segmentation(path: Path) -> bool:
    """Tell from the meta information at a DICOM file's beginning whether it is a segmentation."""
    with path.open("rb") as file:
        head = file.read(1024)
    return SEG.encode() + b"\0" in head or SEG.encode() + b"\x02\x00\x03\x00" in head


def _segment_names(dataset: Any) -> dict[int, frozenset[str]]:
    """Collect the names of each segment by its number: its label, and the meanings of its type and category."""
    found = {}
    for segment in dataset.SegmentSequence:
        names = [str(segment.SegmentLabel).rstrip("0123456789 ")]
        for key in ("SegmentedPropertyTypeCodeSequence", "SegmentedPropertyCategoryCodeSequence"):
            names += [str(code.CodeMeaning) for code in segment.get(key, [])]
        found[int(segment.SegmentNumber)] = frozenset(name for name in names if name)
    return found


def _frames(dataset: Any) -> list[tuple[int, str | None, int | None]]:
    """List segment number, source instance and source frame of each frame; None where it is not said."""
    shared = dataset.get("SharedFunctionalGroupsSequence") or [None]
    frames = []
    for group in dataset.PerFrameFunctionalGroupsSequence:
        groups = [one for one in (group, shared[0]) if one is not None]
        segment = next(g.SegmentIdentificationSequence[0] for g in groups if "SegmentIdentificationSequence" in g)
        sources = [
            source
            for one in groups
            for derivation in one.get("DerivationImageSequence", [])
            for source in derivation.get("SourceImageSequence", [])
        ]
        instance = str(sources[0].ReferencedSOPInstanceUID) if sources else None
        number = sources[0].get("ReferencedFrameNumber") if sources else None
        if number is not None and not isinstance(number, int | str | float):
            number = number[0]
        frames.append((int(segment.ReferencedSegmentNumber), instance, None if number is None else int(number)))
    return frames


def _only_reference(dataset: Any) -> str:
    """Return the one instance that a segmentation refers to as a whole; "" where there are none or several."""
    references = [
        str(item.ReferencedSOPInstanceUID)
        for series in dataset.get("ReferencedSeriesSequence", [])
        for item in series.get("ReferencedInstanceSequence", [])
    ]
    return references[0] if len(references) == 1 else ""
