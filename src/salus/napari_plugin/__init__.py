"""The plugin of napari: a reader of clinical files, and a panel that outlines, takes prompts and saves labels.

`napari.yaml` beside this file tells napari of it (npe2). Of the room, `panel` alone imports napari.
"""
