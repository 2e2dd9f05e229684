"""Cross-validate networks on a data set: `salus benchmark`."""
