"""The README's figures, from real authors; each module prints a table and the machine it was made on."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def in_home(main: Callable[[Path, Path], None]) -> None:
    """Run `main` on the data folder of the command line, in the home folder given there or in a temporary one."""
    data, *home = map(Path, sys.argv[1:])
    if home:
        main(data, home[0])
    else:
        with tempfile.TemporaryDirectory() as folder:
            main(data, Path(folder))


def interval(values: Sequence[float] | NDArray[np.float64], form: str = ".3f") -> str:
    """The mean, and where 95 % of the means of 2,000 redrawn samples are; `form` is how a figure is written."""
    import numpy as np

    drawn = np.random.default_rng(0).choice(values, (2000, len(values))).mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return f"{np.mean(values):{form}} [{low:{form}}, {high:{form}}]"
