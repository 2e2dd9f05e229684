"""Write pixels as ultrasound DICOM files, by pydicom's own encoders and Pillow's JPEG, for tests."""

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit, generate_uid

US_IMAGE, US_MULTIFRAME = "1.2.840.10008.5.1.4.1.1.6.1", "1.2.840.10008.5.1.4.1.1.3.1"


def region(top, left, height, width, spacing=(0.1, 0.1), *, kind=1, form=1, units=3):
    """Make an item of SequenceOfUltrasoundRegions; the spacing is (row, column) in mm."""
    item = Dataset()
    item.RegionSpatialFormat, item.RegionDataType, item.RegionFlags = form, kind, 0
    item.RegionLocationMinX0, item.RegionLocationMinY0 = left, top
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = left + width - 1, top + height - 1
    item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = units
    item.PhysicalDeltaY, item.PhysicalDeltaX = (step / 10 for step in spacing)
    return item


def wrap_dicom(
    path, pixels, *, photometric=None, syntax=ExplicitVRLittleEndian, regions=(), frame_time=None, bits=None, **tags
):
    """Write pixels as an ultrasound image, or multi-frame image, and return the path.

    Args:
        path: the file to write.
        pixels: uint8 or uint16, (rows, columns), (frames, rows, columns), either with a last axis of 3 for colour.
        photometric: default MONOCHROME2, or RGB for colour. YBR_FULL is made from RGB; of JPEG baseline, YBR_FULL_422.
        syntax: transfer syntax UID.
        regions: items of `region`.
        frame_time: ms.
        bits: stored, default all.
        tags: further ones; None leaves a tag out.
    """
    pixels = np.asarray(pixels)
    colour = pixels.shape[-1] == 3 and pixels.ndim > 2
    frames = pixels if pixels.ndim == (4 if colour else 3) else pixels[None]
    several = frames is pixels
    photometric = photometric or ("RGB" if colour else "MONOCHROME2")
    if photometric == "YBR_FULL":
        frames = np.stack([np.asarray(Image.fromarray(frame).convert("YCbCr")) for frame in frames])
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = (
        ExplicitVRLittleEndian if syntax.is_compressed and not syntax.is_deflated else syntax
    )
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = US_MULTIFRAME if several else US_IMAGE
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.StudyInstanceUID, ds.SeriesInstanceUID = generate_uid(), generate_uid()
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "Phantom^Salus", "PH-1", "19700101", "F"
    ds.StudyDate, ds.StudyTime, ds.StudyID, ds.AccessionNumber = "20260101", "120000", "1", ""
    ds.ReferringPhysicianName, ds.Modality, ds.Manufacturer = "", "US", "Salus phantom"
    ds.SeriesNumber, ds.InstanceNumber, ds.PatientOrientation, ds.ImageType = 1, 1, "", ["ORIGINAL", "PRIMARY"]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 3 if colour else 1, photometric
    ds.Rows, ds.Columns = frames.shape[1:3]
    ds.BitsAllocated = 8 * pixels.dtype.itemsize
    ds.BitsStored, ds.PixelRepresentation = bits or ds.BitsAllocated, int(pixels.dtype.kind == "i")
    ds.HighBit = ds.BitsStored - 1
    if colour:
        ds.PlanarConfiguration = tags.pop("PlanarConfiguration", 0)
        if ds.PlanarConfiguration:
            frames = np.moveaxis(frames, -1, 1)
    if several:
        ds.NumberOfFrames = len(frames)
        ds.FrameTime = frame_time if frame_time is not None else 50
        ds.FrameIncrementPointer = 0x00181063
    if regions:
        ds.SequenceOfUltrasoundRegions = list(regions)
    data = np.ascontiguousarray(frames)
    if not syntax.is_little_endian:
        data = data.astype(data.dtype.newbyteorder(">"))
    content = data.tobytes()
    ds.PixelData = content + b"\0" * (len(content) % 2)
    ds["PixelData"].VR = "OB" if ds.BitsAllocated == 8 else "OW"
    if syntax == JPEGBaseline8Bit:
        ds.file_meta.TransferSyntaxUID = syntax
        ds.PixelData = encapsulate([_jpeg(frame) for frame in frames])
        ds["PixelData"].VR = "OB"
        if colour:
            ds.PhotometricInterpretation = "YBR_FULL_422"
    elif syntax.is_compressed and not syntax.is_deflated:
        ds.compress(syntax, generate_instance_uid=False)
    for name, value in tags.items():
        if value is None:
            delattr(ds, name)
        else:
            setattr(ds, name, value)
    ds.save_as(path, enforce_file_format=True)
    return Path(path)


def _jpeg(frame):
    content = BytesIO()
    Image.fromarray(frame).save(content, "JPEG", quality=95, subsampling=1)
    return content.getvalue()
