"""How the report writes a number: rounded sensibly, decimals in line, a dash where a score is not defined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import floor, isfinite

from salus.metrics.segmentation import SCORES, ScoreInfo

DASH = "–"
MINUS = "−"
FIGURE_SPACE = "\u2007"
"""As wide as a digit."""
_THIN_SPACE = "\u202f"

EXTRA_SCORES = {
    "found": ScoreInfo("Lesions found", "", True),
}
"""What the report derives from the fields of `salus.metrics.segmentation.Scores`: the share of an image's true lesions found."""


def info(score: str) -> ScoreInfo:
    """Title, unit and direction of a score, the report's own included."""
    return EXTRA_SCORES[score] if score in EXTRA_SCORES else SCORES[score]


def ratio(value: float, digits: int = 3) -> str:
    """A ratio as papers print it, without the zero before the point.

    Example:
        >>> ratio(0.8941), ratio(-0.02), ratio(1.0), ratio(float("nan"))
        ('.894', '−.020', '1.000', '–')
    """
    text = fixed(value, digits)
    return text.replace("0.", ".", 1) if text.lstrip(MINUS).startswith("0.") else text


def fixed(value: float, digits: int = 1) -> str:
    """A number with so many decimals.

    Example:
        >>> fixed(12.345), fixed(-0.01), fixed(float("inf"))
        ('12.3', '0.0', '–')
    """
    if not isfinite(value):
        return DASH
    text = f"{abs(value):.{digits}f}"
    return MINUS + text if value < 0 and float(text) else text


def signed(value: float, digits: int = 1) -> str:
    """A difference, always with its sign.

    Example:
        >>> signed(0.84), signed(-2.0), signed(0.0)
        ('+0.8', '−2.0', '0.0')
    """
    text = fixed(value, digits)
    return "+" + text if isfinite(value) and value > 0 and float(text) else text


def p_value(p: float) -> str:
    """A p-value with its sign of comparison.

    Example:
        >>> p_value(0.2304), p_value(0.0421), p_value(0.00002), p_value(1.0)
        ('= .23', '= .042', '< .001', '= 1')
    """
    if not isfinite(p):
        return DASH
    if p < 0.001:
        return "< .001"
    return "= 1" if p > 0.995 else f"= {ratio(p, 3 if p < 0.1 else 2)}"


def p_cell(p: float) -> str:
    """A p-value in a table's column: three decimals.

    Example:
        >>> p_cell(0.2304), p_cell(0.00002)
        ('.230', '< .001')
    """
    return "< .001" if p < 0.001 else ratio(p)


def count(number: float) -> str:
    """A whole number, its thousands apart.

    Example:
        >>> count(717313).replace("\u202f", " ")
        '717 313'
    """
    return f"{round(number):,}".replace(",", _THIN_SPACE) if isfinite(number) else DASH


def duration(seconds: float) -> str:
    """A length of time in the two units that matter.

    Example:
        >>> duration(12.34), duration(250), duration(5000), duration(200000)
        ('12.3 s', '4 min 10 s', '1 h 23 min', '2 d 7 h')
    """
    if not isfinite(seconds):
        return DASH
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{floor(seconds / 60)} min {floor(seconds % 60)} s"
    if seconds < 86400:
        return f"{floor(seconds / 3600)} h {floor(seconds % 3600 / 60)} min"
    return f"{floor(seconds / 86400)} d {floor(seconds % 86400 / 3600)} h"


def digits(score: str) -> int:
    """How many decimals a score is printed with."""
    return 1 if info(score).unit else 2 if score == "false_lesions" else 3


def shown(score: str, value: float) -> str:
    """A score in its own form: ratios as .894, distances and areas with one decimal, counts of lesions with two."""
    return fixed(value, digits(score)) if digits(score) < 3 else ratio(value)


def mean_and_spread(score: str, means: Sequence[float], spreads: Sequence[float]) -> list[str]:
    """Cells of one column, "mean ± spread", with all their decimals in line under right alignment.

    Where no cell has a spread (one fold) there is nothing but the mean.

    Example:
        >>> [cell.replace(FIGURE_SPACE, "_") for cell in mean_and_spread("hd95", [9.0, 12.5], [1.25, 10.0])]
        ['9.0 ± _1.2', '12.5 ± 10.0']
    """
    if not any(isfinite(s) for s in spreads):
        return [shown(score, mean) for mean in means]
    right = [shown(score, s) for s in spreads]
    width = max((len(text) for text in right), default=0)
    cells = []
    for mean, text in zip(means, right, strict=True):
        left = shown(score, mean)
        padded = text.ljust(width, FIGURE_SPACE) if text == DASH else text.rjust(width, FIGURE_SPACE)
        cells.append(left if left == DASH else f"{left} ± {padded}")
    return cells


def interval(low: float, high: float, form: Callable[[float], str] = ratio) -> str:
    """An interval in brackets, or a dash; `form` writes one number.

    Example:
        >>> interval(0.881, 0.907), interval(float("nan"), 1.0)
        ('[.881, .907]', '–')
    """
    if not (isfinite(low) and isfinite(high)):
        return DASH
    return f"[{form(low)}, {form(high)}]"


def listed(items: Sequence[str]) -> str:
    """Words in a row.

    Example:
        >>> listed(["a"]), listed(["a", "b", "c"])
        ('a', 'a, b and c')
    """
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1] if items else ""


def plural(number: int, noun: str) -> str:
    """A number with its noun.

    Example:
        >>> plural(1, "image"), plural(2, "image"), plural(0, "entry|entries")
        ('1 image', '2 images', '0 entries')
    """
    one, _, many = noun.partition("|")
    return f"{count(number)} {one if number == 1 else many or one + 's'}"
