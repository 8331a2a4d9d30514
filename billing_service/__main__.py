"""``python -m billing_service`` is the ``billing`` command."""

from billing_service.cli import main

main()
