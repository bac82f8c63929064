"""Measure trained models, from a clone: the same as `infovae evaluate`, whose --help lists the options."""

from infovae.app.command import main

if __name__ == "__main__":
    main("evaluate")
