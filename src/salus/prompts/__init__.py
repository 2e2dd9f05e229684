"""What a person points at in an image: clicks, boxes, scribbles and heat maps, read, checked and drawn as one map."""
