"""DICOM Secondary Capture (PS3.3 A.8.1) of an overlay: the scan in colour with the outline, for any viewer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from salus.segmenter import Segmentation
from salus.write.dicom_source import maker, need_highdicom, read_source
from salus.write.whole import write_whole


def write_capture(path: Path, source: Path, overlay: Image.Image, found: Segmentation) -> None:
    """Write one picture into the source's study.

    Args:
        path: where to.
        source: the DICOM image.
        overlay: RGB.
        found: in the image.

    Raises:
        SalusError: highdicom is not installed, or the source is no DICOM image.
        OSError: it cannot be written.
    """
    hd = need_highdicom()
    header = read_source(source)
    made = hd.sc.SCImage.from_ref_dataset(
        header,
        pixel_array=np.asarray(overlay.convert("RGB")),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        pixel_spacing=found.spacing,
        patient_orientation=("L", "P"),
        **maker("sc", found.frame),
    )
    made.Laterality = str(header.get("Laterality") or "")
    made.PatientOrientation = ""
    made.BurnedInAnnotation = str(header.get("BurnedInAnnotation") or "YES")
    frame = "" if found.frame is None else f" of frame {found.frame}"
    made.DerivationDescription = f"Overlay{frame} by Salus {found.network}; research software, not a medical device"
    made.ImageType = ["DERIVED", "SECONDARY"]
    write_whole(path, lambda temporary: made.save_as(temporary))
