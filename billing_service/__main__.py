"""``python -m billing_service`` is the ``billing`` command."""

import gc

gc.disable()  # what is imported stays: looking through it again and again takes a sixth of a command's start

from billing_service.cli import main  # noqa: E402

gc.freeze()
gc.enable()

if __name__ == "__main__":
    main()
