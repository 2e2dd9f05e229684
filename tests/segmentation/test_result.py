"""A segmentation in Python and in a notebook: short repr, overlay, table, files, polygons."""

import json
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image, ImageDraw
from tests.write.segmentations import fill_polygons, l_and_ring, segmentation_of

import salus
from salus.errors import SalusError
from salus.segmentation.result import Segmentation
from salus.write.tables import make_record, records_json


@pytest.fixture(scope="module")
def phantom():
    return salus.make_phantom(3)


@pytest.fixture(scope="module")
def result(phantom):
    return salus.segment(phantom.image)


def test_the_repr_is_one_short_line(result):
    for segmentation in (result, segmentation_of(l_and_ring(), (0.1, 0.1), 7), segmentation_of(np.zeros((9, 9), bool))):
        assert "\n" not in repr(segmentation)
        assert len(repr(segmentation)) < 160
    assert repr(segmentation_of(l_and_ring(), frame=7)).startswith("Segmentation(scan.png, frame 7, 64 x 40: tumour ")
    assert "no tumour found" in repr(segmentation_of(np.zeros((9, 9), bool)))


def test_the_overlay_differs_from_the_image_along_the_outline_only(result, phantom):
    picture = np.asarray(result.overlay())
    assert picture.shape == (*phantom.image.shape, 3)
    changed = (picture != phantom.image[..., None]).any(axis=2)
    edge = np.zeros_like(result.mask)
    edge[1:] |= result.mask[1:] != result.mask[:-1]
    edge[:, 1:] |= result.mask[:, 1:] != result.mask[:, :-1]
    rows, columns = np.nonzero(changed)
    distance = [np.abs(np.argwhere(edge) - (r, c)).max(axis=1).min() for r, c in zip(rows, columns, strict=True)]
    assert len(rows)
    assert max(distance) <= 2


def test_an_overlay_without_kept_pixels_asks_for_them(phantom):
    segmentation = segmentation_of(l_and_ring())
    with pytest.raises(SalusError, match=r"its pixels were not kept; give them"):
        segmentation.overlay()
    assert segmentation.overlay(np.zeros((40, 64))).size == (64, 40)
    with pytest.raises(SalusError, match="shape"):
        segmentation.overlay(phantom.image / 255)
    assert segmentation._repr_png_() is None
    assert "<img" not in segmentation._repr_html_()


class Cells(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.cells = [], []

    def handle_starttag(self, tag, attrs):
        self.open += [tag] if tag != "img" else []

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "td":
            self.cells.append(data)


def test_a_notebook_shows_a_picture_and_a_row_for_each_lesion(result):
    page = Cells()
    page.feed(result._repr_html_())
    assert page.open == []
    assert [cell for cell in page.cells if cell.isdigit()] == [str(lesion.number) for lesion in result.lesions]
    assert "data:image/png;base64," in result._repr_html_()
    assert result._repr_png_().startswith(b"\x89PNG")


def test_a_hostile_file_name_is_text_in_the_notebook(result):
    fields = {name: getattr(result, name) for name in Segmentation.__dataclass_fields__}
    hostile = Segmentation(**fields | {"source": "<script>alert(1)</script>", "flags": ("<b>",)})
    assert "<script>" not in hostile._repr_html_()
    assert "&lt;b&gt;" in hostile._repr_html_()


def test_the_display_of_ipython_takes_both_forms(result):
    formatters = pytest.importorskip("IPython.core.formatters")
    data, _ = formatters.DisplayFormatter().format(result)
    assert {"text/plain", "text/html", "image/png"} <= data.keys()


def test_saved_files_hold_what_their_suffix_says(result, tmp_path):
    result.save(tmp_path / "mask.png")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "mask.png")), result.mask * np.uint8(255))
    result.save(str(tmp_path / "overlay.JPG"))
    assert Image.open(tmp_path / "overlay.JPG").size == result.overlay().size
    result.save(tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text()) == result.to_dict()
    with pytest.raises(SalusError, match=r"a\.nrrd: a segmentation is saved as \.png \(mask\)"):
        result.save(tmp_path / "a.nrrd")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "mask.png", "overlay.JPG"]


def test_the_dictionary_has_the_names_and_values_of_the_table(result):
    (record,) = json.loads(json.dumps(records_json([make_record(result, "x.png", "x")])))["images"]
    content = result.to_dict()
    assert json.loads(json.dumps(content)) == content
    assert {name: record[name] for name in content if name != "image"} == {
        name: value for name, value in content.items() if name != "image"
    }


def test_polygons_give_each_lesion_again():
    mask = l_and_ring()
    outlines = segmentation_of(mask).polygons()
    assert [len(rings) for rings in outlines] == [2, 1] or [len(rings) for rings in outlines] == [1, 2]
    np.testing.assert_array_equal(fill_polygons(mask.shape, [ring for rings in outlines for ring in rings]), mask)
    assert segmentation_of(np.zeros((9, 9), bool)).polygons() == []


def test_polygons_of_a_real_result_agree_with_pillow_up_to_the_edge(result):
    canvas = Image.new("1", result.mask.shape[::-1])
    for rings in result.polygons():
        ImageDraw.Draw(canvas).polygon(rings[0], fill=1)
    difference = np.asarray(canvas) != result.mask
    assert difference.sum() < 0.05 * result.mask.sum()
