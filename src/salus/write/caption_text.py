"""Lines of text in pictures, in the letters of any language that a font at hand has.

Pillow's own font has the letters of European languages. For others a font of the system is taken; a letter that no font
has, a tab, and other characters that cannot be seen are written as their codes, as in U+4E73, so that names stay apart.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from unicodedata import category

from PIL import ImageDraw, ImageFont

SIZE = 11
"""Height of letters, pixels."""

SYSTEM_FONTS = (
    "DejaVuSans.ttf", "NotoSans-Regular.ttf", "NotoSansCJK-Regular.ttc", "wqy-microhei.ttc", "wqy-zenhei.ttc",
    "DroidSansFallbackFull.ttf", "Arial Unicode.ttf", "ArialUnicode.ttf", "msyh.ttc", "msgothic.ttc", "malgun.ttf",
    "PingFang.ttc", "Hiragino Sans GB.ttc", "NotoSansArabic-Regular.ttf", "NotoSansHebrew-Regular.ttf",
    "NotoSansDevanagari-Regular.ttf", "NotoSansThai-Regular.ttf", "arial.ttf", "segoeui.ttf",
)  # fmt: skip
"""Files of fonts that Linux, Windows and macOS have; those that are there are used in this order."""


def draw_line(draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, colour: tuple[int, int, int]) -> None:
    """Draw one line of text, its upper left corner at `place`."""
    x, y = float(place[0]), place[1]
    for part, font in _runs(text):
        draw.text((x, y), part, colour, font)
        x += font.getlength(part)


def line_width(text: str) -> float:
    """Measure a line as it is drawn, in pixels."""
    return float(sum(font.getlength(part) for part, font in _runs(text)))


def fit_line(text: str, width: float) -> str:
    """Shorten a line that is too wide at its beginning: the end of a name says most.

    Example:
        >>> fit_line("scan.png", 240), fit_line("ward/" * 30 + "scan.png", 100)[:3]
        ('scan.png', '...')
    """
    if line_width(text) <= width:
        return text
    while text and line_width("..." + text) > width:
        text = text[1:]
    return "..." + text


def wrap_text(text: str, width: float) -> list[str]:
    """Break a text into lines between words, or within a word that is wider than a line.

    Example:
        >>> wrap_text("touches the border; part of it may lie outside", 120)
        ['touches the border;', 'part of it may lie', 'outside']
    """
    lines = [""]
    for word in text.split():
        while line_width(word) > width:
            cut = max(1, next(n for n in range(len(word), 0, -1) if n == 1 or line_width(word[:n]) <= width))
            lines.append(word[:cut])
            word = word[cut:]
        longer = f"{lines[-1]} {word}".strip()
        if line_width(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return [line for line in lines if line] or [""]


def _runs(text: str) -> list[tuple[str, Any]]:
    """Divide a text into parts of one font each; a space of any width is a plain one."""
    runs: list[tuple[str, Any]] = []
    for letter in text:
        letter = " " if category(letter) == "Zs" else letter
        font = _font_of(letter)
        part = letter if font is not None else f"U+{ord(letter):04X}"
        font = font or _fonts()[0]
        if runs and runs[-1][1] is font:
            runs[-1] = (runs[-1][0] + part, font)
        else:
            runs.append((part, font))
    return runs


@lru_cache(maxsize=4096)
def _font_of(letter: str) -> Any | None:
    """Return the first font that has a letter; None where none has."""
    if letter == " ":
        return _fonts()[0]
    return next((font for font in _fonts() if letter.isprintable() and _has_letter(font, letter)), None)


def _has_letter(font: Any, letter: str) -> bool:
    """Tell whether a font draws a letter otherwise than one that does not exist."""
    shown, absent = (font.getmask(one) for one in (letter, "\U0010fffe"))
    return bool(shown.size != absent.size or bytes(shown) != bytes(absent))


@lru_cache(maxsize=1)
def _fonts() -> tuple[Any, ...]:
    fonts: list[Any] = [ImageFont.load_default(SIZE)]
    for name in SYSTEM_FONTS:
        try:
            fonts.append(ImageFont.truetype(name, SIZE))
        except (OSError, ImportError):
            continue
    return tuple(fonts)
