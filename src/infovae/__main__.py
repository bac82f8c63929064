"""``python -m infovae``: the console command."""

from infovae.app.command import main

if __name__ == "__main__":
    main()
