"""DICOM Segmentation (PS3.3 A.51): a segment a lesion, by highdicom.

A segmentation has its source's grid of pixels. Where the source says how large they are, it has a plane as well (see
`salus.write.dicom_plane`), so that other programs can place it on the source; else it refers to the source's instance
and frame alone. highdicom makes objects for one frame, so a cine gets an object for each frame; a lesion that keeps its
number keeps its tracking UID as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np

from salus import __version__
from salus.atomic import write_whole
from salus.read.dicom import DicomFrames
from salus.segmentation.result import Segmentation
from salus.write.dicom_deidentify import deidentify
from salus.write.dicom_plane import FUNCTIONAL_GROUPS, PLANE_TAGS, find_plane, plane_attributes
from salus.write.dicom_source import (
    MANUFACTURER,
    US_IMAGE,
    copy_lossy_compression,
    import_highdicom,
    instance_arguments,
    one_line_errors,
    open_source,
    source_header,
    tracking_uid,
)
from salus.write.polygons import lesion_masks


def write_seg(
    path: Path,
    source: DicomFrames | Path,
    segmentation: Segmentation,
    *,
    fractional: bool = False,
    deidentified: bool = False,
) -> bool:
    """Write the segmentation of one frame.

    Args:
        path: of the new file.
        source: the DICOM image, opened or its path.
        segmentation: of the image, or of its frame `segmentation.frame`.
        fractional: store probabilities in 1/255 within the lesions' masks, in place of masks.
        deidentified: see `salus.write.dicom_deidentify`.

    Returns:
        Whether it was written: not where there is no lesion, for DICOM knows no segmentation without a segment.

    Raises:
        SalusError: highdicom is not installed, the source is no DICOM image, or its header spoils the object.
        OSError: the file cannot be written.
    """
    source = open_source(source)
    with one_line_errors(source):
        dataset = build_segmentation(source_header(source), segmentation, fractional)
        if dataset is None:
            path.unlink(missing_ok=True)
            return False
        if deidentified:
            deidentify(dataset)
        write_whole(path, lambda temporary: dataset.save_as(temporary))
    return True


def write_seg_zip(
    path: Path, source: DicomFrames | Path, segmentations: Iterable[Segmentation], *, fractional: bool = False
) -> int:
    """Write the segmentations of a cine's frames into one ZIP file: 0001.dcm and so on, by frame.

    Args:
        path: of the ZIP file.
        source: the DICOM image, opened or its path.
        segmentations: of its frames; one is in memory at a time.
        fractional: as of `write_seg`.

    Returns:
        The number of segmentations: a frame without a lesion has none. Without any there is no file.

    Raises:
        SalusError: highdicom is not installed, the source is no DICOM image, or its header spoils an object.
        OSError: the file cannot be written.
    """
    count, frames = 0, open_source(source)

    def write(temporary: Path) -> None:
        nonlocal count
        with ZipFile(temporary, "w", ZIP_DEFLATED) as archive, one_line_errors(frames):
            header = source_header(frames)
            for segmentation in segmentations:
                dataset = build_segmentation(header, segmentation, fractional)
                if dataset is not None:
                    content = BytesIO()
                    dataset.save_as(content)
                    archive.writestr(f"{segmentation.frame or 1:04}.dcm", content.getvalue())
                    count += 1

    write_whole(path, write)
    if not count:
        path.unlink()
    return count


def build_segmentation(header: Any, segmentation: Segmentation, fractional: bool = False) -> Any | None:
    """Build the object of `write_seg` from the source's header; None where there is no lesion."""
    hd = import_highdicom()
    from pydicom.dataset import Dataset

    if not segmentation.lesions:
        return None
    planes = np.stack([mask for _, mask in lesion_masks(segmentation)], axis=-1)
    probability = segmentation.probability[..., None].astype(np.float32)
    values = planes * probability if fractional else planes.astype(np.uint8)
    one_frame = Dataset()
    one_frame.update(header)
    for name in ("NumberOfFrames", "SOPClassUID", *FUNCTIONAL_GROUPS, *PLANE_TAGS):
        if name in one_frame:
            delattr(one_frame, name)  # elements are shared with the header, and must not be changed
    one_frame.SOPClassUID = US_IMAGE
    spacing = None if segmentation.calibration else segmentation.spacing  # geometry is the source's alone
    plane = find_plane(header, segmentation.frame or 1, spacing)
    if plane is not None:
        one_frame.update(plane_attributes(plane))
    dataset = hd.seg.Segmentation(
        source_images=[one_frame],
        pixel_array=values[None],
        segmentation_type="FRACTIONAL" if fractional else "BINARY",
        segment_descriptions=[
            _describe_segment(hd, index, lesion.number, segmentation, header)
            for index, lesion in enumerate(segmentation.lesions, 1)
        ],
        content_label="LESIONS",
        content_description="Lesions outlined by Salus; research software",
        omit_empty_frames=False,
        **instance_arguments("seg", header, segmentation.frame),
    )
    copy_lossy_compression(dataset, header)
    dataset.ContentCreatorName = segmentation.review.person_name if segmentation.review else ""  # type 2
    if plane is None:
        dataset.PatientOrientation = ""  # unknown; type 2C
    dataset.walk(lambda item, element: _refer_to_source(item, element, header, segmentation.frame))
    return dataset


def _refer_to_source(item: Any, element: Any, header: Any, frame: int | None) -> None:
    """Turn a reference to the one frame that highdicom was given into one to the source and its frame."""
    if element.keyword == "ReferencedSOPInstanceUID" and element.value == header.SOPInstanceUID:
        item.ReferencedSOPClassUID = header.SOPClassUID
    if element.keyword == "SourceImageSequence" and frame is not None:
        for index, image in enumerate(element.value):
            element.value[index] = deepcopy(image)  # references to an instance may be one object
            element.value[index].ReferencedFrameNumber = frame


def _describe_segment(hd: Any, index: int, number: int, segmentation: Segmentation, header: Any) -> Any:
    from pydicom.sr.codedict import codes

    review = segmentation.review
    method = review.methods[index - 1] if review else "AUTOMATIC"
    algorithm = hd.AlgorithmIdentificationSequence(
        name=f"Salus {segmentation.network}",
        family=codes.DCM.ArtificialIntelligence,
        version=__version__,
        source=MANUFACTURER,
    )
    return hd.seg.SegmentDescription(
        segment_number=index,
        segment_label=f"Lesion {number}",
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Neoplasm,
        algorithm_type=method,
        algorithm_identification=None if method == "MANUAL" else algorithm,
        anatomic_regions=[codes.SCT.Breast],
        tracking_id=f"Lesion {number}",
        tracking_uid=tracking_uid(header, number),
    )
