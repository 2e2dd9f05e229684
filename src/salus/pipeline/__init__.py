"""Segment many files: plan jobs, run them, write outputs, resume and merge."""
