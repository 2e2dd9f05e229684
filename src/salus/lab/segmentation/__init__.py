"""Train, calibrate, evaluate and release the network of `salus segment`."""
