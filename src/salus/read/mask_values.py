"""Decide which pixels of a mask file are lesion, from its values, by one rule for truth and predictions alike.

Each file is read by itself; no other file changes how it is read. In this order:

transparent file    one colour in all visible pixels: opacity is the value; else a colour counts by its opacity
colours             all coloured pixels have one colour: its brightest channel is the value; several are refused
0 everywhere        empty
0 and another       a mask: the other value is lesion (0/1, 0/255, any; also where 1 % of the lesion's pixels differ, as
                    the noise of JPEG does)
whole, up to 20     labels: all above 0 is lesion, if labels above 1 lie next to 0; a probability near 0 never does so
                    and has more steps; a few nested steps are refused
others              grades, a probability or soft edges: value / range, lesion from one half on; the range is 255 in
                    8 bits, 65535 in 16 bits, 1 in floats

What could be read in two ways is refused: one value everywhere but the range's own; two values on one side of one half;
a few wide steps (0, 127, 255); an edge that fades out below one half (0 to 100); 8-bit values in a 16-bit file.
`FORCED` and lists of values force a reading.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from salus.errors import SalusError

Colour = tuple[int, int, int]

AUTO = "auto"
FORCED = {
    "above-zero": "every value above 0 is lesion",
    "half": "lesion from half of the file's range on: 128 of 8 bits, 32768 of 16 bits, 0.5 of floats",
    "half-max": "lesion above half of the file's own maximum",
}
"""Words that force a reading; a list of values as in "1,3" is the other way."""

MAX_LABEL = 20
"""Highest whole number that may be a label."""

NOISE = 0.01
"""Share of the pixels above 0 that may differ from a mask's one value."""

FEW_VALUES = 16
"""Number of values up to which wide steps are labels rather than grades."""

PLATEAU = 0.2
"""Share of the upper half's pixels that have the highest value, from which on that is a mask's own and no summit."""

EMPTY, MASK, LABELS, GRADES, COLOURS, ANNOTATION = "empty", "mask", "labels", "grades", "colours", "annotation"
MEANINGS = {
    EMPTY: "empty",
    MASK: "mask of 0 and one value",
    LABELS: "labels, all above 0 lesion",
    GRADES: "probability or soft edges, lesion from one half on",
    COLOURS: "the layout's colours",
    ANNOTATION: "annotations of the layout",
}
"""What was decided, in words."""


@dataclass(frozen=True)
class MaskDecision:
    """What was decided of a mask file.

    Attributes:
        meaning: of `MEANINGS`, or the words of `--mask-values` that forced it.
        low: the lowest value.
        high: the highest value.
    """

    meaning: str
    low: float
    high: float

    def describe(self) -> str:
        """Say in a few words what was decided."""
        return MEANINGS.get(self.meaning, f"--mask-values {self.meaning} says")


@dataclass(frozen=True, eq=False)
class MaskReading:
    """A mask file as it was read.

    Attributes:
        mask: (height, width) bool, the lesion.
        probability: (height, width) float32 in [0, 1] where the file holds grades; None elsewhere.
        decision: what was decided.
    """

    mask: np.ndarray
    probability: np.ndarray | None
    decision: MaskDecision


def check_mask_values(text: str) -> str:
    """Check the text that says how masks are read: "auto", a word of `FORCED`, or values such as "1,3".

    Raises:
        SalusError: it is none of these.

    Example:
        >>> check_mask_values("1,3"), check_mask_values("half")
        ('1,3', 'half')
    """
    if text != AUTO and text not in FORCED:
        try:
            _parse_values(text)
        except ValueError:
            raise SalusError(
                f"{text}: no way to read masks; name {AUTO}, {', '.join(FORCED)} or the lesion's values, as in 1,3"
            ) from None
    return text


