"""DICOM Structured Report of the measurements (TID 1500, PS3.16), by highdicom: a group for each lesion of each frame.

A region of interest is the lesion's outer outline. Lengths and areas are in mm where the image says how large its
pixels are; elsewhere only figures without a unit are reported: never an invented mm.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from salus import __version__
from salus.measure import Lesion
from salus.segmenter import Segmentation
from salus.write.dicom_seg import tracking_uid
from salus.write.dicom_source import MANUFACTURER, maker, need_highdicom, read_source
from salus.write.outline import labels_of, polygons
from salus.write.whole import write_whole

OWN = "99SALUS"
"""The coding scheme of what no standard names."""


def write_sr(path: Path, source: Path, found: Sequence[Segmentation]) -> None:
    """Write one report for an image, or for the frames of a cine; also where no lesion was found.

    Args:
        path: where to.
        source: the DICOM image.
        found: in it, or in its frames.

    Raises:
        SalusError: highdicom is not installed, or the source is no DICOM image.
        OSError: it cannot be written.
    """
    made = report(read_source(source), found)
    write_whole(path, lambda temporary: made.save_as(temporary))


def report(source: Any, found: Sequence[Segmentation]) -> Any:
    """The object of `write_sr`, from the source's header."""
    hd = need_highdicom()
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
    return hd.sr.ComprehensiveSR(
        evidence=[source],
        content=content,
        is_complete=True,
        is_final=False,
        **maker("sr"),
    )


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
    figures = list(_figures(hd, lesion))
    return hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(
            uid=tracking_uid(source, lesion.number), identifier=f"Lesion {lesion.number}"
        ),
        referenced_region=region,
        finding_type=codes.SCT.Neoplasm,
        finding_sites=[hd.sr.FindingSite(codes.SCT.Breast)],
        algorithm_id=hd.sr.AlgorithmIdentification(name=f"Salus {found.network}", version=__version__),
        measurements=[hd.sr.Measurement(name, value, unit) for name, value, unit in figures],
    )


def _nothing(hd: Any, source: Any) -> Any:
    """The group of an image in which no lesion was found."""
    from pydicom.sr.codedict import codes

    return hd.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(uid=tracking_uid(source, 0), identifier="No lesion"),
        finding_sites=[hd.sr.FindingSite(codes.SCT.Breast)],
        qualitative_evaluations=[
            hd.sr.QualitativeEvaluation(codes.DCM.Finding, hd.sr.CodedConcept("none", OWN, "No tumour found"))
        ],
        source_images=[hd.sr.SourceImageForMeasurementGroup(source.SOPClassUID, source.SOPInstanceUID)],
    )


def _figures(hd: Any, lesion: Lesion) -> Any:
    """(name, value, unit) of each figure."""
    from pydicom.sr.codedict import codes

    concept = hd.sr.CodedConcept
    if lesion.unit == "mm":
        mm, mm2 = codes.UCUM.Millimeter, codes.UCUM.SquareMillimeter
        yield codes.SCT.Area, lesion.area, mm2
        yield codes.SCT.LongAxis, lesion.longest, mm
        yield codes.SCT.ShortAxis, lesion.across, mm
        yield codes.SCT.Width, lesion.width, mm
        yield concept("height", OWN, "Height"), lesion.height, mm
        yield codes.SCT.Perimeter, lesion.perimeter, mm
        yield codes.SCT.Depth, lesion.depth, mm
    one = codes.UCUM.NoUnits
    yield concept("circularity", OWN, "Circularity"), lesion.circularity, one
    yield concept("solidity", OWN, "Solidity"), lesion.solidity, one
    yield concept("confidence", OWN, "Expected Dice coefficient"), lesion.confidence, one


def _area(ring: np.ndarray) -> float:
    after = np.roll(ring, -1, axis=0)
    return float((ring[:, 0] * after[:, 1] - ring[:, 1] * after[:, 0]).sum()) / 2
