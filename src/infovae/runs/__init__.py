"""A run folder: its files, its lock, its checkpoints, and where it lies, here, on the Hub or in the zoo."""
