"""``python -m tariffs``, and the console script."""

import gc

gc.disable()  # what is imported stays: looking through it again and again takes a part of a command's start

from tariffs.cli import main  # noqa: E402

gc.freeze()
gc.enable()

if __name__ == "__main__":
    main()
