"""Score predictions against truth: the benchmark's networks and anyone else's masks, by one code."""
