"""Training: the protocol of a run, the fit, the benchmark of networks over folds."""
