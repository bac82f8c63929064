"""The classifier that judges samples: trained once per data set by classifier.py, and found by a hash of the images."""
