"""Tell by their names which classes of an annotation tool mean a lesion, and which of the three labels they say.

A class means a lesion if its name holds one of `LESION_WORDS`, and no word that denies it. Where no name does, the only
class there is means it. Otherwise nobody can tell, and the classes must be renamed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from salus.errors import SalusError

LESION_WORDS = {
    "lesion", "lesions", "tumour", "tumours", "tumor", "tumors", "mass", "masses", "cancer", "carcinoma", "neoplasm",
    "nodule", "nodules", "cyst", "cysts", "fibroadenoma", "benign", "malignant",
}  # fmt: skip
"""Words that name a lesion in a class's name, in lower case."""

DENIALS = {"no", "non", "not", "without", "background", "normal", "hole", "ignore", "ignored", "other"}
"""Words that deny it."""

HOLE = "hole"
"""Name of outlines that are cut out of the lesion of their group."""


def words_of(name: str) -> set[str]:
    """Split a name into its words, in lower case.

    Example:
        >>> sorted(words_of("BreastTumour_1, benign"))
        ['benign', 'breast', 'tumour']
    """
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def choose_lesion_classes(names: Iterable[str], source: Path) -> set[str]:
    """Choose the classes that mean a lesion.

    Args:
        names: of all classes that occur, or are declared.
        source: the file or folder, for the error.

    Raises:
        SalusError: there are several, and no name tells.

    Example:
        >>> sorted(choose_lesion_classes(["Tumor", "shadow", "no tumor"], Path("a.json")))
        ['Tumor']
        >>> choose_lesion_classes(["roi"], Path("a.json"))
        {'roi'}
    """
    classes = {name for name in names if name.lower() != HOLE}
    lesions = {name for name in classes if words_of(name) & LESION_WORDS and not words_of(name) & DENIALS}
    if lesions or not classes:
        return lesions
    candidates = {name for name in classes if not words_of(name) & DENIALS}
    if len(candidates) == 1:
        return candidates
    raise SalusError(
        f"{source}: cannot tell which class means a lesion ({', '.join(sorted(classes)[:8])}); "
        "rename it so that its name holds lesion, tumour or mass"
    )


def label_of(names: Iterable[str]) -> str | None:
    """Return "malignant" or "benign" if a name says so, malignant first; "normal" if one is that; else None.

    Example:
        >>> label_of(["benign", "Malignant mass"]), label_of(["lesion"]), label_of(["normal"])
        ('malignant', None, 'normal')
    """
    words = [words_of(name) for name in names]
    for label in ("malignant", "benign"):
        if any(label in those and not those & {"no", "non", "not"} for those in words):
            return label
    return "normal" if {"normal"} in words else None
