"""``python -m tariffs``, and the console script."""

from tariffs.cli import main

if __name__ == "__main__":
    main()
