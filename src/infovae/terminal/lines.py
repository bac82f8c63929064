"""Log lines of jobs that share a terminal."""

import logging


def name_lines(job: str) -> None:
    """Put the name of a job into each of its log lines on the terminal, not into those of its own file."""
    layout = f"[%(asctime)s][{job.replace('%', '%%')}][%(name)s][%(levelname)s] - %(message)s"
    for handler in logging.getLogger().handlers:
        if type(handler) is logging.StreamHandler:
            handler.setFormatter(logging.Formatter(layout))
