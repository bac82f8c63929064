"""Models trained elsewhere, as :class:`infovae.model.Model`. A file an option of ``conf/adapter/``."""
