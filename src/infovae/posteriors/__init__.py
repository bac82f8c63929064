"""Posterior families q(z|x). A file an option of ``conf/posterior/``."""
