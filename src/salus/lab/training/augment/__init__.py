"""Augmentation of images and masks."""