def interpret_mask(
    values: np.ndarray, source: str, mask_values: str = AUTO, opacity: np.ndarray | None = None
) -> MaskReading:
    """Decide which pixels are lesion.

    Args:
        values: (height, width) or (height, width, channels), as stored.
        source: the file's name in errors.
        mask_values: "auto" decides by the values; else see `check_mask_values`.
        opacity: (height, width) of the values' type, where the file has transparency.

    Raises:
        SalusError: it cannot be decided.

    Example:
        >>> interpret_mask(np.array([[0, 1, 2, 0]], np.uint8), "a.png").mask.tolist()
        [[False, True, True, False]]
        >>> reading = interpret_mask(np.array([[0, 90, 180, 255]], np.uint8), "a.png")
        >>> reading.mask.tolist(), reading.decision.describe()
        ([[False, False, True, True]], 'probability or soft edges, lesion from one half on')
    """
    grey = _merge_colours(_apply_opacity(values, opacity, source), source, mask_values)
    low, high = (float(grey.min()), float(grey.max())) if grey.size else (0.0, 0.0)
    if grey.dtype == bool:
        grey = grey.astype(np.uint8)
    if mask_values in FORCED:
        return _force(grey, source, MaskDecision(mask_values, low, high))
    if mask_values != AUTO:
        return MaskReading(np.isin(grey, _parse_values(mask_values)), None, MaskDecision(mask_values, low, high))
    meaning, limit = _decide(grey, source, values.dtype == bool)
    probability = (grey / np.float32(_range(grey))).astype(np.float32) if meaning == GRADES else None
    mask = grey > 0 if meaning == LABELS else grey >= limit
    return MaskReading(mask, probability, MaskDecision(meaning, low, high))


def summarise_decisions(role: str, decisions: Mapping[str, MaskDecision]) -> list[str]:
    """Say in one line how the files of one role were read; no line without files.

    Args:
        role: what the files are, as in "truth".
        decisions: by the file's path.

    Example:
        >>> summarise_decisions("truth", {"a.png": interpret_mask(np.eye(3) > 0, "a.png").decision})
        ['truth: 1 file read as mask of 0 and one value']
    """
    groups: dict[str, list[str]] = {}
    for path, decision in sorted(decisions.items()):
        groups.setdefault(decision.describe(), []).append(path)
    parts = [
        f"{len(paths)} {'file' if len(paths) == 1 else 'files'} read as {text}"
        + (f" (e.g. {paths[0]})" if len(groups) > 1 else "")
        for text, paths in groups.items()
    ]
    return [f"{role}: {'; '.join(parts)}"] if parts else []


def warn_of_faint_maps(role: str, decisions: Mapping[str, MaskDecision]) -> list[str]:
    """Warn in one line of masks of 0 and 1 among probabilities: they may be probabilities near 0.

    Example:
        >>> faint, graded = MaskDecision(MASK, 0, 1), MaskDecision(GRADES, 0, 250)
        >>> warn_of_faint_maps("predictions", {"a.png": faint, "b.png": graded})[0][:63]
        'predictions: 1 file of 0 and 1 among probabilities, e.g. a.png:'
    """
    faint = [path for path, d in sorted(decisions.items()) if (d.meaning, d.low, d.high) == (MASK, 0, 1)]
    if not faint or all(decision.meaning != GRADES for decision in decisions.values()):
        return []
    files = "file" if len(faint) == 1 else "files"
    return [
        f"{role}: {len(faint)} {files} of 0 and 1 among probabilities, e.g. {faint[0]}: read as masks; if these are "
        "probabilities near 0, say --mask-values predictions=half"
    ]


def _decide(grey: np.ndarray, source: str, is_bits: bool) -> tuple[str, float]:
    """Decide what the values mean, and from which value on a mask or grades are lesion."""
    values, counts = np.unique(grey, return_counts=True)
    low, high, scale = float(values[0]), float(values[-1]), _range(grey)
    is_whole = not (values % 1).any()
    if low < 0 or (high > 1 and not is_whole):
        raise _undecided(source, f"values from {low:g} to {high:g} are no mask and no probability")
    if high == 0:
        return EMPTY, 1.0
    if is_bits or (len(values) == 1 and high == scale):
        return MASK, high
    if len(values) == 1:
        raise _undecided(source, f"it holds {high:g} everywhere")
    if grey.dtype.kind == "f" and high <= 1 and (not is_whole or low > 0):
        return GRADES, 0.5
    if low == 0:
        above = values > 0
        common = values[above][counts[above].argmax()]
        is_alike = high <= common + max(2, NOISE * scale)  # a probability near 0 may have a small area far above
        if is_alike and counts[above].max() >= (1 - NOISE) * counts[above].sum():
            return MASK, float(common) / 2
    elif len(values) == 2 and not low < scale / 2 <= high:
        raise _undecided(source, f"it holds {low:g} and {high:g}, and no 0")
    if high <= MAX_LABEL and is_whole:
        return _decide_small(grey, values, source, scale)
    return _decide_grades(grey, values, source, scale)


