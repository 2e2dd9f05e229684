"""Lesions and outlines as the writers use them; they are made in `salus.segmentation` and `salus.measure`."""

from __future__ import annotations

from salus.measure.outline import Point, polygons, signed_area
from salus.segmentation.lesion_masks import lesion_labels, lesion_masks

__all__ = ["Point", "lesion_labels", "lesion_masks", "polygons", "signed_area"]
