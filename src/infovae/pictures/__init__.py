"""What can be drawn of a trained model. A file an option of ``conf/pictures/``."""
