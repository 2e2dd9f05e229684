"""Files of the clinic: what holds frames, or says how large a pixel is. DICOM, NIfTI, NRRD; one file a format."""
