"""Write a DICOM object that has a sequence of very many items, without holding them all in memory.

The items are encoded one by one; the object is encoded with the last item of its own, and the others are put behind
that one. The sequences around them have no stated length (PS3.5 7.5.1), so that nothing else changes.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import IO, Any

ITEM_TAG = bytes.fromhex("feff00e0")
"""(FFFE,E000) in little endian, before the length of an item."""

CHARACTER_SET = "utf_8"
"""Python's name of ISO_IR 192, in which Salus writes its objects."""


def encode_item(item: Any) -> bytes:
    """Encode an item of a sequence in explicit little endian, with UTF-8 text.

    Args:
        item: a pydicom Dataset.

    Example:
        >>> from pydicom.dataset import Dataset
        >>> item = Dataset()
        >>> item.PatientSex = "F"
        >>> encode_item(item)
        b'\\xfe\\xff\\x00\\xe0\\n\\x00\\x00\\x00\\x10\\x00@\\x00CS\\x02\\x00F '
    """
    from pydicom.filebase import DicomBytesIO
    from pydicom.filewriter import write_dataset

    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    write_dataset(buffer, item, parent_encoding=CHARACTER_SET)
    content = buffer.getvalue()
    return ITEM_TAG + len(content).to_bytes(4, "little") + content


def save_with_items(path: Path, dataset: Any, holders: Sequence[Any], items: IO[bytes]) -> None:
    """Save an object in explicit little endian, with further items at the end of one of its sequences.

    Args:
        path: of the file.
        dataset: the object, a pydicom Dataset with its file_meta, in UTF-8.
        holders: the object, and the items from there down to the one whose ContentSequence takes the further items; it
            has one item or more.
        items: encoded by `encode_item`, read from where the file stands.

    Raises:
        OSError: the file cannot be written.
    """
    for holder in holders:
        holder["ContentSequence"].is_undefined_length = True
    for item in holders[1:]:
        item.is_undefined_length_sequence_item = True
    buffer = BytesIO()
    dataset.save_as(buffer)
    content, last = buffer.getvalue(), encode_item(holders[-1].ContentSequence[-1])
    place = content.index(last) + len(last)
    with path.open("wb") as file:
        file.write(content[:place])
        shutil.copyfileobj(items, file)
        file.write(content[place:])
