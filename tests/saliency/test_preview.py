"""The picture of a scan and its saliency."""

import numpy as np
import pytest

from salus.saliency.map import SaliencyMap
from salus.saliency.preview import HEAT, HEIGHT, OPACITY, draw_preview
from salus.scan import Scan


def halves(pixels, values):
    image = draw_preview(Scan(pixels, "a.png"), SaliencyMap(values, "x", None, "a.png"))
    return image[:, : pixels.shape[1]], image[:, -pixels.shape[1] :]


def test_the_scan_is_left_as_it_is_where_nothing_is_salient():
    pixels = np.random.default_rng(0).random((30, 40)).astype(np.float32)
    left, right = halves(pixels, np.zeros((30, 40), np.float32))
    np.testing.assert_array_equal(left, right)
    np.testing.assert_allclose(left[..., 1], pixels * 255, atol=0.51)


def test_saliency_is_coloured_in_place_and_outlined_at_one_half():
    values = np.zeros((30, 40), np.float32)
    values[5:15, 20:32] = 1
    values[20:25, 3:9] = 0.49
    left, right = halves(np.full((30, 40), 0.4, np.float32), values)
    inside, edge = (slice(6, 14), slice(21, 31)), np.zeros((30, 40), bool)
    edge[5:15, 20:32] = True
    edge[inside] = False
    assert (right[edge] == 255).all()
    expected = (1 - OPACITY) * 0.4 * 255 + OPACITY * np.array(HEAT[-1])
    np.testing.assert_allclose(right[inside], np.broadcast_to(expected, (8, 10, 3)), atol=0.51)
    assert not (right[20:25, 3:9] == 255).any()
    changed = (left != right).any(axis=2)
    np.testing.assert_array_equal(changed, values > 0)


@pytest.mark.parametrize(("shape", "shown"), [((2 * HEIGHT, 600), (HEIGHT, 300)), ((8, 3000), (8, 3000))])
def test_tall_scans_are_shrunk_others_are_not(shape, shown):
    image = draw_preview(
        Scan(np.zeros(shape, np.float32), "a"), SaliencyMap(np.ones(shape, np.float32), "x", None, "a")
    )
    assert image.dtype == np.uint8
    assert image.shape == (shown[0], 2 * shown[1] + 6, 3)
