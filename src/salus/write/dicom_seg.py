"""DICOM Segmentation (PS3.3 A.51): a segment a lesion, by highdicom.

Ultrasound has no frame of reference as a rule; the segmentation then has none either, and refers to the source's
instance and frame alone. It shares their grid of pixels, and its millimetres are theirs: readers expect no pixel size
without a slice's thickness, which no sonogram has. highdicom makes such objects for one frame, so a cine gets an
object for each frame; a lesion that keeps its number keeps its tracking UID as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np

from salus import __version__
from salus.atomic import write_whole
from salus.segmentation.result import Segmentation
from salus.write.dicom_deidentify import deidentify
from salus.write.dicom_source import MANUFACTURER, US_IMAGE, keep_lossy, maker, making, need_highdicom, read_source
from salus.write.polygons import labels_of


def write_seg(
    path: Path, source: Path, found: Segmentation, *, fractional: bool = False, deidentified: bool = False
) -> bool:
    """Write the segmentation of one frame.

    Args:
        path: where to.
        source: the DICOM image.
        found: in it, or in its frame `found.frame`.
        fractional: probabilities in 1/255 within the lesions' masks, in place of masks.
        deidentified: see `salus.write.dicom_deidentify`.

    Returns:
        Whether it was written: not where there is no lesion, for DICOM knows no segmentation without a segment.

    Raises:
        SalusError: highdicom is not installed, or the source is no DICOM image.
        OSError: it cannot be written.
    """
    with making(source):
        made = segmentation(read_source(source), found, fractional)
        if made is not None and deidentified:
            deidentify(made)
    if made is None:
        path.unlink(missing_ok=True)
        return False
    write_whole(path, lambda temporary: made.save_as(temporary))
    return True


def zip_segs(path: Path, source: Path, found: Sequence[Segmentation], *, fractional: bool = False) -> int:
    """Write the segmentations of a cine's frames into one ZIP file: 0001.dcm and so on, by frame.

    Args:
        path: where to.
        source: the DICOM image.
        found: in its frames.
        fractional: as of `write_seg`.

    Returns:
        How many there are: frames without a lesion have none. Nothing is written where no frame has.

    Raises:
        SalusError: highdicom is not installed, or the source is no DICOM image.
        OSError: it cannot be written.
    """
    with making(source):
        header = read_source(source)
        made: list[tuple[int, Any]] = [(f.frame or 1, segmentation(header, f, fractional)) for f in found if f.lesions]

    def write(temporary: Path) -> None:
        with ZipFile(temporary, "w", ZIP_DEFLATED) as archive:
            for frame, each in made:
                content = BytesIO()
                each.save_as(content)
                archive.writestr(f"{frame:04}.dcm", content.getvalue())

    if made:
        write_whole(path, write)
    return len(made)


def segmentation(source: Any, found: Segmentation, fractional: bool = False) -> Any | None:
    """The object of `write_seg`, from the source's header; None where there is no lesion."""
    hd = need_highdicom()
    from pydicom.dataset import Dataset

    if not found.lesions:
        return None
    labels = labels_of(found)
    planes = np.stack([labels == min(one.number, 255) for one in found.lesions], axis=-1)
    values = planes * found.probability[..., None].astype(np.float32) if fractional else planes.astype(np.uint8)
    one_frame = Dataset()
    one_frame.update(source)
    for name in ("NumberOfFrames", "FrameOfReferenceUID", "SOPClassUID", "PixelSpacing"):
        if name in one_frame:
            delattr(one_frame, name)  # an element is shared with the source, and must not be changed
    one_frame.SOPClassUID = US_IMAGE
    made = hd.seg.Segmentation(
        source_images=[one_frame],
        pixel_array=values[None],
        segmentation_type="FRACTIONAL" if fractional else "BINARY",
        segment_descriptions=[
            _described(hd, index, lesion.number, found.network, source) for index, lesion in enumerate(found.lesions, 1)
        ],
        content_label="LESIONS",
        content_description="Lesions outlined by Salus; research software",
        omit_empty_frames=False,
        **maker("seg", source, found.frame),
    )
    keep_lossy(made, source)
    made.PatientOrientation = ""  # unknown; type 2C
    made.walk(lambda item, element: _refer(item, element, source, found.frame))
    return made


def _refer(item: Any, element: Any, source: Any, frame: int | None) -> None:
    """A reference to the one frame as one to the source and its frame."""
    if element.keyword == "ReferencedSOPInstanceUID" and element.value == source.SOPInstanceUID:
        item.ReferencedSOPClassUID = source.SOPClassUID
    if element.keyword == "SourceImageSequence" and frame is not None:
        for index, image in enumerate(element.value):
            element.value[index] = deepcopy(image)  # references to an instance may be one object
            element.value[index].ReferencedFrameNumber = frame


def tracking_uid(source: Any, number: int) -> str:
    """The same for a lesion in all frames of a source, and in the report."""
    from pydicom.uid import generate_uid

    return str(generate_uid(entropy_srcs=[str(source.SOPInstanceUID), "lesion", str(number)]))


def _described(hd: Any, index: int, number: int, network: str, source: Any) -> Any:
    from pydicom.sr.codedict import codes

    return hd.seg.SegmentDescription(
        segment_number=index,
        segment_label=f"Lesion {number}",
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Neoplasm,
        algorithm_type="AUTOMATIC",
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            name=f"Salus {network}", family=codes.DCM.ArtificialIntelligence, version=__version__, source=MANUFACTURER
        ),
        anatomic_regions=[codes.SCT.Breast],
        tracking_id=f"Lesion {number}",
        tracking_uid=tracking_uid(source, number),
    )
