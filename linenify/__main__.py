"""`python -m linenify` is the same as `linenify`."""

import sys

from linenify.cli import main

sys.exit(main())
