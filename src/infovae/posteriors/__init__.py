"""Posteriors q(z|x). One file per option of ``conf/posterior/``."""
