"""The run-time type checker of the tests: beartype, with an int taken where a float is asked for (PEP 484)."""

import warnings

from beartype import BeartypeConf, beartype
from beartype.roar import BeartypeDecorHintPep585DeprecationWarning

# OmegaConf's classes derive from typing's old aliases.
warnings.filterwarnings("ignore", category=BeartypeDecorHintPep585DeprecationWarning)
checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
