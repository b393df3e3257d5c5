"""``python -m roborew`` is ``roborew``."""

import sys

from roborew.cli import main

if __name__ == "__main__":
    sys.exit(main())
