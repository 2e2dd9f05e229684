"""Contact sheets hold every image, also those that failed."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from salus.segmentation.result import NONE
from salus.write.caption_text import draw_line, line_width, wrap_text
from salus.write.contact_sheet import BACKGROUND, CAPTION, COLUMNS, LINE, ROWS, TILE, draw_sheet, write_contact_sheets
from salus.write.tables import FAILED, Record


def record(name, **more):
    return Record(f"{name}.png", name, **({"result": NONE, "confidence": 0.5} | more))


@pytest.fixture
def red(tmp_path):
    path = tmp_path / "red.jpg"
    Image.new("RGB", (900, 400), (250, 0, 0)).save(path)
    return path


def is_red(tile):
    return (tile[..., 0] > 200) & (tile[..., 1] < 60)


def tile(picture, columns, index):
    y, x = index // columns * (TILE[1] + CAPTION + 6), index % columns * (TILE[0] + 6)
    return np.asarray(picture)[y : y + TILE[1] + CAPTION + 6, x : x + TILE[0] + 6]


def test_each_image_has_its_place_and_its_shape(red, tmp_path):
    damaged = tmp_path / "damaged.jpg"
    damaged.write_bytes(red.read_bytes()[:50])
    records = [record("a"), record("b", result=FAILED, error="x"), record("c"), record("d"), record("e")]
    made = draw_sheet(records, [red, tmp_path / "absent.jpg", damaged, red, red])
    for index, there in enumerate((True, False, False, True, True)):
        found = is_red(tile(made, 3, index))
        assert found.sum() == pytest.approx(there * TILE[0] * TILE[0] * 400 / 900, rel=0.03)
        assert (tile(made, 3, index) != BACKGROUND).any()  # its caption
    assert (tile(made, 3, 5) == BACKGROUND).all()


def test_names_in_any_letters_and_of_any_length(red):
    made = draw_sheet([record("乳腺-ü" * 30), record("x" * 300)], [red, red])
    assert made.width == 2 * (TILE[0] + 6)


def test_many_images_make_several_sheets(red, tmp_path):
    n = COLUMNS * ROWS + 1
    sheets = write_contact_sheets(tmp_path / "p.jpg", [record(str(i)) for i in range(n)], [red] * n)
    assert [path.name for path in sheets] == ["p.jpg", "p-2.jpg"]
    sizes = [Image.open(path).size for path in sheets]
    assert sizes == [(COLUMNS * (TILE[0] + 6), ROWS * (TILE[1] + CAPTION + 6)), (TILE[0] + 6, TILE[1] + CAPTION + 6)]


def text_pixels(text):
    picture = Image.new("RGB", (400, 20))
    draw_line(ImageDraw.Draw(picture), (2, 2), text, (255, 255, 255))
    return np.asarray(picture).any(axis=2)


def test_umlauts_and_other_scripts_are_told_apart():
    """Letters are drawn as themselves, or as their codes where no font has them; never as one sign for all."""
    for one, other in (
        ("Müller", "Muller"),
        ("Müller", "M?ller"),
        ("乳腺", "胸部"),
        ("Анна", "Инна"),
        ("a\ud800b", "ab"),
    ):
        assert (text_pixels(one) != text_pixels(other)).any(), (one, other)
    assert (text_pixels("ü")[:, 2:] != text_pixels("u")[:, 2:]).sum() < 30  # the letter with its dots, not a code


@pytest.mark.parametrize(
    "letter", ["\t", "\n", "\r", "\x00", "\x1b", "\x7f", "\x85", "\u200b", "\u202e", "\ufeff", "\udcff"]
)
def test_what_cannot_be_seen_is_written_as_its_code(letter):
    np.testing.assert_array_equal(text_pixels(f"a{letter}b"), text_pixels(f"aU+{ord(letter):04X}b"))


@pytest.mark.parametrize("space", ["\u00a0", "\u2003", "\u3000"])
def test_a_space_of_any_width_is_a_space(space):
    np.testing.assert_array_equal(text_pixels(f"a{space}b"), text_pixels("a b"))


def test_flags_are_shown_whole(red):
    """Each flag on lines of its own, none wider than a tile."""
    flag = "the image is unlike those the network knows; do not rely on its outline without looking at it yourself"
    few = draw_sheet([record("a", flags=("short",))], [red])
    many = draw_sheet([record("a", flags=(flag, flag + " again"))], [red])
    lines = wrap_text(flag, TILE[0])
    assert " ".join(lines) == flag
    assert all(line_width(line) <= TILE[0] for line in lines)
    assert len(wrap_text("x" * 200, TILE[0])) > 3
    again = len(wrap_text(flag + " again", TILE[0]))
    assert many.height - few.height == LINE * (len(lines) + again - 1)
    captions = np.asarray(many)[TILE[1] + 3 :]
    is_ink = (captions.astype(int) - BACKGROUND > 60).any(axis=(1, 2))
    assert (
        np.count_nonzero(np.diff(is_ink.astype(int)) == 1) >= len(lines) + again
    )  # rows of letters, one under the other
