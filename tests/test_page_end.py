"""The page's process is told to end while it works: it ends in order, and prints nothing of what it was doing."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser import IN_CHROMIUM, SEATPOST, ask, free_port
from tests.fakes import hear_ctrl_c

pytestmark = IN_CHROMIUM

ROOT = Path(__file__).parents[1]
# In the midst of an answer, and as the style of one that is there is measured.
MOMENTS = ["document.querySelector('#chat .bot .md')?.innerText.length > 30", "document.querySelector('#chat .fine')"]


@pytest.mark.parametrize("moment", MOMENTS, ids=["answering", "measuring"])
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "term"])
def test_it_ends_in_order_while_it_works(
    how: signal.Signals, moment: str, tab: Callable[..., Page], tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "tests.page_process", str(tmp_path), str(free_port())]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, preexec_fn=hear_ctrl_c
    ) as process:
        assert process.stdout
        page = tab(process.stdout.readline().strip())
        expect(page.locator("#loading")).to_be_hidden()
        ask(page, SEATPOST)
        page.wait_for_function(moment)
        process.send_signal(how)
        out, err = process.communicate(timeout=30)
    assert (out, process.returncode) == ("closed\n", 0), err
    assert "terminate" not in err
    assert not (tmp_path / "page").exists()
