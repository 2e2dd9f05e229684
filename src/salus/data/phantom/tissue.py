"""The tissue of a phantom: skin, fat with its septa, gland, muscle and chest wall, as maps over a slab of breast.

Lengths are in mm, echo levels in dB relative to gland, losses in dB per mm (two-way) beyond the average.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

STEP = 0.14
"""Size of a slab's pixel, mm."""

MARGIN = 9.0
"""Width of a slab beyond the field of view on either side, mm."""


@dataclass(frozen=True, eq=False)
class Tissue:
    """A slab of breast tissue, `STEP` mm a pixel; rows go deeper, columns run from -width/2 to width/2.

    Attributes:
        echo: (rows, columns) scatter level in dB, 0 for gland.
        specular: (rows, columns) echoes of smooth surfaces, as amplitude.
        loss: (rows, columns) excess attenuation, dB per mm.
        left: x of the first column, mm.
        gland: (top, bottom) mean depth of the zone between fat and muscle, mm.
    """

    echo: np.ndarray
    specular: np.ndarray
    loss: np.ndarray
    left: float
    gland: tuple[float, float]

    def sample(self, z: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Interpolate echo, specular and loss at depths `z` and lateral positions `x`, both (height, width) mm."""
        positions = np.stack([z / STEP, (x - self.left) / STEP])
        echo, specular, loss = (
            ndimage.map_coordinates(field, positions, np.float32, order=1, mode="nearest")
            for field in (self.echo, self.specular, self.loss)
        )
        return echo, specular, loss


def smooth_field(z: np.ndarray, x: np.ndarray, rng: np.random.Generator, length: tuple[float, float]) -> np.ndarray:
    """Draw a Gaussian random field of unit variance on a grid.

    Args:
        z: (height,) positions of the rows, ascending.
        x: (width,) positions of the columns, ascending.
        rng: random generator.
        length: (row, column) size of its features, in the unit of the positions.

    Returns:
        (height, width) float32.

    Example:
        >>> import numpy as np
        >>> from salus.data.phantom.tissue import smooth_field
        >>> field = smooth_field(np.arange(90.0), np.arange(80.0), np.random.default_rng(0), (2.0, 5.0))
        >>> field.shape, bool(np.abs(np.diff(field, axis=0)).mean() > np.abs(np.diff(field, axis=1)).mean())
        ((90, 80), True)
    """
    rows, columns = (_gaussian_basis(axis, size) for axis, size in zip((z, x), length, strict=True))
    weights = rng.standard_normal((rows.shape[1], columns.shape[1]), np.float32)
    return rows @ weights @ columns.T


def _gaussian_basis(axis: np.ndarray, length: float) -> np.ndarray:
    """Evaluate Gaussians at knots one `length` apart: (positions, knots), each row of unit energy."""
    knots = np.arange(axis[0] - 2.0 * length, axis[-1] + 2.0 * length + 1e-6, length)
    bumps = np.exp(-0.5 * ((axis[:, None] - knots[None, :]) / (0.7 * length)) ** 2).astype(np.float32)
    return bumps / np.sqrt(np.sum(bumps**2, axis=1, keepdims=True))


def _sheets(field: np.ndarray, width: float) -> np.ndarray:
    """Draw thin sheets at a field's zeros, `width` mm thick: 1 where they face the beam, weaker along it."""
    down, across = np.gradient(field, STEP)
    steep = down**2 + across**2 + 1e-6
    return np.exp(-(field**2) / (steep * width**2)) * (0.25 + 0.75 * down**2 / steep)


def _smooth_step(z: np.ndarray, boundary: np.ndarray, soft: float) -> np.ndarray:
    """Rise from 0 above a boundary to 1 below it, over about `soft` mm: (height, width)."""
    return 0.5 + 0.5 * np.tanh((z[:, None] - boundary[None, :]) / soft)


def _thin_layer(z: np.ndarray, boundary: np.ndarray, width: float) -> np.ndarray:
    """Fall from 1 on a boundary to 0 over `width` mm: (height, width)."""
    return np.exp(-(((z[:, None] - boundary[None, :]) / width) ** 2))


def draw_tissue(rng: np.random.Generator, *, depth: float, width: float) -> Tissue:
    """Draw a breast at random: depths of the layers, fat in the gland, positions of lobules, ribs and shadows.

    Args:
        rng: random generator.
        depth: depth shown, mm.
        width: width shown, mm.

    Returns:
        The slab, wider than the width shown by `MARGIN` on either side.

    Example:
        >>> import numpy as np
        >>> from salus.data.phantom.tissue import draw_tissue
        >>> tissue = draw_tissue(np.random.default_rng(0), depth=30.0, width=36.0)
        >>> tissue.echo.shape == tissue.loss.shape, 0 < tissue.gland[0] < tissue.gland[1]
        (True, True)
    """
    z = np.arange(0.0, depth * 1.1, STEP, dtype=np.float32)
    x = np.arange(-width / 2 - MARGIN, width / 2 + MARGIN, STEP, dtype=np.float32)

    def field(row: float, column: float) -> np.ndarray:
        return smooth_field(z, x, rng, (row, column))

    def wavy(mean: float, swing: float, length: float) -> np.ndarray:
        return mean + swing * smooth_field(np.zeros(1), x, rng, (1.0, length))[0]

    skin = rng.uniform(1.0, 2.2)
    fat_end = skin + depth * rng.uniform(0.06, 0.24)
    muscle_top = max(fat_end + 0.22 * depth, depth * rng.uniform(0.52, 0.85))
    muscle_end = muscle_top + depth * rng.uniform(0.1, 0.25)
    skin_line = wavy(skin, 0.05, 12.0)
    top = np.maximum(wavy(fat_end, 1.0, 5.0) + wavy(0.0, 0.4, 1.5), skin + 0.6)
    bottom = wavy(muscle_top, 0.9, 11.0)
    end = bottom + wavy(muscle_end - muscle_top, 0.4, 9.0)
    retromammary = bottom - np.abs(wavy(rng.uniform(0.3, 2.5), 0.8, 6.0))

    septa = _sheets(field(2.6, 6.0), 0.13) + 0.6 * _sheets(field(1.3, 4.0), 0.09) * (field(3.0, 5.0) > 0)
    fat = rng.uniform(-18.0, -11.0) + 1.8 * field(1.0, 2.5) + 1.5 * field(0.35, 1.2) + 15.0 * septa
    # Gland: bundles of fibre with islands of fat between them, many in a fatty breast, few in a dense one.
    islands = 0.5 + 0.5 * np.tanh((field(1.8, 4.5) + 0.4 * field(0.7, 1.6) - rng.uniform(-0.2, 1.8)) * 2.0)
    fibres = _sheets(field(0.65, 3.5), 0.10) + 0.7 * _sheets(field(1.4, 5.0), 0.12)
    coarse = rng.uniform(2.0, 4.5)
    stroma = 2.5 * field(1.2, 4.0) + coarse * field(0.35, 1.3) + rng.uniform(5.0, 11.0) * fibres
    gland = stroma + islands * (fat * 0.75 - stroma)
    strands = _sheets(field(0.45, 9.0), 0.11)
    muscle = rng.uniform(-17.0, -10.0) + 2.0 * field(0.6, 4.0) + rng.uniform(7.0, 14.0) * strands
    wall = rng.uniform(-36.0, -18.0) + 2.0 * field(1.0, 3.0) - 0.4 * np.maximum(z[:, None] - end, 0.0)

    echo = fat
    for layer, boundary, soft in (
        (gland, top, 0.5),
        (fat, retromammary, 0.4),
        (muscle, bottom, 0.25),
        (wall, end, 0.4),
    ):
        echo = echo + _smooth_step(z, boundary, soft) * (layer - echo)
    skin_echo = rng.uniform(-4.0, 2.0) + 1.5 * field(0.3, 3.0)
    echo = skin_echo + _smooth_step(z, skin_line, 0.12) * (echo - skin_echo)

    specular = 0.22 * septa * _smooth_step(z, skin_line, 0.2) * (1.0 - _smooth_step(z, top, 0.8))
    specular += 0.08 * fibres * _smooth_step(z, top, 0.5) * (1.0 - _smooth_step(z, retromammary, 0.5)) * (1.0 - islands)
    specular += 0.06 * strands * _smooth_step(z, bottom, 0.2) * (1.0 - _smooth_step(z, end, 0.3))
    for line, strength in ((skin_line, 0.35), (bottom, 0.4), (end, 0.3)):
        offset = 0.0
        for _ in range(int(rng.integers(1, 4))):  # fascia comes in leaves
            patchy = np.clip(wavy(0.5, 0.45, 4.0) + wavy(0.0, 0.35, 0.9), 0.0, 1.6)
            leaf = line + offset + wavy(0.0, 0.10, 1.0)
            specular += rng.uniform(0.2, 1.0) * strength * _thin_layer(z, leaf, rng.uniform(0.12, 0.25)) * patchy
            offset += rng.uniform(0.35, 0.9)
    specular *= np.exp(0.8 * field(0.4, 1.1) - 0.3)
    for at in np.cumsum(rng.uniform(0.2, 0.45, 2)):  # the probe's face and its reverberation
        specular += rng.uniform(0.1, 0.6) * _thin_layer(z, np.full_like(x, at), 0.1)

    loss = 0.35 * islands * _smooth_step(z, top, 0.5) - 0.15
    loss = loss + 0.5 * septa * (z[:, None] < fat_end + 2.0)
    _add_lobules(rng, z, x, (fat_end, muscle_top), echo, specular)
    if rng.random() < 0.2:
        _add_ribs(rng, z, x, muscle_end, echo, specular, loss)
    _add_dropouts(rng, z, x, loss)
    return Tissue(echo, specular, loss, float(x[0]), (float(fat_end), float(muscle_top)))


def _add_lobules(
    rng: np.random.Generator,
    z: np.ndarray,
    x: np.ndarray,
    zone: tuple[float, float],
    echo: np.ndarray,
    specular: np.ndarray,
) -> None:
    """Add fat lobules in the gland, in place: dark and capsuled, they are easily mistaken for tumours."""
    for _ in range(int(rng.integers(0, 4))):
        wide = rng.uniform(1.5, 6.0)
        high = wide * rng.uniform(0.25, 0.5)
        row, column = rng.uniform(*zone), rng.uniform(x[0], x[-1])
        tilt = rng.uniform(-0.25, 0.25)
        down, across = z[:, None] - row - tilt * (x - column), x[None, :] - column
        radius = np.sqrt((down / high) ** 2 + (across / wide) ** 2) + 0.12 * smooth_field(z, x, rng, (1.5, 3.0))
        inside = 0.5 - 0.5 * np.tanh((radius - 1.0) * high / 0.4)
        echo += inside * (rng.uniform(-11.0, -6.0) - 0.7 * echo)
        rim = (
            np.exp(-(((radius - 1.05) * high / 0.2) ** 2)) * np.abs(down) / (np.abs(down) + 0.3 * np.abs(across) + 0.1)
        )
        specular *= 1.0 - 0.8 * inside
        specular += rng.uniform(0.02, 0.10) * rim


def _add_ribs(
    rng: np.random.Generator,
    z: np.ndarray,
    x: np.ndarray,
    depth: float,
    echo: np.ndarray,
    specular: np.ndarray,
    loss: np.ndarray,
) -> None:
    """Add ribs under the muscle, in place: a bright upper surface that lets little through."""
    gap = rng.uniform(16.0, 24.0)
    for column in np.arange(x[0] + rng.uniform(0.0, gap), x[-1], gap):
        wide, high, row = rng.uniform(5.0, 8.0), rng.uniform(2.0, 4.0), depth + rng.uniform(2.0, 4.5)
        radius = np.hypot((z[:, None] - row) / high, (x[None, :] - column) / wide)
        inside = 0.5 - 0.5 * np.tanh((radius - 1.0) * 6.0)
        echo += inside * (-14.0 - echo)
        loss += 2.5 * inside
        face = np.clip(1.3 * (row - z[:, None]) / high - 0.3, 0.0, 1.0) ** 2
        specular += (
            rng.uniform(0.15, 0.35)
            * np.exp(-(((radius - 1.0) * high / 0.3) ** 2))
            * face
            * np.exp(0.5 * smooth_field(z, x, rng, (0.5, 1.0)))
        )


def _add_dropouts(rng: np.random.Generator, z: np.ndarray, x: np.ndarray, loss: np.ndarray) -> None:
    """Add shadows of poor contact and of steep septa, in place: columns that lose their echo from some depth on."""
    for _ in range(int(rng.integers(0, 4))):
        column, wide = rng.uniform(x[0], x[-1]), rng.uniform(0.4, 2.5)
        start = rng.uniform(0.5, 0.5 * z[-1])
        path = column + rng.uniform(-0.05, 0.05) * z
        shape = np.exp(-(((x[None, :] - path[:, None]) / wide) ** 2))
        loss += rng.uniform(2.0, 9.0) / 3.0 * shape * ((z > start) & (z < start + 3.0))[:, None]
    if rng.random() < 0.25:  # one end of the probe is off the skin
        side = x[0] + MARGIN if rng.random() < 0.5 else x[-1] - MARGIN
        loss += rng.uniform(4.0, 14.0) / 4.0 * np.exp(-(((x - side) / rng.uniform(2.0, 6.0)) ** 2)) * (z < 4.0)[:, None]
