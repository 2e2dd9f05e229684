"""Scores of segmentations and saliency maps, their curves, confidence intervals and statistical tests."""
