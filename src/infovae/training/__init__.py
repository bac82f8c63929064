"""One run, from its config to its run folder."""
