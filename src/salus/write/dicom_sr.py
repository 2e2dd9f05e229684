"""DICOM Structured Report of the measurements (TID 1500, PS3.16), by highdicom: a group for each lesion of each frame.

A region of interest is the lesion's whole outline: its parts and holes are joined into one line, which, filled, gives
the mask (`salus.write.joined_outline`). Lengths and areas are in mm where the image says how large its
pixels are, in pixels elsewhere: never an invented mm. docs/reference/measurements.md defines the measurements.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np

from salus import __version__
from salus.atomic import write_whole
from salus.measure.lesions import Lesion
from salus.read.dicom import DicomFrames
from salus.segmentation.region_results import AT_BORDER
from salus.segmentation.result import Segmentation
from salus.segmentation.review import Rejection
from salus.write.dicom_deidentify import deidentify, deidentify_item
from salus.write.dicom_descriptors import (
    SCHEME,
    add_comment,
    comment_item,
    decision_evaluation,
    descriptor_evaluations,
    mark_evaluations,
)
from salus.write.dicom_items import encode_item, save_with_items
from salus.write.dicom_source import (
    MANUFACTURER,
    as_ultrasound,
    import_highdicom,
    instance_arguments,
    one_line_errors,
    open_source,
    refer_to_source,
    source_header,
    tracking_uid,
)
from salus.write.joined_outline import join_rings
from salus.write.polygons import lesion_masks, polygons


def write_sr(
    path: Path, source: DicomFrames | Path, segmentations: Iterable[Segmentation], *, deidentified: bool = False
) -> None:
    """Write one report for an image, or for the frames of a cine; also where no lesion was found.

    Args:
        path: of the new file.
        source: the DICOM image, opened or its path.
        segmentations: of the image or of its frames, one or more; one, and its part of the report, is in
            memory at a time.
        deidentified: see `salus.write.dicom_deidentify`.

    Raises:
        SalusError: highdicom is not installed, the source is no DICOM image, or its header spoils the report.
        OSError: the file cannot be written.
    """
    source = open_source(source)
    first, network, reader = None, "", None
    with one_line_errors(source), TemporaryFile(dir=path.parent) as further:
        hd, header = import_highdicom(), source_header(source)
        known = as_ultrasound(header)
        for segmentation in segmentations:
            network = segmentation.network
            person = segmentation.review or segmentation.calibration or segmentation.description
            reader = person.person_name if person else reader
            for group in _groups(hd, known, segmentation, deidentified):
                if first is None:
                    first = group
                    continue
                (item,) = group  # of a thousand frames, groups take a gigabyte; encoded ones take some megabytes
                refer_to_source(item, header)
                if deidentified:
                    deidentify_item(item)
                further.write(encode_item(item))
        report = _build_report(hd, header, first or _no_lesion_group(hd, known), network, reader)
        if deidentified:
            deidentify(report)
        further.seek(0)
        holders = [report, _measurements_item(report)]
        write_whole(path, lambda temporary: save_with_items(temporary, report, holders, further))


def _groups(hd: Any, header: Any, segmentation: Segmentation, deidentified: bool) -> Iterator[Any]:
    """Yield the groups of one image or frame.

    The first one has the remarks on the image and the reader's comment, which may name the patient. A frame without a
    lesion has a group only where something is to be said of it.
    """
    description, remarks = segmentation.description, _remarks(segmentation)
    groups: Iterator[Any] = (_lesion_group(hd, header, segmentation, *pair) for pair in lesion_masks(segmentation))
    described = description and (description.comment or description.mark or description.rejected)
    if not segmentation.lesions and (segmentation.frame is None or remarks or described):
        groups = iter([_no_lesion_group(hd, header, segmentation)])
    if description:
        rejected = enumerate(description.rejected, 1)
        groups = chain(groups, (_rejected_group(hd, header, segmentation.frame, *pair) for pair in rejected))
    for number, group in enumerate(groups):
        if number == 0:
            group[0].ContentSequence.extend(comment_item(hd, remark) for remark in remarks)
            if description and not deidentified:
                add_comment(hd, group, description)
        yield group


def _remarks(segmentation: Segmentation) -> list[str]:
    """List what a reader must know of an image, but for what the report states in codes."""
    coded = {AT_BORDER, segmentation.calibration.remark if segmentation.calibration else ""}
    return [flag for flag in segmentation.flags if flag not in coded]


def _build_report(hd: Any, header: Any, group: Any, network: str, reader: str | None) -> Any:
    """Build a report with one group of measurements, from the source's header."""
    from pydicom.dataset import Dataset
    from pydicom.sr.codedict import codes

    known = as_ultrasound(header)
    device = hd.sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=hd.sr.DeviceObserverIdentifyingAttributes(
            uid=hd.UID(), manufacturer_name=MANUFACTURER, name=f"Salus {network} (research software)"
        ),
    )
    content = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(
            observer_person_context=_person_observer(hd, reader) if reader else None, observer_device_context=device
        ),
        procedure_reported=hd.sr.CodedConcept("24601-7", "LN", "US Breast"),
        imaging_measurements=[group],
        title=codes.DCM.ImagingMeasurementReport,
        referenced_images=[known],
    )
    report = hd.sr.ComprehensiveSR(
        evidence=[known], content=content, is_complete=True, is_final=False, **instance_arguments("sr", known)
    )
    scheme = Dataset()
    scheme.CodingSchemeDesignator, scheme.CodingSchemeName = SCHEME, "Codes of Salus"
    report.CodingSchemeIdentificationSequence = [scheme]
    refer_to_source(report, header)
    return report


