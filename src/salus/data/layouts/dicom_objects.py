"""Make the DICOM objects of a data set: an ultrasound image of a picture, and the segmentation of its lesion."""

from __future__ import annotations

import hashlib
import warnings
from typing import Any

import numpy as np

from salus import __version__
from salus.data.layouts.sample import Sample
from salus.errors import SalusError
from salus.preprocess import to_uint8

US_IMAGE = "1.2.840.10008.5.1.4.1.1.6.1"


def make_image(sample: Sample) -> Any:
    """Make a DICOM image of a sample: a DICOM file is taken as it is, a picture becomes an ultrasound image.

    UIDs depend on the data set's name and the case's name alone, so that the same data set gives the same files. Images
    of one patient are in one study. Where the patient is not known, each image is a patient of its own.

    Raises:
        SalusError: pydicom or highdicom is not installed.
    """
    pydicom = _import("pydicom")
    case = sample.case
    if case.image.read_bytes()[128:132] == b"DICM":
        return pydicom.dcmread(case.image)
    identity = f"{case.source}/{sample.name}"
    patient = case.patient or sample.name
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = US_IMAGE
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = _uid(f"image {identity}")
    dataset.StudyInstanceUID = _uid(f"study {case.source}/{patient}")
    dataset.SeriesInstanceUID = _uid(f"series {identity}")
    dataset.FrameOfReferenceUID = _uid(f"frame {identity}")
    dataset.Modality, dataset.BodyPartExamined = "US", "BREAST"
    dataset.PatientID, dataset.PatientName = patient, f"{patient}^"
    empty = (
        "PatientBirthDate PatientSex StudyDate StudyTime StudyID AccessionNumber ReferringPhysicianName SeriesNumber "
        "Manufacturer Laterality PatientOrientation PositionReferenceIndicator"
    )
    for keyword in empty.split():
        setattr(dataset, keyword, "")
    dataset.SeriesNumber, dataset.InstanceNumber = 1, 1
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.ManufacturerModelName, dataset.SoftwareVersions = "Salus, conversion of a data set", __version__
    pixels = to_uint8(sample.scan.pixels)
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PixelRepresentation = 1, "MONOCHROME2", 0
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    if sample.scan.spacing is not None:
        dataset.PixelSpacing = [f"{step:.10g}" for step in sample.scan.spacing]
    dataset.PixelData = pixels.tobytes() + b"\0" * (pixels.size % 2)
    return dataset


def make_segmentation(image: Any, mask: np.ndarray) -> Any:
    """Make the segmentation of an image: one segment, "Lesion"; without a pixel where there is no tumour.

    Args:
        image: the DICOM image.
        mask: (height, width) bool.

    Raises:
        SalusError: highdicom is not installed.
    """
    hd = _import("highdicom")
    from pydicom.sr.codedict import codes

    source = _first_frame(image)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they quote the patient's name
        dataset = _build(hd, codes, source, mask)
    dataset.PatientOrientation = ""  # unknown; type 2C
    return dataset


def _build(hd: Any, codes: Any, image: Any, mask: np.ndarray) -> Any:
    return hd.seg.Segmentation(
        source_images=[image],
        pixel_array=mask[None].astype(np.uint8),
        segmentation_type="BINARY",
        segment_descriptions=[
            hd.seg.SegmentDescription(
                segment_number=1,
                segment_label="Lesion",
                segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
                segmented_property_type=codes.SCT.Neoplasm,
                algorithm_type="MANUAL",
            )
        ],
        series_instance_uid=_uid(f"segmentation series {image.SOPInstanceUID}"),
        sop_instance_uid=_uid(f"segmentation {image.SOPInstanceUID}"),
        series_number=2,
        instance_number=1,
        manufacturer="Salus",
        manufacturer_model_name="Salus",
        software_versions=__version__,
        device_serial_number="0",
        content_label="LESIONS",
        omit_empty_frames=False,
    )


def _first_frame(image: Any) -> Any:
    """Return a header of one frame, as highdicom takes it, of a still image or a cine."""
    if int(image.get("NumberOfFrames") or 1) == 1:
        return image
    from pydicom.dataset import Dataset

    single = Dataset()
    single.update(image)
    for keyword in ("NumberOfFrames", "PixelData"):
        if keyword in single:
            delattr(single, keyword)
    single.SOPClassUID = US_IMAGE
    return single


def _uid(text: str) -> str:
    """Derive a UID from a text (PS3.5 B.2, a UUID as one number)."""
    return f"2.25.{int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], 'big')}"


def _import(name: str) -> Any:
    try:
        return __import__(name)
    except ImportError:
        raise SalusError(f'DICOM files need {name}; pip install "salus[dicom]"') from None
