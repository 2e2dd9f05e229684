"""DICOM Secondary Capture (PS3.3 A.8.1) of an overlay: the scan in colour with the outline, for any viewer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from salus.atomic import write_whole
from salus.segmentation.result import Segmentation
from salus.write.dicom_deidentify import deidentify
from salus.write.dicom_source import keep_lossy, maker, making, need_highdicom, read_source, reference


def write_capture(
    path: Path, source: Path, overlay: Image.Image, found: Segmentation, *, deidentified: bool = False
) -> None:
    """Write one picture into the source's study.

    Args:
        path: where to.
        source: the DICOM image.
        overlay: RGB.
        found: in the image.
        deidentified: see `salus.write.dicom_deidentify`.

    Raises:
        SalusError: highdicom is not installed, or the source is no DICOM image.
        OSError: it cannot be written.
    """
    hd = need_highdicom()
    with making(source):
        header = read_source(source)
        made = hd.sc.SCImage.from_ref_dataset(
            header,
            pixel_array=np.asarray(overlay.convert("RGB")),
            photometric_interpretation="RGB",
            bits_allocated=8,
            coordinate_system="PATIENT",
            pixel_spacing=found.spacing,
            patient_orientation=("L", "P"),
            transfer_syntax_uid="1.2.840.10008.1.2.1",
            **maker("sc", header, found.frame),
        )
        keep_lossy(made, header)
        made.SourceImageSequence = [reference(header, found.frame)]
        made.PatientOrientation = ""  # unknown; type 2C, as laterality
        made.Laterality = str(header.get("Laterality") or header.get("ImageLaterality") or "")
        made.BurnedInAnnotation = str(header.get("BurnedInAnnotation") or "YES")
        frame = "" if found.frame is None else f" of frame {found.frame}"
        made.DerivationDescription = f"Overlay{frame} by Salus {found.network}; research software, not a medical device"
        made.ImageType = ["DERIVED", "SECONDARY"]
        if deidentified:
            deidentify(made)
    write_whole(path, lambda temporary: made.save_as(temporary))
