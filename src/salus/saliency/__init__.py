"""Saliency maps of where a tumour is, by several methods with one interface."""
