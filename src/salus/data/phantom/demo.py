"""The phantom that ships with the package, so that `salus demo` runs at once: `make_phantom(3)`, and its truth."""

from __future__ import annotations

from pathlib import Path

DEMO_IMAGE = Path(__file__).with_name("demo.png")
"""A synthetic sonogram with a malignant tumour, 345 x 477, 8-bit grey."""

DEMO_TRUTH = Path(__file__).with_name("demo_truth.png")
"""Its mask."""
