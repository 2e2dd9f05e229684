"""Studies from a DICOMweb service, and results back to one. Needs the extra `dicomweb`.

answers    what answers of a service mean
service    a session with a service: who asks, and how it is made sure of
retry      tries again, with growing pauses
study      finds the ultrasound images of a study (QIDO-RS) and fetches them (WADO-RS)
store      stores results (STOW-RS)
"""
