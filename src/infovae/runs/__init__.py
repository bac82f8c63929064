"""A run folder on disk: its files, its lock, its checkpoints."""
