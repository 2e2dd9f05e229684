"""Scores of segmentations and saliency maps, their curves, intervals and tests."""
