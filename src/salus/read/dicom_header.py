"""Read the header of a DICOM file: the data set before the pixels, and where the pixel data lie in the file."""

from __future__ import annotations

import logging
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from salus.errors import SalusError
from salus.read.limits import MAX_INFLATED

UNDEFINED_LENGTH = 0xFFFFFFFF
"""Length that encapsulated (compressed) pixel data state."""

DEFLATED = "1.2.840.10008.1.2.1.99"
"""Transfer syntax whose whole data set is packed by zlib."""

# pydicom's remarks on a file may quote it; what matters, Salus reports in a line of its own.
logging.getLogger("pydicom").setLevel(logging.CRITICAL)
warnings.filterwarnings("ignore", module="pydicom")


@dataclass(frozen=True, eq=False)
class DicomHeader:
    """Header of a DICOM file.

    Attributes:
        dataset: pydicom Dataset, without the pixel data.
        pixel_offset: byte offset of the pixel data's value in the file; None where the file is deflated.
        pixel_bytes: length of that value, or `UNDEFINED_LENGTH`; None without pixel data.
    """

    dataset: Any
    pixel_offset: int | None
    pixel_bytes: int | None


def read_header(path: Path) -> DicomHeader:
    """Read a DICOM file up to its pixel data; a deflated file is read whole.

    Raises:
        SalusError: pydicom is not installed, or the file is damaged, no DICOM file, or beyond a limit.
    """
    pydicom = import_pydicom()
    try:
        with path.open("rb") as file:
            if read_transfer_syntax(path) == DEFLATED:
                _check_inflated_size(path)
                dataset = pydicom.dcmread(file)
                pixels = dataset.pop("PixelData", None)  # all frames; a header that is kept must not hold them
                return DicomHeader(dataset, None, None if pixels is None else len(pixels.value))
            dataset = pydicom.dcmread(file, stop_before_pixels=True, force=True, defer_size=2**20)
            offset, start = file.tell(), file.read(12)
        is_implicit, is_little_endian = dataset.original_encoding
        if not hasattr(dataset, "file_meta"):
            dataset.file_meta = pydicom.dataset.FileMetaDataset()
        if not dataset.file_meta.get("TransferSyntaxUID"):
            syntax = "ImplicitVRLittleEndian" if is_implicit else "ExplicitVRLittleEndian"
            dataset.file_meta.TransferSyntaxUID = getattr(pydicom.uid, syntax)
        is_dicom = len(dataset) > 0 and any(name in dataset for name in ("SOPClassUID", "Modality", "Rows"))
    except SalusError:
        raise
    except OSError as error:
        raise SalusError(f"{path}: cannot be read ({error.strerror or type(error).__name__})") from None
    except Exception as error:  # pydicom raises many kinds, RecursionError among them; their words may quote the file
        raise SalusError(f"{path}: cannot be read as DICOM ({type(error).__name__})") from None
    if not is_dicom:
        raise SalusError(f"{path}: is no DICOM file")
    # The element after the header: its tag (4 bytes), in explicit VR its type and 2 unused bytes, then its length.
    if start[:4] != (b"\xe0\x7f\x10\x00" if is_little_endian else b"\x7f\xe0\x00\x10"):  # PixelData, (7FE0,0010)
        return DicomHeader(dataset, None, None)
    byte_order: Literal["little", "big"] = "little" if is_little_endian else "big"
    length_at = 4 if is_implicit else 8
    length = int.from_bytes(start[length_at : length_at + 4], byte_order)
    return DicomHeader(dataset, offset + length_at + 4, length)


def read_transfer_syntax(path: Path) -> str | None:
    """Read the transfer syntax from the file's meta information; None where it has none, or no such tag."""
    pydicom = import_pydicom()
    with path.open("rb") as file:
        file.seek(128)
        if file.read(4) != b"DICM":
            return None
    return pydicom.filereader.read_file_meta_info(path).get("TransferSyntaxUID")


def import_pydicom() -> Any:
    """Import pydicom and the modules of it that Salus uses.

    Raises:
        SalusError: it is not installed.
    """
    try:
        import pydicom
        import pydicom.filereader
        import pydicom.pixels
    except ImportError:
        raise SalusError('DICOM files need pydicom; pip install "salus[dicom]"') from None
    return pydicom


def _check_inflated_size(path: Path) -> None:
    """Unpack a deflated file piece by piece, keeping nothing, and check its size against `MAX_INFLATED`."""
    size, inflater = 0, zlib.decompressobj(-zlib.MAX_WBITS)
    with path.open("rb") as file:
        meta = import_pydicom().filereader.read_file_meta_info(path)
        file.seek(132 + 12 + int(meta.FileMetaInformationGroupLength))
        while (piece := file.read(2**16)) and not inflater.eof:
            while piece:
                size += len(inflater.decompress(piece, 2**20))
                piece = inflater.unconsumed_tail
                if size > MAX_INFLATED:
                    raise SalusError(f"{path}: unpacks to more than {MAX_INFLATED / 2**20:.0f} MiB; store it otherwise")
