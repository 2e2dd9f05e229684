"""Read the header of a DICOM file: the data set before the pixels, and where the pixel data lie in the file."""

from __future__ import annotations

import io
import logging
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

from salus.errors import SalusError
from salus.read.limits import MAX_DEFLATED

UNDEFINED_LENGTH = 0xFFFFFFFF
"""Length that encapsulated (compressed) pixel data state."""

DEFLATED, EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.1"
"""Transfer syntax whose whole data set is packed by zlib, and that of the data set when it is unpacked."""

MAX_READS = 60_000
"""Largest number of reads that pydicom may make for a header, two or three an attribute; usual are some hundreds."""

MAX_SEQUENCE_BYTES, MAX_SEQUENCE_ITEMS = 2**23, 30_000
"""Largest size of a sequence that pydicom parses when it is asked for, and of its items, nested ones included."""

ITEM_TAGS = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")
"""Tag of an item, (FFFE,E000), in either byte order."""

# pydicom's remarks on a file may quote it; what matters, Salus reports in a line of its own.
logging.getLogger("pydicom").setLevel(logging.CRITICAL)
warnings.filterwarnings("ignore", module="pydicom")


@dataclass(frozen=True, eq=False)
class DicomHeader:
    """Header of a DICOM file.

    Attributes:
        dataset: pydicom Dataset, without the pixel data. Its transfer syntax is that of the unpacked data set.
        pixel_offset: byte offset of the pixel data's value in what `open_data_set` returns.
        pixel_bytes: length of that value, or `UNDEFINED_LENGTH`; None without pixel data.
        pixel_type: its value representation, OB or OW.
        size: of the unpacked file in bytes.
    """

    dataset: Any
    pixel_offset: int
    pixel_bytes: int | None
    pixel_type: str
    size: int


class LimitedReader:
    """A file that pydicom may read from `MAX_READS` times; an attribute costs memory and time, however small it is."""

    def __init__(self, file: BinaryIO | str, mode: str = "rb") -> None:
        self._file: Any = open(file, mode) if isinstance(file, str) else file  # noqa: SIM115  (closed by the caller)
        self.reads = 0

    def read(self, size: int = -1) -> bytes:
        """Read; see `io.BufferedReader.read`."""
        self.reads += 1
        if self.reads > MAX_READS:
            raise ValueError("more reads than a header takes")
        content: bytes = self._file.read(size)
        return content

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def open_data_set(path: Path) -> BinaryIO:
    """Open a DICOM file; a deflated one is unpacked in memory, as a file in explicit little endian.

    Raises:
        SalusError: pydicom is not installed, or the file unpacks to more than `MAX_DEFLATED`.
        OSError: it cannot be read.
    """
    return io.BytesIO(_inflate(path)) if read_transfer_syntax(path) == DEFLATED else path.open("rb")


def read_header(path: Path) -> DicomHeader:
    """Read a DICOM file up to its pixel data.

    Raises:
        SalusError: pydicom is not installed, or the file is damaged, no DICOM file, or beyond a limit.
    """
    pydicom, reader = import_pydicom(), None
    try:
        with open_data_set(path) as file:
            size = file.seek(0, io.SEEK_END)
            file.seek(0)
            reader = LimitedReader(file)
            dataset = pydicom.dcmread(reader, stop_before_pixels=True, force=True, defer_size=MAX_SEQUENCE_BYTES)
            offset, start = file.tell(), file.read(12)
        is_implicit, is_little_endian = dataset.original_encoding
        if not hasattr(dataset, "file_meta"):
            dataset.file_meta = pydicom.dataset.FileMetaDataset()
        if not dataset.file_meta.get("TransferSyntaxUID"):
            syntax = "ImplicitVRLittleEndian" if is_implicit else "ExplicitVRLittleEndian"
            syntax = syntax if is_little_endian else "ExplicitVRBigEndian"
            dataset.file_meta.TransferSyntaxUID = getattr(pydicom.uid, syntax)
        has_class = bool(dataset.file_meta.get("MediaStorageSOPClassUID"))  # a directory's data set has none
        is_dicom = has_class or any(name in dataset for name in ("SOPClassUID", "Modality", "Rows"))
        is_too_large = _has_large_sequence(dataset)
    except SalusError:
        raise
    except Exception as error:  # pydicom raises many kinds, RecursionError among them; their words may quote the file
        if reader is not None and reader.reads > MAX_READS:  # whatever pydicom made of it
            is_dicom = is_too_large = True
        elif isinstance(error, OSError):
            raise SalusError(f"{path}: cannot be read ({error.strerror or type(error).__name__})") from None
        else:
            raise SalusError(f"{path}: cannot be read as DICOM ({type(error).__name__})") from None
    if not is_dicom:
        raise SalusError(f"{path}: is no DICOM file")
    if is_too_large:
        raise SalusError(f"{path}: its header has more attributes than an image's; it is damaged or not an image")
    # The element after the header: its tag (4 bytes), in explicit VR its type and 2 unused bytes, then its length.
    if start[:4] != (b"\xe0\x7f\x10\x00" if is_little_endian else b"\x7f\xe0\x00\x10"):  # PixelData, (7FE0,0010)
        return DicomHeader(dataset, 0, None, "", size)
    byte_order: Literal["little", "big"] = "little" if is_little_endian else "big"
    length_at = 4 if is_implicit else 8
    length = int.from_bytes(start[length_at : length_at + 4], byte_order)
    pixel_type = "OW" if is_implicit else start[4:6].decode("latin-1")
    return DicomHeader(dataset, offset + length_at + 4, length, pixel_type, size)


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


def _has_large_sequence(dataset: Any) -> bool:
    """Tell whether a sequence that is not parsed yet is larger than an image's header has."""
    for element in dataset._dict.values():
        value = getattr(element, "value", None)
        if value is None and getattr(element, "VR", None) == "SQ" and getattr(element, "length", 0):
            return True  # beyond defer_size
        if isinstance(value, bytes) and value[:4] in ITEM_TAGS and value.count(value[:4]) > MAX_SEQUENCE_ITEMS:
            return True
    return False


def _inflate(path: Path) -> bytes:
    """Unpack a deflated file; its meta information then names explicit little endian."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    with path.open("rb") as file:
        meta = import_pydicom().filereader.read_file_meta_info(path)
        head = file.read(132 + 12 + int(meta.FileMetaInformationGroupLength))
        packed, unpacked = file.read(MAX_DEFLATED), EXPLICIT_LITTLE_ENDIAN.encode()
        content = head.replace(DEFLATED.encode(), unpacked.ljust(len(DEFLATED), b"\0"), 1)
        content += inflater.decompress(packed, MAX_DEFLATED)
    if len(content) >= MAX_DEFLATED:
        raise SalusError(f"{path}: unpacks to more than {MAX_DEFLATED / 2**20:.0f} MiB; store it otherwise")
    return content
