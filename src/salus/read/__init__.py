"""Readers of images and cines: PNG and the like, DICOM, NIfTI, NRRD; one file a format."""
