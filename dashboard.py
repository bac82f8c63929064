"""Compare runs in a browser, from a clone: the same as `infovae dashboard`, whose --help lists the options."""

from infovae.app.command import main

if __name__ == "__main__":
    main("dashboard")
