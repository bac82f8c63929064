"""The command line: the ``infovae`` command, and errors in one line."""
