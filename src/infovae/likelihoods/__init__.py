"""Likelihoods p(x|z). A file an option of ``conf/likelihood/``."""
