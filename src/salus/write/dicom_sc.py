"""DICOM Secondary Capture (PS3.3 A.8.1) of an overlay: the scan in colour with the outline, for any viewer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from salus.atomic import write_whole
from salus.read.dicom import DicomFrames
from salus.segmentation.result import Segmentation
from salus.write.dicom_deidentify import deidentify
from salus.write.dicom_source import (
    copy_lossy_compression,
    import_highdicom,
    instance_arguments,
    one_line_errors,
    open_source,
    source_header,
    source_reference,
)


def write_secondary_capture(
    path: Path,
    source: DicomFrames | Path,
    overlay: Image.Image,
    segmentation: Segmentation,
    *,
    deidentified: bool = False,
) -> None:
    """Write an overlay as a Secondary Capture in the source's study.

    Args:
        path: of the new file.
        source: the DICOM image, opened or its path.
        overlay: RGB picture.
        segmentation: of the image, or of its frame `segmentation.frame`.
        deidentified: see `salus.write.dicom_deidentify`.

    Raises:
        SalusError: highdicom is not installed, the source is no DICOM image, or its header spoils the object.
        OSError: the file cannot be written.
    """
    hd, source = import_highdicom(), open_source(source)
    frame = segmentation.frame
    with one_line_errors(source):
        header = source_header(source)
        capture = hd.sc.SCImage.from_ref_dataset(
            header,
            pixel_array=np.asarray(overlay.convert("RGB")),
            photometric_interpretation="RGB",
            bits_allocated=8,
            coordinate_system="PATIENT",
            pixel_spacing=segmentation.spacing,
            patient_orientation=("L", "P"),
            transfer_syntax_uid="1.2.840.10008.1.2.1",
            **instance_arguments("sc", header, frame),
        )
        copy_lossy_compression(capture, header)
        capture.SourceImageSequence = [source_reference(header, frame)]
        capture.PatientOrientation = ""  # unknown; type 2C, as laterality
        capture.Laterality = str(header.get("Laterality") or header.get("ImageLaterality") or "")
        capture.BurnedInAnnotation = str(header.get("BurnedInAnnotation") or "YES")
        if segmentation.calibration:
            capture.PixelSpacingCalibrationType = "FIDUCIAL"  # PS3.3 10.7: by an object of known size in the picture
            capture.PixelSpacingCalibrationDescription = segmentation.calibration.remark[:64]
        of_frame = "" if frame is None else f" of frame {frame}"
        capture.DerivationDescription = (
            f"Overlay{of_frame} by Salus {segmentation.network}; research software, not a medical device"
        )
        capture.ImageType = ["DERIVED", "SECONDARY"]
        if deidentified:
            deidentify(capture)
        write_whole(path, lambda temporary: capture.save_as(temporary))
