"""What a reader notes of an image: BI-RADS descriptors of a lesion, that it is accepted or rejected, a comment, a mark.

The words are those of the ultrasound lexicon of the ACR BI-RADS Atlas, 5th edition (2013). Shape and orientation are
proposed from measurements; no assessment category is, and none is stored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from salus.atomic import write_text
from salus.errors import SalusError
from salus.measure.lesions import Lesion
from salus.segmentation.review import Decision, Description, Rejection
from salus.serve.acceptance import (
    ReviewedLesion,
    box_overlap,
    find_accepted,
    find_rejected,
    read_reviewed,
    restore_reviewed,
)

LEXICON: dict[str, tuple[str, ...]] = {
    "shape": ("oval", "round", "irregular"),
    "orientation": ("parallel", "not parallel"),
    "margin": ("circumscribed", "indistinct", "angular", "microlobulated", "spiculated"),
    "echo_pattern": (
        "anechoic", "hyperechoic", "complex cystic and solid", "hypoechoic", "isoechoic", "heterogeneous",
    ),
    "posterior_features": ("no posterior features", "enhancement", "shadowing", "combined pattern"),
}  # fmt: skip
"""The descriptors of a lesion and the words of each."""

MARKS = ("unsure", "skipped", "poor image")
HANDLED_MARKS = ("skipped", "poor image")
"""Marks of images that need no outline: a worklist counts them as done."""

MAX_COMMENT = 2000
"""Characters of a comment."""

IRREGULAR_SOLIDITY, ROUND_RATIO = 0.9, 0.85
"""Rule of thumb for a proposed shape: a solidity below is irregular, across / longest from the ratio on is round."""


@dataclass(frozen=True)
class LesionDescriptors:
    """The descriptors of one lesion, each "" or a word of `LEXICON`.

    Attributes:
        box: (top, left, height, width) of the lesion in pixels when it was described; it tells which lesion it is.
        shape: of `LEXICON`, as are the others.
    """

    box: tuple[int, int, int, int]
    shape: str = ""
    orientation: str = ""
    margin: str = ""
    echo_pattern: str = ""
    posterior_features: str = ""

    def words(self) -> dict[str, str]:
        """Give the descriptors by name."""
        return {name: getattr(self, name) for name in LEXICON}


@dataclass(frozen=True)
class Notes:
    """What a reader noted of one image or frame.

    Attributes:
        mark: "" or of `MARKS`.
        comment: free text.
        lesions: descriptors of each lesion that has any.
        reader: who noted it, as typed; "" where no name was given.
        saved: when, ISO 8601 in UTC; it also names this version of the notes.
        accepted: lesions whose outlines were accepted one by one, with who accepted each and when.
        rejected: lesions that were rejected, likewise; those that are outlined again are among them.
    """

    mark: str = ""
    comment: str = ""
    lesions: tuple[LesionDescriptors, ...] = ()
    reader: str = ""
    saved: str = ""
    accepted: tuple[ReviewedLesion, ...] = ()
    rejected: tuple[ReviewedLesion, ...] = ()


def make_notes(content: Mapping[str, Any], reader: str, saved: str, earlier: Notes | None = None) -> Notes:
    """Check what a reader noted.

    Args:
        content: mark, comment, lesions, a list of `LesionDescriptors` as JSON, and accepted and rejected, of each such
            lesion box, area_px and centroid; without it those stay that were accepted, or rejected, before.
        reader: the reader's name.
        saved: the time.
        earlier: the notes that these replace; None for none.

    Raises:
        SalusError: a word is not in the lexicon, or the comment is too long.

    Example:
        >>> notes = make_notes({"lesions": [{"box": [1, 2, 3, 4], "shape": "oval"}]}, "Ann", "2030-01-01T10:00:00.000Z")
        >>> notes.lesions[0].shape, notes.mark
        ('oval', '')
    """
    mark, comment = str(content.get("mark") or ""), str(content.get("comment") or "").strip()
    if mark and mark not in MARKS:
        raise SalusError(f"the mark {mark!r}: choose from {', '.join(MARKS)}")
    if len(comment) > MAX_COMMENT:
        raise SalusError(f"the comment has {len(comment)} characters; at most {MAX_COMMENT} are kept")
    lesions = tuple(_read_lesion(lesion) for lesion in content.get("lesions") or ())
    described = tuple(one for one in lesions if any(one.words().values()))
    reviewed = {}
    for name in ("accepted", "rejected"):
        given, before = content.get(name), getattr(earlier, name) if earlier else ()
        reviewed[name] = before if given is None else read_reviewed(given, before, reader, saved)
    return Notes(mark, comment, described, reader, saved, **reviewed)


def _read_lesion(content: Mapping[str, Any]) -> LesionDescriptors:
    try:
        top, left, height, width = (int(side) for side in content["box"])
    except (KeyError, TypeError, ValueError, OverflowError):
        raise SalusError("a described lesion needs its box: top, left, height, width in pixels") from None
    words = {name: str(content.get(name) or "") for name in LEXICON}
    for name, word in words.items():
        if word and word not in LEXICON[name]:
            raise SalusError(f"{name.replace('_', ' ')} {word!r}: choose from {', '.join(LEXICON[name])}")
    return LesionDescriptors((top, left, height, width), **words)


def read_notes(path: Path) -> Notes | None:
    """Read notes from a file; None where there are none or it is damaged."""
    try:
        return restore_notes(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError, SalusError):
        return None


def restore_notes(content: Mapping[str, Any]) -> Notes:
    """Make notes of the JSON of `dataclasses.asdict`.

    Raises:
        TypeError, ValueError, KeyError, SalusError: it is none.
    """
    lesions = tuple(LesionDescriptors(**one | {"box": tuple(one["box"])}) for one in content["lesions"])
    known = {field.name for field in fields(Notes)}
    reviewed = {name: restore_reviewed(content.get(name, ())) for name in ("accepted", "rejected")}
    values = {name: value for name, value in content.items() if name in known}
    return Notes(**values | {"lesions": lesions, **reviewed})


def name_reader(notes: Notes, reader: str) -> Notes:
    """Give notes whose parts without a reader's name have this one."""

    def named(lesions: tuple[ReviewedLesion, ...]) -> tuple[ReviewedLesion, ...]:
        return tuple(one if one.reader else replace(one, reader=reader) for one in lesions)

    accepted, rejected = named(notes.accepted), named(notes.rejected)
    return replace(notes, reader=notes.reader or reader, accepted=accepted, rejected=rejected)


