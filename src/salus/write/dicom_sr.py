"""DICOM Structured Report of the measurements (TID 1500, PS3.16), by highdicom: a group for each lesion of each frame.

A region of interest is the lesion's outer outline. Lengths and areas are in mm where the image says how large its
pixels are, in pixels elsewhere: never an invented mm. docs/reference/measurements.md defines the figures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from salus import __version__
from salus.atomic import write_whole
from salus.measure.lesions import Lesion
from salus.segmentation.result import Segmentation
from salus.write.dicom_deidentify import deidentify
from salus.write.dicom_seg import tracking_uid
from salus.write.dicom_source import MANUFACTURER, maker, making, need_highdicom, read_source
from salus.write.polygons import labels_of, polygons

OWN = "99SALUS"
"""The coding scheme of what no standard names."""


def write_sr(path: Path, source: Path, found: Sequence[Segmentation], *, deidentified: bool = False) -> None:
    """Write one report for an image, or for the frames of a cine; also where no lesion was found.

    Args:
        path: where to.
        source: the DICOM image.
        found: in it, or in its frames.
        deidentified: see `salus.write.dicom_deidentify`.

    Raises:
        SalusError: highdicom is not installed, or the source is no DICOM image.
        OSError: it cannot be written.
    """
    with making(source):
        made = report(read_source(source), found)
        if deidentified:
            deidentify(made)
    write_whole(path, lambda temporary: made.save_as(temporary))


def report(source: Any, found: Sequence[Segmentation]) -> Any:
    """The object of `write_sr`, from the source's header."""
    hd = need_highdicom()
    from pydicom.dataset import Dataset
    from pydicom.sr.codedict import codes

    device = hd.sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=hd.sr.DeviceObserverIdentifyingAttributes(
            uid=hd.UID(), manufacturer_name=MANUFACTURER, name=f"Salus {found[0].network} (research software)"
        ),
    )
    groups = [_group(hd, source, one, lesion) for one in found for lesion in one.lesions]
    content = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(observer_device_context=device),
        procedure_reported=hd.sr.CodedConcept("24601-7", "LN", "US Breast"),
        imaging_measurements=groups or [_nothing(hd, source)],
        title=codes.DCM.ImagingMeasurementReport,
        referenced_images=[source],
    )
    made = hd.sr.ComprehensiveSR(
        evidence=[source], content=content, is_complete=True, is_final=False, **maker("sr", source)
    )
    scheme = Dataset()
    scheme.CodingSchemeDesignator, scheme.CodingSchemeName = OWN, "Codes of Salus"
    made.CodingSchemeIdentificationSequence = [scheme]
    return made


def _group(hd: Any, source: Any, found: Segmentation, lesion: Lesion) -> Any:
    from pydicom.sr.codedict import codes

    rings = polygons(labels_of(found) == min(lesion.number, 255))
    outer = np.array(max(rings, key=lambda ring: abs(_area(np.array(ring)))), float)
    region = hd.sr.ImageRegion(
        graphic_type="POLYLINE",
        graphic_data=np.concatenate([outer, outer[:1]]),
        source_image=hd.sr.SourceImageForRegion(
            source.SOPClassUID, source.SOPInstanceUID, [found.frame] if found.frame is not None else None
        ),
    )
    return hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(
            uid=tracking_uid(source, lesion.number), identifier=f"Lesion {lesion.number}"
        ),
        referenced_region=region,
        finding_type=codes.SCT.Neoplasm,
        finding_sites=[hd.sr.FindingSite(codes.SCT.Breast)],
        algorithm_id=hd.sr.AlgorithmIdentification(name=f"Salus {found.network}", version=__version__),
        measurements=[hd.sr.Measurement(name, value, unit) for name, value, unit in _figures(hd, lesion)],
        qualitative_evaluations=list(_said(hd, lesion)),
    )


def _nothing(hd: Any, source: Any) -> Any:
    """The group of an image in which no lesion was found."""
    from pydicom.sr.codedict import codes

    return hd.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(uid=tracking_uid(source, 0), identifier="No lesion"),
        finding_sites=[hd.sr.FindingSite(codes.SCT.Breast)],
        qualitative_evaluations=[
            hd.sr.QualitativeEvaluation(
                hd.sr.CodedConcept("result", OWN, "Result"), hd.sr.CodedConcept("none", OWN, "No tumour found")
            )
        ],
        source_images=[hd.sr.SourceImageForMeasurementGroup(source.SOPClassUID, source.SOPInstanceUID)],
    )


def _figures(hd: Any, lesion: Lesion) -> Iterator[tuple[Any, float, Any]]:
    """(name, value, unit) of each figure."""
    from pydicom.sr.codedict import codes

    def own(value: str, meaning: str) -> Any:
        return hd.sr.CodedConcept(value, OWN, meaning)

    if lesion.unit == "mm":
        length, square = codes.UCUM.Millimeter, codes.UCUM.SquareMillimeter
    else:
        length, square = (hd.sr.CodedConcept(code, "UCUM", code[1:-1]) for code in ("{pixels}", "{square pixels}"))
    one = codes.UCUM.NoUnits
    yield codes.SCT.Area, lesion.area, square
    yield codes.SCT.LongAxis, lesion.longest, length
    yield codes.SCT.ShortAxis, lesion.across, length
    yield codes.SCT.Width, lesion.width, length
    yield codes.DCM.Height, lesion.height, length
    yield codes.SCT.Perimeter, lesion.perimeter, length
    yield codes.SCT.Depth, lesion.depth, length
    yield own("border", "Distance to the border of the ultrasound region"), lesion.border, length
    yield own("tilt", "Angle between the long axis and the rows of the image"), lesion.tilt, codes.UCUM.Degree
    yield own("circularity", "Circularity"), lesion.circularity, one
    yield own("solidity", "Solidity"), lesion.solidity, one
    yield own("irregularity", "Irregularity of the outline"), lesion.irregularity, one
    if lesion.contrast is not None:
        yield own("contrast", "Mean grey less that of the surroundings"), lesion.contrast, one
    yield own("confidence", "Expected Dice coefficient"), lesion.confidence, one


def _said(hd: Any, lesion: Lesion) -> Iterator[Any]:
    """What is told in words."""

    def own(value: str, meaning: str) -> Any:
        return hd.sr.CodedConcept(value, OWN, meaning)

    which = ("parallel", "Parallel") if lesion.parallel else ("not-parallel", "Not parallel")
    yield hd.sr.QualitativeEvaluation(own("orientation", "Orientation to the skin"), own(*which))
    if lesion.at_border:
        cut = own("cut-off", "Touches the border; part of it may lie outside")
        yield hd.sr.QualitativeEvaluation(own("completeness", "Completeness"), cut)


def _area(ring: np.ndarray) -> float:
    after = np.roll(ring, -1, axis=0)
    return float((ring[:, 0] * after[:, 1] - ring[:, 1] * after[:, 0]).sum()) / 2
