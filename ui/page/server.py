"""Serve the chat page: on this machine only unless passwords are asked for, from here alone, and closed cleanly."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hmac import compare_digest
from pathlib import Path

import gradio as gr

from contracts.errors import UsageError
from inference_pipeline.leaving import aside
from ui.guard import HOSTS, LOOPBACK, Guard
from ui.page.shell import Shell, shown_first
from ui.page.tabs.chat import ANSWERS_AT_ONCE
from ui.page.temporary import LARGEST_UPLOAD, temporary
from ui.wiring import App

WAITING = 20  # questions in the queue; the next one is refused
HEAD_START = 2.0  # seconds for a browser that comes at once: loading a model would slow what it draws
# An event with files names each of them, in at most a KiB; two thousand may be dropped at once.
UPLOADS = {"/gradio_api/upload": LARGEST_UPLOAD, "/gradio_api/queue/join": 2 * 1024 * 1024}

FONT = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif"]
MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]
CSS, SCRIPT = (Path(__file__).with_name(name) for name in ("page.css", "page.js"))
# Gradio's page needs inline scripts and eval. Whatever a post smuggles in, the browser still fetches from here only.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = [(b"content-security-policy", POLICY.encode()), (b"referrer-policy", b"no-referrer")]


def build(app: App, author: str | None = None) -> gr.Blocks:
    """The page as Gradio's Blocks, not yet served."""
    return Shell(app, author).blocks


@contextmanager
def running(
    app: App, host: str = "127.0.0.1", port: int = 7860, author: str | None = None, password: str | None = None
) -> Iterator[str]:
    """Serve the page; the value is its address. Leaving ends every answer, the server and the store."""
    if host not in LOOPBACK and not password and not app.users.names:
        raise UsageError(
            f"the page would be open to everyone who reaches {host}",
            "set TWIN_PASSWORD, or add who may use it with twin users add NAME, or leave --host away",
        )
    with temporary(app.home) as files, _served(app, host, port, author, password, files) as url:
        yield url


@contextmanager
def _served(app: App, host: str, port: int, author: str | None, password: str | None, files: Path) -> Iterator[str]:
    page = Shell(app, author)
    page.blocks.queue(max_size=WAITING, default_concurrency_limit=ANSWERS_AT_ONCE, api_open=False)
    may, message = _login(app, password)
    guard = {"hosts": HOSTS if host in LOOPBACK else None, "headers": HEADERS, "uploads": UPLOADS}
    try:
        _, url, _ = page.blocks.launch(
            server_name=host,
            server_port=port,
            auth=may,
            auth_message=message,
            prevent_thread_lock=True,
            quiet=True,
            share=False,
            show_error=False,
            ssr_mode=False,
            pwa=False,
            mcp_server=False,
            run_history=False,
            enable_monitoring=False,
            footer_links=[],
            allowed_paths=[],
            blocked_paths=[str(path) for path in app.home.iterdir() if path not in files.parents],
            max_file_size=LARGEST_UPLOAD,
            state_session_capacity=200,
            app_kwargs={"middleware": [(Guard, (), guard)]},  # what Starlette makes of its own Middleware(Guard)
            theme=_theme(),
            css_paths=[CSS],
            js=SCRIPT.read_text(encoding="utf-8"),
        )
    except OSError as error:
        raise UsageError(f"port {port} of {host} is in use", "choose another: twin chat --port 7861") from error
    try:
        yield url
    finally:
        page.close()
        app.store.close()


def _login(app: App, password: str | None) -> tuple[Callable[[str, str], bool] | None, str]:
    """Who may come in, and what they are told. With one password there is one user, whatever name is typed."""
    if app.users.names:
        return app.users.may, "With the name and the password that you were added with."
    if not password:
        return None, ""
    expected = password.encode()
    return lambda _, given: compare_digest(
        given.encode("utf-8", "surrogatepass"), expected
    ), "Any name will do, and all see the same; the password is the one in TWIN_PASSWORD."


def serve(
    app: App,
    host: str = "127.0.0.1",
    port: int = 7860,
    author: str | None = None,
    ready: Callable[[str], None] | None = None,
    password: str | None = None,
) -> None:
    """Serve the page until Ctrl-C or SIGTERM; `ready` is called with its address once the server listens."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    leaving = threading.Event()
    with running(app, host, port, author, password) as url:
        with suppress(KeyboardInterrupt):
            if ready:
                ready(url)
            aside(lambda: _warm(app, author, leaving), "warm")
            while True:
                time.sleep(1)
        leaving.set()


def _warm(app: App, author: str | None, leaving: threading.Event) -> None:
    """Load what the first answer needs while the page is still being opened. What is wrong is told by that answer."""
    with suppress(Exception):
        if not leaving.wait(HEAD_START) and (chosen := shown_first(app, author)[1]):
            app.twin.warm(chosen)


def _theme() -> gr.themes.Base:
    """Fonts that the machine has: none is fetched. The quiet text is dark enough to read (4.5 : 1)."""
    theme = gr.themes.Base(
        primary_hue="teal", secondary_hue="teal", neutral_hue="stone", radius_size="lg", font=FONT, font_mono=MONO
    )
    return theme.set(
        body_text_color_subdued="*neutral_500",
        body_text_color_subdued_dark="*neutral_400",
        input_background_fill="*background_fill_primary",
        input_background_fill_dark="*neutral_800",
        input_border_width="1px",
        # White on it is 5 : 1 and more, in either scheme; so is it on white.
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_hover_dark="*primary_600",
        link_text_color="*primary_700",
        link_text_color_dark="*primary_300",
    )