def write_notes(path: Path, notes: Notes) -> None:
    """Write notes as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(asdict(notes), ensure_ascii=False))


def match_lesions(notes: Notes | None, lesions: Sequence[Lesion]) -> tuple[int | None, ...]:
    """Tell for each lesion which of the described ones it is: that of the box that it overlaps most.

    Outlines change after a lesion was described, and so do numbers; boxes go on overlapping.

    Args:
        notes: of the image; None for none.
        lesions: of the current outline.

    Returns:
        For each lesion its place in `notes.lesions`, None where it is not described.
    """
    described = list(notes.lesions) if notes else []
    pairs = sorted(
        (
            (box_overlap(lesion.box, one.box), i, k)
            for i, lesion in enumerate(lesions)
            for k, one in enumerate(described)
        ),
        reverse=True,
    )
    matched: dict[int, int] = {}
    for overlap, i, k in pairs:
        if overlap > 0 and i not in matched and k not in matched.values():
            matched[i] = k
    return tuple(matched.get(i) for i in range(len(lesions)))


def describe_lesions(notes: Notes | None, lesions: Sequence[Lesion]) -> Description | None:
    """Give what a reader noted in the library's words, for its writers; None for nothing."""
    if notes is None:
        return None
    words = tuple({} if place is None else notes.lesions[place].words() for place in match_lesions(notes, lesions))
    found = (find_accepted(notes.accepted, lesion) for lesion in lesions)
    accepted = tuple(Decision(one.reader, one.saved) if one else None for one in found)
    rejected = tuple(Rejection(one.reader, one.saved, one.box) for one in find_rejected(notes.rejected, lesions))
    return Description(notes.reader, notes.mark, notes.comment, words, accepted, rejected)


def propose_descriptors(lesion: Lesion) -> dict[str, str]:
    """Propose shape and orientation from measurements; nothing of a lesion that the image's border cuts.

    Args:
        lesion: of the current outline.

    Returns:
        Words of `LEXICON` by name. The shape follows a rule of thumb (`IRREGULAR_SOLIDITY`, `ROUND_RATIO`).
    """
    if lesion.at_border:
        return {}
    if lesion.solidity < IRREGULAR_SOLIDITY:
        shape = "irregular"
    else:
        shape = "round" if lesion.across >= ROUND_RATIO * lesion.longest else "oval"
    return {"shape": shape, "orientation": "parallel" if lesion.parallel else "not parallel"}
