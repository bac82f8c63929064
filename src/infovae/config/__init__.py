"""Checks of a composed config against the signatures of what it names."""
