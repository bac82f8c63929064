"""Optimisers that torch doesn't have, and groups of parameters with settings of their own."""
