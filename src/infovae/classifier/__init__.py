"""The classifier that judges samples: its network, its training and its file."""
