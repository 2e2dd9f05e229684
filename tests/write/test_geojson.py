"""GeoJSON files hold each lesion as a valid polygon of pixel coordinates, and are read back as a table."""

import json

import numpy as np
import pytest
from matplotlib.path import Path
from tests.write.segmentations import l_and_ring, segmentation_of

import salus
from salus.write.geojson import polygon_geometry, write_geojson
from salus.write.tables import make_record


def written(path, segmentation):
    write_geojson(path, make_record(segmentation, "a.png", "a"), segmentation)
    return json.loads(path.read_text(encoding="utf-8"))


def shoelace(ring):
    x, y = np.array(ring).T
    return ((x[:-1] * y[1:] - x[1:] * y[:-1]).sum()) / 2


def polygons_of(geometry):
    return geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]


def fill(geometry, shape):
    """Fill a geometry by matplotlib: outer rings less their holes, pixels by their middles."""
    rows, columns = np.indices(shape)
    middles = np.stack([columns, rows], -1).reshape(-1, 2) + 0.5
    filled = np.zeros(shape, bool)
    for outer, *holes in polygons_of(geometry):
        part = Path(outer).contains_points(middles)
        for hole in holes:
            part &= ~Path(hole).contains_points(middles)
        filled |= part.reshape(shape)
    return filled


def test_each_lesion_is_a_feature_as_qupath_reads_it(tmp_path):
    segmentation = segmentation_of(l_and_ring(), (0.1, 0.2))
    content = written(tmp_path / "a.geojson", segmentation)
    assert content["type"] == "FeatureCollection"
    assert [feature["type"] for feature in content["features"]] == ["Feature", "Feature"]
    for feature, lesion in zip(content["features"], segmentation.lesions, strict=True):
        properties = feature["properties"]
        assert (properties["objectType"], properties["name"]) == ("annotation", f"lesion {lesion.number}")
        assert properties["classification"]["name"] == "Lesion"
        assert properties["measurements"]["area mm^2"] == lesion.area
        assert all(isinstance(value, float) for value in properties["measurements"].values())
    filled = [fill(feature["geometry"], (40, 64)) for feature in content["features"]]
    np.testing.assert_array_equal(filled[0] | filled[1], segmentation.mask)


def test_the_area_of_rectangles_and_the_direction_of_rings_are_those_of_the_standard():
    """RFC 7946, 3.1.6: rings are closed, the outer one goes counterclockwise (area above 0), holes the other way."""
    mask = np.zeros((30, 40), bool)
    mask[5:25, 10:34] = True
    mask[10:14, 20:29] = False
    (rings,) = polygons_of(polygon_geometry(mask))
    assert all(ring[0] == ring[-1] for ring in rings)
    outer, hole = map(shoelace, rings)
    assert outer == pytest.approx(20 * 24, rel=0.02)  # corners may lie up to half a pixel off
    assert hole == pytest.approx(-4 * 9, rel=0.2)
    assert (outer > 0, hole < 0) == (True, True)


def test_a_round_outline_has_the_area_of_its_circle_and_few_corners():
    rows, columns = np.mgrid[:200, :240]
    geometry = polygon_geometry(np.hypot(rows - 90, columns - 110) < 70)
    assert geometry["type"] == "Polygon"
    assert shoelace(geometry["coordinates"][0]) == pytest.approx(np.pi * 70**2, rel=0.01)
    assert len(geometry["coordinates"][0]) < 80


def test_parts_that_touch_at_a_corner_keep_their_own_holes():
    mask = np.zeros((40, 40), bool)
    mask[2:20, 2:20] = mask[20:38, 20:38] = True
    mask[8:12, 8:12] = mask[26:30, 26:30] = mask[32:34, 24:27] = False
    geometry = polygon_geometry(mask)
    assert geometry["type"] == "MultiPolygon"
    assert [len(part) for part in geometry["coordinates"]] == [2, 3]
    np.testing.assert_array_equal(fill(geometry, mask.shape), mask)


@pytest.mark.parametrize("seed", range(4))
def test_any_mask_is_the_same_when_it_is_filled(seed):
    noise = np.random.default_rng(seed).random((12, 12)).repeat(3, axis=0).repeat(3, axis=1)
    mask = noise < 0.3 + 0.15 * seed
    np.testing.assert_array_equal(fill(polygon_geometry(mask), mask.shape), mask)


def test_the_outlines_are_valid_for_shapely():
    shapely = pytest.importorskip("shapely", reason="shapely is not installed")
    from shapely.geometry import shape

    rows, columns = np.mgrid[:120, :120]
    mask = (np.hypot(rows - 60, columns - 55) < 40) & ~(np.hypot(rows - 60, columns - 50) < 9)
    for pixels in (mask, l_and_ring()[:, :42]):
        polygon = shape(polygon_geometry(pixels))
        assert shapely.is_valid(polygon)
        assert polygon.area == pytest.approx(pixels.sum(), rel=0.02)


def test_the_table_is_read_back_from_one_file_and_from_a_folder_of_them(tmp_path):
    found = segmentation_of(l_and_ring(), (0.1, 0.2))
    written(tmp_path / "a.geojson", found)
    rows = salus.read_lesions(tmp_path / "a.geojson", frame=False)
    assert [(row["lesion"], row["area_px"]) for row in rows] == [(le.number, le.area_px) for le in found.lesions]
    assert written(tmp_path / "b.geojson", segmentation_of(np.zeros((20, 30), bool)))["features"] == []
    assert [row["lesions"] for row in salus.read_lesions(tmp_path, frame=False)] == [2, 2, 0]
    (tmp_path / "b.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    with pytest.raises(salus.SalusError, match=r"b\.geojson: is no table of lesions"):
        salus.read_lesions(tmp_path / "b.geojson", frame=False)
