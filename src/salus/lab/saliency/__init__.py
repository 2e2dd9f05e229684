"""Train, compare and release saliency estimators."""
