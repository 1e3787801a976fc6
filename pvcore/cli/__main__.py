"""`python -m pvcore.cli` is `pv`."""

from pvcore.cli import main

main()
