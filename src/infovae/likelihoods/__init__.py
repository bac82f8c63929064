"""Likelihoods p(x|z). One file per option of ``conf/likelihood/``."""
