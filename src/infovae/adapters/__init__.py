"""Models trained elsewhere, wrapped for the same measurements. One file per option of ``conf/adapter/``."""
