"""Train runs, from a clone: the same as `infovae train`, whose --help lists the options."""

from infovae.app.command import main

if __name__ == "__main__":
    main("train")
