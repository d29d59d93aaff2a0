"""The README's figures, from real authors; each module prints a table and the machine it was made on."""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path


def in_home(main: Callable[[Path, Path], None]) -> None:
    """Run `main` on the data folder of the command line, in the home folder given there or in a temporary one."""
    data, *home = map(Path, sys.argv[1:])
    if home:
        main(data, home[0])
    else:
        with tempfile.TemporaryDirectory() as folder:
            main(data, Path(folder))
