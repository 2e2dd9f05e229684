"""Segment many files: plan, run, write, resume and merge."""
