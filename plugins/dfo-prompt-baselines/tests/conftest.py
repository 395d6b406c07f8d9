"""The tiny models are those of dfo-prompt's own tests."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "tests"))
