"""Format the report's numbers: rounded, decimals aligned, a dash where a value is not defined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite

from salus.metrics.segmentation import SCORES, ScoreInfo

DASH = "–"
MINUS = "−"
FIGURE_SPACE = "\u2007"
"""As wide as a digit."""
_THIN_SPACE = "\u202f"

REPORT_SCORES = {
    "detection_rate": ScoreInfo("Lesions found", "", True),
}
"""Score that the report derives from those of `salus.metrics.segmentation`: the share of true lesions found."""


def score_info(score: str) -> ScoreInfo:
    """Return title, unit and direction of a score, the report's own included."""
    return REPORT_SCORES[score] if score in REPORT_SCORES else SCORES[score]


def format_ratio(value: float, digits: int = 3) -> str:
    """Format a ratio as papers print it, without the zero before the point.

    Example:
        >>> format_ratio(0.8941), format_ratio(-0.02), format_ratio(1.0), format_ratio(float("nan"))
        ('.894', '−.020', '1.000', '–')
    """
    text = format_fixed(value, digits)
    return text.replace("0.", ".", 1) if text.lstrip(MINUS).startswith("0.") else text


def format_fixed(value: float, digits: int = 1) -> str:
    """Format a number with a fixed number of decimals.

    Example:
        >>> format_fixed(12.345), format_fixed(-0.01), format_fixed(float("inf"))
        ('12.3', '0.0', '–')
    """
    if not isfinite(value):
        return DASH
    text = f"{abs(value):.{digits}f}"
    return MINUS + text if value < 0 and float(text) else text


def format_signed(value: float, digits: int = 1) -> str:
    """Format a difference, with its sign.

    Example:
        >>> format_signed(0.84), format_signed(-2.0), format_signed(0.0)
        ('+0.8', '−2.0', '0.0')
    """
    text = format_fixed(value, digits)
    return "+" + text if isfinite(value) and value > 0 and float(text) else text


def format_p(p: float) -> str:
    """Format a p-value with its sign of comparison, for a sentence.

    Example:
        >>> format_p(0.2304), format_p(0.0421), format_p(0.00002), format_p(1.0)
        ('= .23', '= .042', '< .001', '= 1')
    """
    if not isfinite(p):
        return DASH
    if p < 0.001:
        return "< .001"
    return "= 1" if p > 0.995 else f"= {format_ratio(p, 3 if p < 0.1 else 2)}"


def format_p_cell(p: float) -> str:
    """Format a p-value with three decimals, for a column of a table.

    Example:
        >>> format_p_cell(0.2304), format_p_cell(0.00002)
        ('.230', '< .001')
    """
    return "< .001" if p < 0.001 else format_ratio(p)


def format_count(number: float) -> str:
    """Format a whole number, with thin spaces between the thousands.

    Example:
        >>> format_count(717313).replace("\u202f", " ")
        '717 313'
    """
    return f"{round(number):,}".replace(",", _THIN_SPACE) if isfinite(number) else DASH


def score_decimals(score: str) -> int:
    """Return the number of decimals that a score is printed with."""
    return 1 if score_info(score).unit else 2 if score == "false_lesions" else 3


def format_score(score: str, value: float) -> str:
    """Format a score: ratios as .894, distances and areas with one decimal, numbers of lesions with two."""
    decimals = score_decimals(score)
    return format_fixed(value, decimals) if decimals < 3 else format_ratio(value)


def format_mean_and_spread(score: str, means: Sequence[float], spreads: Sequence[float]) -> list[str]:
    """Format a column of "mean ± spread" so that decimals align when cells are right-aligned.

    If no cell has a spread (one fold), the cells hold the means alone.

    Example:
        >>> [cell.replace(FIGURE_SPACE, "_") for cell in format_mean_and_spread("hd95", [9.0, 12.5], [1.25, 10.0])]
        ['9.0 ± _1.2', '12.5 ± 10.0']
    """
    if not any(isfinite(s) for s in spreads):
        return [format_score(score, mean) for mean in means]
    spread_texts = [format_score(score, s) for s in spreads]
    width = max((len(text) for text in spread_texts), default=0)
    cells = []
    for mean, text in zip(means, spread_texts, strict=True):
        mean_text = format_score(score, mean)
        padded = text.ljust(width, FIGURE_SPACE) if text == DASH else text.rjust(width, FIGURE_SPACE)
        cells.append(mean_text if mean_text == DASH else f"{mean_text} ± {padded}")
    return cells


def format_interval(low: float, high: float, format_end: Callable[[float], str] = format_ratio) -> str:
    """Format an interval in brackets, its ends by `format_end`; a dash if an end is not finite.

    Example:
        >>> format_interval(0.881, 0.907), format_interval(float("nan"), 1.0)
        ('[.881, .907]', '–')
    """
    if not (isfinite(low) and isfinite(high)):
        return DASH
    return f"[{format_end(low)}, {format_end(high)}]"


def join_words(items: Sequence[str]) -> str:
    """Join words with commas and a final "and".

    Example:
        >>> join_words(["a"]), join_words(["a", "b", "c"])
        ('a', 'a, b and c')
    """
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1] if items else ""


def plural(number: int, noun: str) -> str:
    """Format a number with its noun in singular or plural.

    Example:
        >>> plural(1, "image"), plural(2, "image"), plural(0, "entry|entries")
        ('1 image', '2 images', '0 entries')
    """
    singular, _, plural_noun = noun.partition("|")
    return f"{format_count(number)} {singular if number == 1 else plural_noun or singular + 's'}"
