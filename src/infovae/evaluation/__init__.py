"""A trained model: load it from its run folder, measure it, export it."""
