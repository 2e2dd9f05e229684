"""Data sets: cases and their layouts, checks, folds, prepared pairs, phantoms."""
