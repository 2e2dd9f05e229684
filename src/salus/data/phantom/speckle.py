"""The physics of a phantom: fully developed speckle, shadows along the beam, log compression.

The envelope of many unresolved scatterers of random phase is Rayleigh distributed, with a mean of 1.91 standard
deviations: Burckhardt 1978, IEEE Trans. Sonics Ultrason. 25(1), 1-6. Its grain follows the pulse: narrow along the
beam, wider across it, and wider still away from the focus: Wagner et al. 1983, ibid. 30(3), 156-163.
"""

from __future__ import annotations

import numpy as np
from scipy import fft, ndimage


def blur_rows(field: np.ndarray, sigma: np.ndarray, *, energy: bool = False) -> np.ndarray:
    """Blur every row with a Gaussian of its own width.

    Args:
        field: (height, width), real or complex.
        sigma: (height,) standard deviation of each row's Gaussian, pixels, 0 or more.
        energy: scale so that white noise keeps its variance; else so that a constant keeps its value.

    Returns:
        (height, width), real or complex as the field, in single precision; the borders are mirrored.

    Example:
        >>> import numpy as np
        >>> from salus.data.phantom.speckle import blur_rows
        >>> blurred = blur_rows(np.eye(9)[[4, 4]], np.array([0.0, 2.0]))
        >>> float(blurred[0, 4]), bool(blurred[1, 4] < 0.25)
        (1.0, True)
    """
    width = field.shape[1]
    margin = min(width - 1, int(np.ceil(3.0 * float(sigma.max()))) + 1)
    length = fft.next_fast_len(width + 2 * margin)
    single = np.complex64 if np.iscomplexobj(field) else np.float32
    padded = np.pad(field.astype(single), ((0, 0), (margin, length - width - margin)), mode="symmetric")
    frequency = fft.fftfreq(length).astype(np.float32)
    pass_band = np.exp(-2.0 * (np.pi * frequency[None, :] * sigma.astype(np.float32)[:, None]) ** 2)
    if energy:
        pass_band /= np.sqrt(np.mean(pass_band**2, axis=1, keepdims=True))
    blurred = fft.ifft(fft.fft(padded, axis=1) * pass_band, axis=1)[:, margin : margin + width]
    return blurred if single is np.complex64 else blurred.real


def speckle_envelope(
    amplitude: np.ndarray,
    rng: np.random.Generator,
    *,
    axial: float,
    lateral: np.ndarray | float,
    specular: np.ndarray | None = None,
    looks: int = 1,
) -> np.ndarray:
    """Simulate the echo envelope of a medium full of unresolved scatterers, before log compression.

    Complex Gaussian scatterers, scaled by `amplitude`, are convolved with a Gaussian pulse. Where the medium is
    homogeneous the envelope of one look is Rayleigh distributed (see the module's sources) and its mean square is
    `amplitude` squared.

    Args:
        amplitude: (height, width), 0 or more: the root-mean-square echo of each pixel; rows run along the beam.
        rng: random generator for the scatterers.
        axial: standard deviation of the pulse along the beam, pixels.
        lateral: standard deviation of the pulse across the beam, pixels: one number, or (height,) for each row.
        specular: (height, width), 0 or more: echoes of smooth surfaces, which add in phase; None for none.
        looks: independent speckle patterns averaged in intensity (compounding), 1 or more.

    Returns:
        (height, width) float32, 0 or more.

    Example:
        >>> import numpy as np
        >>> from salus.data.phantom.speckle import speckle_envelope
        >>> envelope = speckle_envelope(np.ones((200, 200)), np.random.default_rng(0), axial=1.2, lateral=2.5)
        >>> bool(1.8 < envelope.mean() / envelope.std() < 2.0)
        True
    """
    height = amplitude.shape[0]
    widths = np.broadcast_to(np.asarray(lateral, np.float32), (height,))
    radius = max(1, int(np.ceil(4.0 * axial)))
    pulse = np.exp(-0.5 * (np.arange(-radius, radius + 1) / max(axial, 1e-3)) ** 2)
    pulse /= np.sqrt(np.sum(pulse**2))
    intensity = np.zeros(amplitude.shape, np.float32)
    scale = amplitude.astype(np.float32) * np.float32(np.sqrt(0.5))
    for _ in range(looks):
        noise = rng.standard_normal((2, *amplitude.shape), np.float32)
        scatterers = (noise[0] + 1j * noise[1]) * scale
        if specular is not None:
            scatterers += specular.astype(np.float32)
        echo = blur_rows(scatterers, widths, energy=True)
        real = ndimage.correlate1d(echo.real, pulse, axis=0, mode="reflect")
        imaginary = ndimage.correlate1d(echo.imag, pulse, axis=0, mode="reflect")
        intensity += real**2 + imaginary**2
    return np.sqrt(intensity / looks)


def shadow_db(attenuation: np.ndarray, step_mm: float, spread: np.ndarray) -> np.ndarray:
    """Compute the loss of the beam above each pixel, beyond what the gain curve compensates.

    Args:
        attenuation: (height, width) excess loss in dB per mm, two-way; negative where the beam loses less than average.
        step_mm: depth of one row, mm.
        spread: (height,) the beam's width at each depth as a Gaussian's standard deviation, pixels.

    Returns:
        (height, width) dB, positive in a shadow, negative behind a cyst.

    Example:
        >>> import numpy as np
        >>> from salus.data.phantom.speckle import shadow_db
        >>> loss = np.zeros((20, 9)); loss[5:10] = 2.0
        >>> np.round(shadow_db(loss, 0.5, np.zeros(20))[[4, 19], 4], 3).tolist()
        [0.0, 5.0]
    """
    return blur_rows(np.cumsum(attenuation, axis=0) * step_mm, spread)


def log_compress(envelope: np.ndarray, *, dynamic_range: float, white: float) -> np.ndarray:
    """Map an envelope to grey values, linear in dB, as scanners show it.

    Args:
        envelope: (height, width), 0 or more.
        dynamic_range: dB between black and white, above 0.
        white: the level, in dB re 1, that becomes white.

    Returns:
        (height, width) in [0, 1].

    Example:
        >>> import numpy as np
        >>> from salus.data.phantom.speckle import log_compress
        >>> log_compress(np.array([[1.0, 0.1, 0.0]]), dynamic_range=60.0, white=0.0).round(3).tolist()
        [[1.0, 0.667, 0.0]]
    """
    level = 20.0 * np.log10(np.maximum(envelope, 1e-9))
    return np.clip((level - white) / dynamic_range + 1.0, 0.0, 1.0)
