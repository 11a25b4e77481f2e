"""``python -m tybalt_like``, the command line where its script is not on the path."""

from tybalt_like.cli import main

main()
