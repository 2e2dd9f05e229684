"""What a network answers."""

import numpy as np

from salus.segmentation.network import ask


def test_the_mean_with_the_mirror_has_a_closed_form():
    """Of a network that multiplies with a ramp along the columns: the mean of both is the ramp's, which is level."""
    ramp = np.linspace(0, 1, 8, dtype=np.float32)[:, None]

    class Ramp:
        def run(self, values):
            x = values["image"]
            tells = x.mean(axis=(1, 2)) * np.arange(1, len(x) + 1, dtype=np.float32)[:, None]
            return {"probability": x * ramp, "saliency": x * ramp, "presence": tells, "strangeness": tells}

    images = np.random.default_rng(0).random((3, 8, 8, 1)).astype(np.float32)
    found = ask(Ramp(), images, tta=True)
    np.testing.assert_allclose(found["probability"], images / 2, atol=1e-6)
    np.testing.assert_allclose(found["saliency"], images / 2, atol=1e-6)
    means = images.mean(axis=(1, 2))
    np.testing.assert_allclose(found["presence"], means * [[2.5], [3.5], [4.5]], rtol=1e-5)  # 1, 2, 3 with 4, 5, 6
    np.testing.assert_allclose(found["strangeness"], means * [[1], [2], [3]], rtol=1e-5)
    np.testing.assert_allclose(ask(Ramp(), images, tta=False)["probability"], images * ramp)
