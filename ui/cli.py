"""Where `twin` begins and ends: an error of ours is a sentence, and so is a Ctrl-C, at whatever moment it comes.

Loads nothing by itself: the commands, which take a second on a busy machine, are loaded where a Ctrl-C is heard.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings
from contextlib import suppress
from typing import Any

STOPPED = 130  # the exit code after a Ctrl-C

_lost: list[threading.Timer] = []


def heard_again(lost: Any) -> None:
    """A Ctrl-C that came while a destructor or an import's callback ran is dropped by Python: it is sent once more.

    Where the process ends already, there is nobody left to hear it: it ends at once.
    """
    if not issubclass(lost.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(lost)
    elif threading.main_thread().is_alive():
        _lost.append(threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)))
        _lost[-1].start()
    else:
        with suppress(OSError):
            sys.stdout.flush()
        os._exit(STOPPED)


def main() -> None:
    """Run the command and end the process by its exit code: 2 for a wrong request, 1 for anything else that failed."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    sys.unraisablehook = heard_again
    os.environ.setdefault("TYPER_USE_RICH", "0")  # frames around the help take longer to load than all commands
    try:
        code = _run()
        for timer in _lost:
            if timer.is_alive():  # the command was quicker than the Ctrl-C that is to be sent once more
                code = STOPPED
                timer.cancel()
                timer.join()
    except KeyboardInterrupt:  # while it was loaded, or when it had ended
        code = STOPPED
    if code == STOPPED:
        print("\ntwin: stopped; what is done is kept (a training goes on with --resume)", file=sys.stderr)
    sys.exit(code)


def _run() -> Any:
    """The exit code. Errors of ours are one or two lines on stderr."""
    from contracts.errors import TwinError, UsageError
    from contracts.files import UNWRITABLE
    from ui.commands.twin import cli

    try:
        cli()
    except TwinError as error:
        print(f"twin: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except SystemExit as ended:
        return ended.code  # 130, too, is what Typer makes of a Ctrl-C
    except BrokenPipeError:
        return 1
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        print(f"twin: {error}\n  → make room, or let it be written", file=sys.stderr)
        return 1


if __name__ == "__main__":
    main()
