"""Sizes and shapes of lesions, and their tracking through the frames of a cine."""
