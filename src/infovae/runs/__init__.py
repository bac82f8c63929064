"""A run folder on disk: its files, lock and checkpoints."""
