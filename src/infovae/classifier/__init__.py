"""The classifier that judges samples, trained once per data set and found by a hash of the images."""
