"""The outline of a frame as a reader's browser sends it: a picture, white where the tumour is."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import numpy as np
from PIL import Image, ImageChops

from salus.errors import SalusError
from salus.scan import mask_outside_regions
from salus.serve.result_json import FrameAnswer

LEFT_OUT = "what was drawn outside the ultrasound image was left out"


def decode_drawing(content: bytes, answer: FrameAnswer) -> tuple[FrameAnswer, np.ndarray]:
    """Decode a drawn mask and clear what lies outside the ultrasound regions.

    Args:
        content: PNG of the frame's size, white is tumour.
        answer: the network's, of the frame.

    Returns:
        The answer, with a flag where something was cleared, and the mask, (height, width) bool.

    Raises:
        SalusError: it is no mask of this frame.
    """
    try:
        with Image.open(BytesIO(content), formats=("PNG",)) as image:
            if image.size != (answer.width, answer.height):
                raise SalusError(f"the mask must be {answer.width} x {answer.height}, this one is {image.size}")
            red, green, blue = image.convert("RGB").split()
            drawn = np.asarray(ImageChops.lighter(ImageChops.lighter(red, green), blue)) > 127
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise SalusError("the mask is no PNG") from None
    mask = mask_outside_regions(drawn, answer.regions)
    if (mask != drawn).any():
        answer = replace(answer, flags=(*answer.flags, LEFT_OUT))
    return answer, mask
