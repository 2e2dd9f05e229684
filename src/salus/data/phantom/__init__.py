"""Synthetic breast ultrasound images with exact masks."""
