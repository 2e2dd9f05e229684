"""Read the look-up tables of a DICOM header (PS3.3 C.7.6.3.1.5, C.11.1, C.11.2): palettes, modality and VOI tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from salus.errors import SalusError

MAX_ENTRIES = 65536
"""Number of entries that a descriptor of 0 stands for."""

MIN_UNUSED_BITS = 4
"""Bits that no entry of a table needs, from which on the table's number of bits is not taken for their range."""


@dataclass(frozen=True, eq=False)
class LookupTable:
    """A look-up table.

    Attributes:
        entries: (n,) values.
        first: stored value that the first entry is for; smaller ones get the first entry, larger ones the last.
        bits: of an entry; its largest value is 2 ** bits - 1.
    """

    entries: np.ndarray
    first: int
    bits: int

    @property
    def used_bits(self) -> int:
        """Bits that the entries need, where they leave four or more unused; 0 elsewhere.

        Such a table states the size of its words for the range of its entries, in which they are 16 levels or fewer.

        Example:
            >>> LookupTable(np.arange(256), 0, 16).used_bits, LookupTable(np.arange(256) * 100, 0, 16).used_bits
            (8, 0)
        """
        bits = max(int(self.entries.max()).bit_length(), 1)
        return bits if self.bits - bits >= MIN_UNUSED_BITS else 0

    def look_up(self, values: np.ndarray) -> np.ndarray:
        """Return the entries for values; of the shape of `values`.

        Example:
            >>> LookupTable(np.array([10, 20, 30]), first=5, bits=8).look_up(np.array([0, 5, 6, 99])).tolist()
            [10, 10, 20, 30]
        """
        positions = np.clip(np.floor(values).astype(np.int64) - self.first, 0, len(self.entries) - 1)
        return self.entries[positions]


def read_lookup_table(
    holder: Any, descriptor_name: str, data_name: str, *, is_little_endian: bool, is_input_signed: bool
) -> LookupTable:
    """Read a table of 8-bit or 16-bit entries, in bytes, or in words of which a small entry fills the lower byte.

    Args:
        holder: the pydicom Dataset that has the two attributes.
        descriptor_name: keyword of the descriptor: number of entries, first value, bits of an entry.
        data_name: keyword of the entries.
        is_little_endian: byte order of the file.
        is_input_signed: whether values below 0 can be looked up.

    Raises:
        SalusError: the table is missing or damaged; the message names no file.
    """
    descriptor = _integers(holder, descriptor_name, is_little_endian)
    if len(descriptor) != 3 or data_name not in holder:
        raise SalusError(f"its {data_name} has no valid descriptor, or no entries")
    count = int(descriptor[0]) & 0xFFFF or MAX_ENTRIES
    first = int(descriptor[1]) & 0xFFFF
    if (is_input_signed or descriptor[1] < 0) and first >= 0x8000:
        first -= 0x10000
    bits = int(descriptor[2])
    words = _integers(holder, data_name, is_little_endian)
    element = holder[data_name]
    if isinstance(element.value, bytes) and len(element.value) < 2 * count:
        is_words = element.VR != "OB"
        content = element.value
        if is_words and not is_little_endian:  # two entries a word, the first in the lower byte
            content = np.frombuffer(content[: len(content) // 2 * 2], ">u2").astype("<u2").tobytes()
        words = np.frombuffer(content, np.uint8).astype(np.int64)
    elif len(words) < count <= 2 * len(words):
        words = np.stack([words & 0xFF, words >> 8], axis=1).reshape(-1)
    if len(words) < count or not 1 <= bits <= 16:
        raise SalusError(f"its {data_name} has fewer entries than it says, or entries of {bits} bits")
    entries = words[:count] & 0xFFFF
    if int(entries.max()) >> bits:  # a descriptor that says less than its entries hold
        bits = 16
    return LookupTable(entries, first, bits)


def _integers(holder: Any, name: str, is_little_endian: bool) -> np.ndarray:
    """Read the numbers of an attribute that a file stores as numbers or as words; empty where it is missing."""
    value = holder.get(name)
    if isinstance(value, bytes):
        return np.frombuffer(value[: len(value) // 2 * 2], "<u2" if is_little_endian else ">u2").astype(np.int64)
    if value is None or value == "":
        return np.zeros(0, np.int64)
    try:
        return np.atleast_1d(np.asarray(value, dtype=np.int64))
    except (TypeError, ValueError, OverflowError):
        return np.zeros(0, np.int64)
