"""Bounds on log p(x) from several codes of an example. One file per option of `conf/bound/`; none is the ELBO."""
