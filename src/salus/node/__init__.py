"""A DICOM node: receives ultrasound images, segments them, sends the results on. Needs the extra `node`.

settings      the node's TOML file
object_queue  objects and results on disk: nothing lost, nothing twice
receiver      takes objects by C-STORE
work          segments an object, and writes its results
c_store, stow where results are sent: by C-STORE, by STOW-RS
sender        sends results to one destination, with back-off
health        the state of the node by HTTP
node          all of it, started and stopped
"""
