"""Loggers that need more than their own constructor. Named by ``conf/logger/``."""
