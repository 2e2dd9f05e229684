"""Saliency: maps of where a radiologist would look, one way to call every kind."""
