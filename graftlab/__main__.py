"""`python -m graftlab` is the command `graft`."""

from graftlab.cli import main

main()
