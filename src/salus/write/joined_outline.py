"""Join the outlines of a lesion, its parts and its holes, into one closed line for formats that hold one a lesion.

Rings are joined by bridges that are run along twice, there and back, so that they enclose nothing: the keyhole
technique of DICOM (PS3.3 C.8.8.6.3). Filled by the even-odd or the winding rule, the line gives the mask, to the pixel.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from salus.measure.outline import Point


def join_rings(rings: Sequence[Sequence[Point]]) -> list[Point]:
    """Join rings into one, which is not closed by a repeated point.

    Args:
        rings: one or more, each a list of (x, y) corners, as of `salus.measure.outline.polygons`.

    Example:
        >>> join_rings([[(0, 0), (9, 0), (9, 9), (0, 9)], [(2, 2), (2, 4), (4, 4), (4, 2)]])
        [(0, 0), (2, 2), (2, 4), (4, 4), (4, 2), (2, 2), (0, 0), (9, 0), (9, 9), (0, 9)]
    """
    left = [list(ring) for ring in rings]
    joined = left.pop(0)
    while left:
        # The ring with the shortest bridge is next, so that bridges stay within the lesion.
        points = np.asarray(joined, float)
        bridges = []
        for index, ring in enumerate(left):
            distances = ((points[:, None] - np.asarray(ring, float)) ** 2).sum(axis=2)
            at, to = np.unravel_index(distances.argmin(), distances.shape)
            bridges.append((float(distances[at, to]), index, int(at), int(to)))
        _, index, at, to = min(bridges)
        ring = left.pop(index)
        loop = [*ring[to:], *ring[:to]]
        is_touching = loop[0] == joined[at]
        joined[at:at] = loop if is_touching else [joined[at], *loop, loop[0]]
    return joined
