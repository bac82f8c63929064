"""Methods that train otherwise than ``module.py``, a subclass each. One file per option of ``conf/module/``."""
