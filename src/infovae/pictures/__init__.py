"""Pictures of a trained model. One file per option of ``conf/pictures/``."""
