"""The tumour of a phantom: its outline, margin, echo and effect on the beam, by label.

The signs follow the BI-RADS lexicon for ultrasound (American College of Radiology, 5th edition, 2013): benign masses
tend to be oval, wider than tall, smooth, with enhancement behind them; malignant ones irregular, angular or spiculated,
sometimes taller than wide, blurred at the margin, with a shadow. Here as there, each sign fails now and then.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from salus.data.phantom.tissue import smooth_field

ANGLES = np.linspace(-np.pi, np.pi, 721)
"""Angles at which the radius of an outline is given, rad."""


@dataclass(frozen=True, eq=False)
class Lesion:
    """A tumour in the field of view; lengths in mm, levels in dB.

    Attributes:
        centre: (depth, lateral position).
        axes: (vertical, horizontal) half-size.
        tilt: rotation, rad.
        outline: (721,) radius at `ANGLES`, relative to the ellipse.
        contrast: echo level relative to the tissue around it; negative is darker.
        texture: standard deviation of its own echo level, dB.
        blur: half-width of its margin.
        rim: amplitude of its capsule, a smooth surface.
        halo: extra echo of the tissue just around it, dB.
        loss: excess attenuation inside, dB per mm; negative enhances what lies behind.
        edge: attenuation at its flanks, dB per mm.
        push: how far it pushes the layers of tissue aside, 0 to 1.
        dots: (count, 2) positions of calcifications, (vertical, horizontal) relative to the axes.
    """

    centre: tuple[float, float]
    axes: tuple[float, float]
    tilt: float
    outline: np.ndarray
    contrast: float
    texture: float
    blur: float
    rim: float
    halo: float
    loss: float
    edge: float
    push: float
    dots: np.ndarray

    def _to_ellipse(self, z: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Transform positions in mm to the ellipse's own axes, in units of its half-sizes: (vertical, horizontal)."""
        down, across = z - self.centre[0], x - self.centre[1]
        cos, sin = np.cos(self.tilt), np.sin(self.tilt)
        return (cos * down - sin * across) / self.axes[0], (sin * down + cos * across) / self.axes[1]

    def radius(self, z: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Compute how far out positions lie: 0 at the centre, 1 on the outline; `z` and `x` in mm, of equal shape."""
        down, across = self._to_ellipse(z, x)
        angle = np.arctan2(down, across)
        return np.hypot(down, across) / np.interp(angle, ANGLES, self.outline)

    def dot_positions(self) -> tuple[np.ndarray, np.ndarray]:
        """Compute depth and lateral position of the calcifications, each (count,) mm."""
        down, across = self.dots[:, 0] * self.axes[0], self.dots[:, 1] * self.axes[1]
        cos, sin = np.cos(self.tilt), np.sin(self.tilt)
        return self.centre[0] + cos * down + sin * across, self.centre[1] - sin * down + cos * across

    def insert(
        self,
        positions: tuple[np.ndarray, np.ndarray],
        tissue: tuple[np.ndarray, np.ndarray, np.ndarray],
        spacing: tuple[float, float],
        rng: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Put the tumour into tissue.

        Args:
            positions: depth and lateral position of every sample, both (height, width) mm.
            tissue: echo (dB), specular (amplitude) and loss (dB per mm) there, each (height, width).
            spacing: (row, column) size of a sample, mm; calcifications are no smaller.
            rng: random generator for its texture and the raggedness of its margin.

        Returns:
            Echo, specular and loss with the tumour in them.
        """
        echo, specular, loss = tissue
        z, x = positions
        grain, mottle = (smooth_field(z[:, 0], x[-1], rng, length) for length in ((0.5, 0.8), (0.9, 1.4)))
        distance = (self.radius(z, x) - 1.0) * np.float32(min(self.axes))
        inside = 0.5 - 0.5 * np.tanh(distance / np.float32(self.blur) + np.float32(0.7) * grain)
        ring = (distance > 0.0) & (distance < 2.5)
        around = float(np.median(echo[ring])) if ring.any() else 0.0
        echo = echo + self.halo * np.exp(-((distance - 0.8) ** 2)) * (1.0 - inside)
        echo = echo + inside * (around + self.contrast + self.texture * mottle - echo)
        down, across = ((z - self.centre[0]) / self.axes[0]) ** 2, ((x - self.centre[1]) / self.axes[1]) ** 2
        facing = down / (down + across + 1e-6)  # 1 where the outline faces the beam, 0 at the flanks
        capsule = np.exp(-(((distance - 0.1) / 0.18) ** 2)) * (0.1 + 0.9 * facing**2)
        specular = specular * (1.0 - inside) + self.rim * capsule
        flanks = np.exp(-((distance / 0.35) ** 2)) * np.clip(1.0 - 4.0 * facing, 0.0, 1.0)
        loss = loss * (1.0 - inside) + self.loss * inside + self.edge * flanks
        for row, column in zip(*self.dot_positions(), strict=True):
            near = np.exp(-(((z - row) / max(0.12, spacing[0])) ** 2) - ((x - column) / max(0.18, spacing[1])) ** 2)
            specular = specular + rng.uniform(0.2, 0.6) * near
            loss = loss + 1.5 * near
        return echo, specular, loss

    def in_new_pose(self, rng: np.random.Generator, *, depth: float, width: float) -> Lesion:
        """Return the tumour as another view shows it: shifted, turned, cut in another plane; field of view in mm."""
        tilt = self.tilt + rng.normal(0.0, 0.12)
        axes = (self.axes[0] * rng.uniform(0.85, 1.0), self.axes[1] * rng.uniform(0.85, 1.0))
        high, wide = _extent(self.outline, axes, tilt)
        row, column = self.centre[0] + rng.uniform(-2.0, 2.0), self.centre[1] + rng.uniform(-0.15, 0.15) * width
        reach = max(0.0, 0.48 * width - wide)
        centre = (
            float(np.clip(row, 2.5 + high, max(2.5 + high, depth - high - 1.0))),
            float(np.clip(column, -reach, reach)),
        )
        return replace(self, centre=centre, axes=axes, tilt=tilt)


def draw_lesion(
    rng: np.random.Generator, label: str, *, depth: float, width: float, zone: tuple[float, float]
) -> Lesion:
    """Draw a tumour at random.

    Args:
        rng: random generator.
        label: "benign" or "malignant".
        depth: depth shown, mm.
        width: width shown, mm.
        zone: (top, bottom) of the layer that holds the tumour's centre, mm.

    Returns:
        The tumour, wholly in the field of view; its horizontal half-size is 3 % to 30 % of the width shown.

    Example:
        >>> import numpy as np
        >>> from salus.data.phantom.lesion import draw_lesion
        >>> lesion = draw_lesion(np.random.default_rng(0), "benign", depth=40.0, width=38.0, zone=(8.0, 28.0))
        >>> lesion.axes[0] < lesion.axes[1], 0.03 <= lesion.axes[1] / 38.0 <= 0.3
        (True, True)
    """
    malignant = label == "malignant"
    cyst = not malignant and rng.random() < 0.3
    across = width * float(np.clip(np.exp(rng.normal(np.log(0.175), 0.5)), 0.03, 0.30))
    ratio = rng.uniform(0.5, 1.2) if malignant else rng.uniform(0.38, 0.75)
    down = min(across * ratio, 0.24 * depth)
    outline = _irregular_outline(rng) if malignant else _smooth_outline(rng, lobulated=not cyst and rng.random() < 0.4)
    tilt = float(rng.normal(0.0, 0.35 if malignant else 0.15))
    high, wide = _extent(outline, (down, across), tilt)
    shrink = min(1.0, 0.36 * depth / high, 0.44 * width / wide)
    down, across, high, wide = (shrink * size for size in (down, across, high, wide))
    top, bottom = max(2.5 + high, zone[0]), min(depth - high - 1.0, zone[1])
    centre = (
        top + float(rng.random() ** 1.6) * (bottom - top) if top < bottom else min(top, depth - high),
        float(rng.uniform(-1.0, 1.0) * max(0.0, 0.48 * width - wide)),
    )
    tall = 2.0 * down
    if malignant:
        behind = -rng.uniform(3.0, 16.0) if rng.random() < 0.75 else rng.uniform(-1.0, 3.0)
    else:
        behind = rng.uniform(5.0, 11.0) if cyst else rng.uniform(-1.5, 7.0)
    dark = rng.uniform(-34.0, -22.0) if cyst else rng.uniform(-17.0, -7.0) if malignant else rng.uniform(-14.0, -4.0)
    dots = int(rng.integers(3, 12)) if rng.random() < (0.4 if malignant else 0.1) else 0
    return Lesion(
        centre=centre,
        axes=(down, across),
        tilt=tilt,
        outline=outline,
        contrast=dark,
        texture=rng.uniform(0.5, 1.0) if cyst else rng.uniform(1.0, 3.0),
        blur=rng.uniform(0.15, 0.6) if malignant else rng.uniform(0.08, 0.3),
        rim=rng.uniform(0.0, 0.02) if malignant else rng.uniform(0.03, 0.16),
        halo=rng.uniform(2.0, 7.0) if malignant and rng.random() < 0.6 else 0.0,
        loss=-behind / max(tall, 2.0),
        edge=rng.uniform(0.0, 0.5) if malignant else rng.uniform(0.0, 3.5),
        push=rng.uniform(0.1, 0.35) if malignant else rng.uniform(0.4, 0.75),
        dots=rng.uniform(-0.6, 0.6, (dots, 2)),
    )


def _extent(outline: np.ndarray, axes: tuple[float, float], tilt: float) -> tuple[float, float]:
    """Compute how far an outline reaches from its centre, (vertical, horizontal) mm."""
    down, across = axes[0] * outline * np.sin(ANGLES), axes[1] * outline * np.cos(ANGLES)
    cos, sin = np.cos(tilt), np.sin(tilt)
    return float(np.abs(cos * down + sin * across).max()), float(np.abs(cos * across - sin * down).max())


def _smooth_outline(rng: np.random.Generator, *, lobulated: bool) -> np.ndarray:
    """Draw the outline of an oval, or of a few gentle lobes."""
    outline = np.ones_like(ANGLES)
    for k in (2, 3):
        outline += rng.normal(0.0, 0.03) * np.cos(k * ANGLES + rng.uniform(0.0, 2.0 * np.pi))
    if lobulated:
        lobes = int(rng.integers(3, 6))
        phase = rng.uniform(0.0, 2.0 * np.pi)
        bend = ANGLES + rng.uniform(0.1, 0.4) * np.sin(ANGLES + phase)  # lobes of unequal size
        outline += rng.uniform(0.08, 0.2) * (np.abs(np.cos(0.5 * lobes * bend + phase)) ** 0.7 - 0.6)
        outline[-1] = outline[0]
    return outline


def _irregular_outline(rng: np.random.Generator) -> np.ndarray:
    """Draw an uneven outline, angular or with spicules."""
    outline = np.ones_like(ANGLES)
    for k in range(2, 11):
        outline += rng.normal(0.0, 0.2 / k) * np.cos(k * ANGLES + rng.uniform(0.0, 2.0 * np.pi))
    if rng.random() < 0.65:
        for angle in rng.uniform(-np.pi, np.pi, int(rng.integers(4, 13))):
            away = np.abs((ANGLES - angle + np.pi) % (2.0 * np.pi) - np.pi)
            outline += rng.uniform(0.1, 0.4) * np.exp(-away / rng.uniform(0.08, 0.2))
    return np.clip(outline / np.mean(outline), 0.5, 1.8)
