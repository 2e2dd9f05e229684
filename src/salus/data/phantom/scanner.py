"""The scanner of a phantom: pulse, focus, gain, dynamic range and geometry, and the simulation of an image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from salus.data.phantom.lesion import Lesion
from salus.data.phantom.speckle import log_compress, shadow_db, speckle_envelope
from salus.data.phantom.tissue import Tissue, smooth_field


@dataclass(frozen=True)
class Scanner:
    """A scanner with its settings.

    Attributes:
        size: (height, width) of the image, pixels.
        spacing: (row, column) size of a pixel, mm.
        axial: standard deviation of the pulse along the beam, mm.
        lateral: standard deviation of the pulse across the beam at the focus, mm.
        focus: depth of the focus, mm.
        zone: half-length of the focal zone, mm.
        focal_gain: how much brighter the focal zone is, dB.
        slope: attenuation that the time-gain compensation leaves uncorrected, dB per mm.
        ripple: amplitude (dB), wavelength (mm) and phase (rad) of the compensation's unevenness.
        noise: electronic noise at the surface, dB re gland.
        noise_slope: how fast the compensation lifts the noise, dB per mm.
        dynamic_range: dB from black to white.
        bright: grey value of the brightest echoes; 1 is white.
        gamma: exponent of the grey map.
        pedestal: darkest grey, 0 to 1.
        looks: number of speckle patterns averaged (compounding).
        curve: radius of the probe's face, mm; None for a linear probe.
        border: black margins (top, bottom, left, right), pixels.
    """

    size: tuple[int, int]
    spacing: tuple[float, float]
    axial: float
    lateral: float
    focus: float
    zone: float
    focal_gain: float
    slope: float
    ripple: tuple[float, float, float]
    noise: float
    noise_slope: float
    dynamic_range: float
    bright: float
    gamma: float
    pedestal: float
    looks: int
    curve: float | None
    border: tuple[int, int, int, int]

    @property
    def extent(self) -> tuple[float, float]:
        """(depth, width) of the image, mm."""
        return self.size[0] * self.spacing[0], self.size[1] * self.spacing[1]

    def grid(self) -> tuple[np.ndarray, np.ndarray]:
        """Compute depth and lateral position of every pixel, (height, width), in mm from the middle of the probe."""
        (height, width), (row, column) = self.size, self.spacing
        z = (np.arange(height, dtype=np.float32) + 0.5) * np.float32(row) - np.float32(self.apex_depth())
        x = (np.arange(width, dtype=np.float32) + 0.5 - width / 2) * np.float32(column)
        return np.broadcast_to(z[:, None], self.size), np.broadcast_to(x[None, :], self.size)

    def half_angle(self) -> float:
        """Compute half the angle of a curved probe's fan, rad: it just fills the bottom row; 0 for a linear probe."""
        if self.curve is None:
            return 0.0
        depth, width = self.extent
        angle = 0.0
        for _ in range(20):
            angle = float(np.arctan(width / 2 / (self.curve * np.cos(angle) + depth)))
        return angle

    def apex_depth(self) -> float:
        """Compute how far the middle of the probe's face lies below the upper border, mm; 0 for a linear probe."""
        return 0.0 if self.curve is None else self.curve * (1.0 - float(np.cos(self.half_angle())))

    def common_extent(self) -> tuple[float, float]:
        """Compute (depth, width) of the part that is shown at every depth, mm."""
        depth, width = self.extent
        return depth - self.apex_depth(), width if self.curve is None else 2.0 * self.curve * float(
            np.sin(self.half_angle())
        )

    def beams(self) -> tuple[np.ndarray, np.ndarray]:
        """Compute the depth of samples along the beam, (height,), and their position across it, (height, width), mm."""
        z, x = self.grid()
        if self.curve is None:
            return z[:, 0], x
        z = z + np.float32(self.apex_depth())
        angle = x / np.float32(self.extent[1] / 2) * np.float32(self.half_angle())
        return z[:, 0], (np.float32(self.curve) + z) * angle

    def beam_to_image(self, z: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Transform samples of beams (`z` deep, `x` along the arc at that depth) to the coordinates of `grid`."""
        if self.curve is None:
            return z, x
        radius = np.float32(self.curve) + z
        return radius * np.cos(x / radius) - np.float32(self.curve), radius * np.sin(x / radius)

    def scan_convert(self, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Convert samples of beams, (height, width), to the image; also return where it shows tissue (bool)."""
        shown = np.zeros(self.size, bool)
        top, bottom, left, right = self.border
        shown[top : self.size[0] - bottom, left : self.size[1] - right] = True
        if self.curve is None:
            return picture, shown
        z, x = self.grid()
        half = self.half_angle()
        down = z + np.float32(self.curve)
        row = (np.hypot(down, x) - np.float32(self.curve)) / np.float32(self.spacing[0]) - 0.5
        column = (np.arctan2(x, down) / np.float32(half) + 1.0) * (0.5 * self.size[1]) - 0.5
        shown &= (row >= 0) & (column >= 0) & (column <= self.size[1] - 1)
        return ndimage.map_coordinates(picture, np.stack([row, column]), np.float32, order=1, mode="nearest"), shown


def draw_scanner(rng: np.random.Generator, size: tuple[int, int] | None) -> Scanner:
    """Draw a scanner with its settings at random.

    Args:
        rng: random generator.
        size: (height, width) of its images, pixels; None draws 300 to 480 pixels either way.

    Returns:
        The scanner; it shows 28 to 48 mm of depth.

    Example:
        >>> import numpy as np
        >>> from salus.data.phantom.scanner import draw_scanner
        >>> scanner = draw_scanner(np.random.default_rng(0), None)
        >>> all(300 <= side <= 480 for side in scanner.size), 28.0 <= scanner.extent[0] <= 48.0
        (True, True)
    """
    drawn = (int(rng.integers(300, 481)), int(rng.integers(300, 481)))
    height, width = size or drawn
    depth = rng.uniform(28.0, 48.0)
    row = depth / height
    column = row * (rng.uniform(0.92, 1.08) if rng.random() < 0.2 else 1.0)
    axial = rng.uniform(0.08, 0.14)
    curved = rng.random() < 0.12 and width * column < 1.8 * depth
    black = [int(rng.integers(2, 14)) if rng.random() < 0.08 else 0 for _ in range(4)]
    return Scanner(
        size=(height, width),
        spacing=(round(row, 5), round(column, 5)),
        axial=axial,
        lateral=axial * rng.uniform(1.5, 2.6),
        focus=depth * rng.uniform(0.25, 0.6),
        zone=rng.uniform(10.0, 20.0),
        focal_gain=rng.uniform(0.0, 5.0),
        slope=rng.uniform(-0.8, 0.0),
        ripple=(rng.uniform(0.0, 2.0), rng.uniform(8.0, 20.0), rng.uniform(0.0, 6.28)),
        noise=rng.uniform(-52.0, -36.0),
        noise_slope=rng.uniform(0.0, 0.4),
        dynamic_range=rng.uniform(50.0, 70.0),
        bright=rng.uniform(0.65, 1.15),
        gamma=rng.uniform(1.5, 2.7),
        pedestal=rng.uniform(0.0, 0.14),
        looks=int(rng.choice([1, 2, 2, 3, 3, 4])),
        curve=rng.uniform(70.0, 140.0) if curved else None,
        border=(black[0], black[1], black[2], black[3]),
    )


def scan(
    scanner: Scanner, tissue: Tissue, lesion: Lesion | None, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Simulate one image, with new speckle and a new pose of the probe.

    Args:
        scanner: the scanner and its settings.
        tissue: the breast.
        lesion: the tumour, in the field of view; None for none.
        rng: random generator for the pose, the speckle and the noise.

    Returns:
        The image, (height, width) uint8, and the tumour's region, (height, width) bool.

    Example:
        >>> import numpy as np
        >>> from salus.data.phantom.scanner import draw_scanner, scan
        >>> from salus.data.phantom.tissue import draw_tissue
        >>> rng = np.random.default_rng(0)
        >>> scanner = draw_scanner(rng, (200, 220))
        >>> tissue = draw_tissue(rng, depth=scanner.extent[0], width=scanner.extent[1])
        >>> image, mask = scan(scanner, tissue, None, rng)
        >>> image.shape, image.dtype.name, bool(mask.any())
        ((200, 220), 'uint8', False)
    """
    row, column = scanner.spacing
    depths, x = scanner.beams()
    z = np.broadcast_to(depths[:, None], scanner.size)
    # The pose: the probe tilts, shifts and presses; the skin stays against it.
    free = 1.0 - np.exp(-z / 6.0)
    bend = 0.9 * smooth_field(depths, x[-1], rng, (9.0, 12.0)) + rng.normal(0.0, 0.035) * x
    source_z = z * (1.0 + free * rng.uniform(-0.04, 0.04)) + free * bend
    source_x = x + rng.uniform(-3.0, 3.0)
    if lesion is None:
        echo, specular, loss = tissue.sample(source_z, source_x)
    else:
        fan_z, fan_x = scanner.beam_to_image(z, x)
        pull = lesion.push * np.exp(-0.4 * lesion.radius(fan_z, fan_x) ** 2) * free
        source_z = source_z - pull * (fan_z - lesion.centre[0])
        source_x = source_x - 0.5 * pull * (fan_x - lesion.centre[1])
        echo, specular, loss = tissue.sample(source_z, source_x)
        echo, specular, loss = lesion.insert((fan_z, fan_x), (echo, specular, loss), scanner.spacing, rng)
    spread = scanner.lateral * np.hypot(1.0, (depths - scanner.focus) / scanner.zone)
    level = echo - shadow_db(loss, row, spread / column + 1.0)
    amount, wavelength, phase = scanner.ripple
    gain = scanner.slope * depths + amount * np.sin(2.0 * np.pi * depths / wavelength + phase)
    gain += scanner.focal_gain * np.exp(-(((depths - scanner.focus) / scanner.zone) ** 2))
    level += gain[:, None].astype(np.float32)
    floor = np.broadcast_to(10.0 ** ((scanner.noise + scanner.noise_slope * depths) / 20.0), scanner.size[::-1]).T
    amplitude = np.power(np.float32(10.0), level / 20.0)
    specular = specular * (amplitude / np.power(np.float32(10.0), echo / 20.0))
    envelope = speckle_envelope(
        np.hypot(amplitude, floor), rng, axial=scanner.axial / row, lateral=spread / column, specular=specular,
        looks=scanner.looks,
    )  # fmt: skip
    white = 20.0 * np.log10(float(np.percentile(envelope, 99.6)) + 1e-6)
    grey = log_compress(envelope, dynamic_range=scanner.dynamic_range, white=white)
    grey, shown = scanner.scan_convert(grey)
    grey = np.clip(scanner.pedestal + (1.0 - scanner.pedestal) * scanner.bright * grey**scanner.gamma, 0.0, 1.0)
    image = np.where(shown, np.rint(255.0 * grey), 0.0).astype(np.uint8)
    if lesion is None:
        return image, np.zeros(scanner.size, bool)
    return image, (lesion.radius(*scanner.grid()) < 1.0) & shown
