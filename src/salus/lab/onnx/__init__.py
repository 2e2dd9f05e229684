"""ONNX files of Keras networks: their graph, their metadata and their weights."""
