"""The laboratory: everything that needs the extra `train`. The runtime never imports it."""
