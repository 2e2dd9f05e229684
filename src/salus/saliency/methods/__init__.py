"""The saliency methods, one a file, and the ideas they share."""