def _measurements_item(report: Any) -> Any:
    """Return the item of a report that holds the groups of measurements."""
    from pydicom.sr.codedict import codes

    code = codes.DCM.ImagingMeasurements.value
    return next(item for item in report.ContentSequence if item.ConceptNameCodeSequence[0].CodeValue == code)


def _person_observer(hd: Any, name: str) -> Any:
    """Name the person who saved the outlines."""
    from pydicom.sr.codedict import codes

    return hd.sr.ObserverContext(
        observer_type=codes.DCM.Person,
        observer_identifying_attributes=hd.sr.PersonObserverIdentifyingAttributes(name=name),
    )


def _lesion_group(hd: Any, header: Any, segmentation: Segmentation, lesion: Lesion, mask: np.ndarray) -> Any:
    from pydicom.sr.codedict import codes

    outline = np.array(join_rings(polygons(mask)), float)
    region = hd.sr.ImageRegion(
        graphic_type="POLYLINE",
        graphic_data=np.concatenate([outline, outline[:1]]),
        source_image=hd.sr.SourceImageForRegion(
            header.SOPClassUID, header.SOPInstanceUID, None if segmentation.frame is None else [segmentation.frame]
        ),
    )
    return hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(
            uid=tracking_uid(header, lesion.number), identifier=f"Lesion {lesion.number}"
        ),
        referenced_region=region,
        finding_type=codes.SCT.Neoplasm,
        finding_sites=[hd.sr.FindingSite(codes.SCT.Breast)],
        algorithm_id=hd.sr.AlgorithmIdentification(name=f"Salus {segmentation.network}", version=__version__),
        measurements=[
            hd.sr.Measurement(name, value, unit)
            for name, value, unit in _measurements(hd, lesion, segmentation.review is not None)
        ]
        + _presence(hd, segmentation),
        qualitative_evaluations=list(_evaluations(hd, segmentation, lesion)),
    )


def _no_lesion_group(hd: Any, header: Any, segmentation: Segmentation | None = None) -> Any:
    from pydicom.sr.codedict import codes

    frames = None if segmentation is None or segmentation.frame is None else [segmentation.frame]
    description = segmentation.description if segmentation else None
    return hd.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(uid=tracking_uid(header, 0), identifier="No lesion"),
        finding_sites=[hd.sr.FindingSite(codes.SCT.Breast)],
        measurements=_presence(hd, segmentation) if segmentation else None,
        qualitative_evaluations=[
            hd.sr.QualitativeEvaluation(_own_code(hd, "result", "Result"), _own_code(hd, "none", "No tumour found")),
            *(mark_evaluations(hd, description) if description else ()),
        ],
        source_images=[hd.sr.SourceImageForMeasurementGroup(header.SOPClassUID, header.SOPInstanceUID, frames)],
    )


