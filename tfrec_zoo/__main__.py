"""`python -m tfrec_zoo` is the command line."""

import sys

from tfrec_zoo.cli import main

sys.exit(main())