def _decide_small(grey: np.ndarray, values: np.ndarray, source: str, scale: float) -> tuple[str, float]:
    """Tell labels from a probability that is near 0 everywhere."""
    if values[0] == 0:
        jumps = steps = 0
        for axis in (0, 1):
            first, second = (np.take(grey, range(s, grey.shape[axis] - 1 + s), axis) for s in (0, 1))
            differs = (first != second) & (np.maximum(first, second) >= 2)
            steps += int(differs.sum())
            jumps += int((differs & (np.minimum(first, second) == 0)).sum())
        if jumps > 0.05 * steps:
            return LABELS, 1.0
        if len(values) > 5:
            return GRADES, scale / 2
    raise _undecided(source, f"its values, {values[0]:g} to {values[-1]:g}, are labels or a probability near 0")


def _decide_grades(grey: np.ndarray, values: np.ndarray, source: str, scale: float) -> tuple[str, float]:
    """Check that grades are on the scale of the file's type, and that they are no labels far apart."""
    high = float(values[-1])
    if high > scale:
        raise _undecided(source, f"its values reach {high:g}, beyond the range of a probability")
    if scale > 255 and high <= 255:
        raise _undecided(source, f"its values reach {high:g} of {scale:g}: 8 bits in a wider file")
    if 2 < len(values) <= FEW_VALUES:
        is_flat = ndimage.maximum_filter(grey, 3) == ndimage.minimum_filter(grey, 3)
        is_between = (grey > values[0]) & (grey < high)
        if (is_flat & is_between).sum() > 0.05 * (grey > values[0]).sum():
            listed = ", ".join(f"{value:g}" for value in values[:6])
            raise _undecided(source, f"it holds wide areas of few values ({listed})")
    if high < scale / 2 and (grey == high).sum() > PLATEAU * (grey > high / 2).sum():
        raise _undecided(source, f"its highest value, {high:g}, fills an area and is below half of {scale:g}")
    return GRADES, scale / 2


def _force(grey: np.ndarray, source: str, decision: MaskDecision) -> MaskReading:
    """Read a file as one of `FORCED` says."""
    if decision.meaning == "above-zero":
        return MaskReading(grey > 0, None, decision)
    if decision.meaning == "half-max":
        return MaskReading(grey > max(decision.high, 0.0) / 2, None, decision)
    scale = _range(grey)
    if decision.low < 0 or decision.high > scale:
        raise SalusError(
            f"{source}: values from {decision.low:g} to {decision.high:g} are no probability; save 8 bits, or floats "
            "from 0 to 1"
        )
    return MaskReading(grey >= scale / 2, (grey / np.float32(scale)).astype(np.float32), decision)


def _range(grey: np.ndarray) -> float:
    """Return the highest value that a file of this type stands for."""
    if grey.dtype.kind == "f":
        return 255.0 if grey.size and grey.max() > 1 else 1.0
    return 255.0 if grey.dtype.itemsize == 1 else 65535.0


def _apply_opacity(values: np.ndarray, opacity: np.ndarray | None, source: str) -> np.ndarray:
    """Return a transparent file's opacity where it draws the mask, else the colours weighted by it."""
    if opacity is None or (opacity == opacity.flat[0]).all():
        if opacity is not None and not opacity.any() and (values != values.reshape(-1, *values.shape[2:])[0]).any():
            raise SalusError(f"{source}: every pixel is transparent, though they differ; save it without transparency")
        return values if opacity is None or opacity.any() else np.zeros_like(values)
    visible = values[opacity > 0]
    if (visible == visible[0]).all():
        return opacity
    share = opacity / np.float32(_range(opacity))
    weighted = values * (share[..., None] if values.ndim == 3 else share)
    return weighted if values.dtype.kind == "f" else np.round(weighted).astype(values.dtype)


def _merge_colours(values: np.ndarray, source: str, mask_values: str) -> np.ndarray:
    """Reduce colours to their brightest channel; refuse several colours unless the reading is forced."""
    if values.ndim == 2:
        return values
    brightest = values.max(axis=2)
    if values.shape[2] >= 3 and mask_values == AUTO and (values != brightest[..., None]).any():
        bright = brightest > float(brightest.max()) / 2
        patterns = values[bright][:, :3] > brightest[bright][:, None] / 2.0
        counts = np.unique(patterns, axis=0, return_counts=True)[1]
        if counts.max(initial=0) < (1 - NOISE) * counts.sum():
            raise _undecided(source, "it holds several colours")
    return brightest


def _parse_values(text: str) -> Sequence[float]:
    return [float(value) for value in text.split(",")]


def _undecided(source: str, why: str) -> SalusError:
    return SalusError(
        f"{source}: cannot tell which pixels are lesion: {why}; save a mask of 0 and 255, or say it with --mask-values"
    )
