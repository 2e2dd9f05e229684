"""Draw every figure of the documentation, or those named: `make figures`."""

import sys
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
IMAGES = Path(__file__).parents[2] / "images"

for name in sys.argv[1:] or ("networks", "saliency", "evaluation", "tutorial"):
    import_module(name).draw(IMAGES)