def _rejected_group(hd: Any, header: Any, frame: int | None, number: int, rejection: Rejection) -> Any:
    """Say that a reader rejected a lesion; where it was stands in words, for no region is found there."""
    from pydicom.sr.codedict import codes

    top, left, height, width = rejection.box
    place = f"Not outlined any more: rows {top + 1} to {top + height}, columns {left + 1} to {left + width}"
    group = hd.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(uid=hd.UID(), identifier=f"Rejected lesion {number}"),
        finding_sites=[hd.sr.FindingSite(codes.SCT.Breast)],
        qualitative_evaluations=[decision_evaluation(hd, "rejected", rejection)],
        source_images=[
            hd.sr.SourceImageForMeasurementGroup(
                header.SOPClassUID, header.SOPInstanceUID, None if frame is None else [frame]
            )
        ],
    )
    group[0].ContentSequence.append(comment_item(hd, place))
    return group


def _measurements(hd: Any, lesion: Lesion, reviewed: bool) -> Iterator[tuple[Any, float, Any]]:
    """Yield the coded name, value and coded unit of each measurement."""
    from pydicom.sr.codedict import codes

    if lesion.unit == "mm":
        length, square = codes.UCUM.Millimeter, codes.UCUM.SquareMillimeter
    else:
        length, square = (hd.sr.CodedConcept(code, "UCUM", code[1:-1]) for code in ("{pixels}", "{square pixels}"))
    ratio = codes.UCUM.NoUnits
    yield codes.SCT.Area, lesion.area, square
    yield codes.SCT.LongAxis, lesion.longest, length
    yield codes.SCT.ShortAxis, lesion.across, length
    yield codes.SCT.Width, lesion.width, length
    yield codes.DCM.Height, lesion.height, length
    yield codes.SCT.Perimeter, lesion.perimeter, length
    yield codes.SCT.Depth, lesion.depth, length
    yield _own_code(hd, "border", "Distance to the border of the ultrasound region"), lesion.border, length
    tilt = _own_code(hd, "tilt", "Angle between the long axis and the rows of the image")
    yield tilt, lesion.tilt, codes.UCUM.Degree
    yield _own_code(hd, "circularity", "Circularity"), lesion.circularity, ratio
    yield _own_code(hd, "solidity", "Solidity"), lesion.solidity, ratio
    yield _own_code(hd, "irregularity", "Irregularity of the outline"), lesion.irregularity, ratio
    if lesion.contrast is not None:
        yield _own_code(hd, "contrast", "Mean grey less that of the surroundings"), lesion.contrast, ratio
    if reviewed:
        yield _own_code(hd, "agreement", "Agreement of the network with the reader's outline"), lesion.confidence, ratio
    else:
        yield _own_code(hd, "confidence", "Expected Dice coefficient"), lesion.confidence, ratio


def _presence(hd: Any, segmentation: Segmentation) -> list[Any]:
    """State the network's probability that the image shows a tumour at all; none of an outline that a reader saved."""
    from pydicom.sr.codedict import codes

    if segmentation.review is not None:
        return []
    name = _own_code(hd, "presence", "Probability that the image shows a tumour")
    return [hd.sr.Measurement(name, segmentation.presence, codes.UCUM.NoUnits)]


def _evaluations(hd: Any, segmentation: Segmentation, lesion: Lesion) -> Iterator[Any]:
    """Yield the qualitative evaluations: orientation, whether the lesion may be cut off, how mm were found, a reader's
    words.
    """
    orientation = ("parallel", "Parallel") if lesion.parallel else ("not-parallel", "Not parallel")
    yield hd.sr.QualitativeEvaluation(
        _own_code(hd, "orientation", "Orientation to the skin"), _own_code(hd, *orientation)
    )
    if lesion.at_border:
        cut_off = _own_code(hd, "cut-off", "Touches the border; part of it may lie outside")
        yield hd.sr.QualitativeEvaluation(_own_code(hd, "completeness", "Completeness"), cut_off)
    if segmentation.calibration and lesion.unit == "mm":
        by_hand = _own_code(hd, "by-hand", "By a reader, from a known length in the image")
        yield hd.sr.QualitativeEvaluation(_own_code(hd, "calibration", "Calibration of lengths"), by_hand)
    if segmentation.description:
        yield from mark_evaluations(hd, segmentation.description)
        described = dict(zip(segmentation.lesions, segmentation.description.lesions, strict=False))
        yield from descriptor_evaluations(hd, described.get(lesion, {}))
        accepted = dict(zip(segmentation.lesions, segmentation.description.accepted, strict=False)).get(lesion)
        if accepted:
            yield decision_evaluation(hd, "accepted", accepted)


def _own_code(hd: Any, value: str, meaning: str) -> Any:
    return hd.sr.CodedConcept(value, SCHEME, meaning)
