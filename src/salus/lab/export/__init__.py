"""Networks as files of other engines: ONNX, OpenVINO, LiteRT, Keras; one file a format."""
