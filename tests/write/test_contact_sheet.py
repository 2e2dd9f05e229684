"""Contact sheets hold every image, also those that failed."""

import numpy as np
import pytest
from PIL import Image

from salus.write.contact_sheet import BACKGROUND, CAPTION, COLUMNS, ROWS, TILE, draw_sheet, write_contact_sheets
from salus.write.tables import FAILED, NONE, Record


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
