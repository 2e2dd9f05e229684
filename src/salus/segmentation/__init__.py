"""Segment one image: the network, its outputs turned into a mask, and the result."""
