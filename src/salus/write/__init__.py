"""Outputs: one file a format."""
