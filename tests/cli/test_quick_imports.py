"""What is left out of an import is still there for whoever asks for it."""

import subprocess
import sys


def test_scipy_comes_without_parts_of_numpy_that_stay_usable():
    code = (
        "import sys\nfrom salus.cli.quick_imports import import_scipy\nimport_scipy()\nimport_scipy()\n"
        "print('numpy.f2py' in sys.modules, 'numpy.testing' in sys.modules, 'scipy.ndimage' in sys.modules)\n"
        "import numpy as np\nimport scipy.ndimage\n"
        "np.testing.assert_allclose(scipy.ndimage.gaussian_filter(np.ones((5, 5)), 1), 1)\n"
        "print(np.f2py.__name__, np.testing.__file__ is None)\nimport scipy.stats, scipy.optimize"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["False", "False", "True", "numpy.f2py", "False"]
