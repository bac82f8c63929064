"""What happens around training: measuring, drawing, keeping. A file a callback, named by ``conf/callbacks/``."""
