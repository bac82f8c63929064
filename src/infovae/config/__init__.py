"""Checks of a composed config, and errors in one line."""
