"""Every test has its own TWIN_HOME and no network but loopback; what a machine lacks is said, and required in CI."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as in ui/commands/twin.py
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # workers that each took all cores would slow each other tenfold
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["TQDM_DISABLE"] = "1"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"

import pytest

from contracts.feature_store import FeatureStore
from tests import chat_server
from tests.blog_server import Blog
from tests.chat_server import Server
from tests.fakes import OTHER_WORDS, WORDS, WordEmbedder, one_thread, tiny_embedder, tiny_llama
from tests.ingested import write
from ui.cli import main

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

    from tests.browser import Small
    from tests.trained import Trained

REAL_DATA = Path(__file__).parents[2] / "shared" / "data"
REQUIRED = os.environ.get("TWIN_REQUIRE", "").split(",")


def missing(what: str, reason: str) -> None:
    """Skip for `reason`, or fail where TWIN_REQUIRE names `what`, as it does in CI."""
    if what in REQUIRED:
        pytest.fail(f"{what} is required here: {reason}")
    pytest.skip(reason)


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("TWIN_") and name != "TWIN_REQUIRE"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TWIN_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(autouse=True)
def only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that would reach another machine fails at once, and says which."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            assert isinstance(address, tuple)
            assert address[0] in ("127.0.0.1", "::1", "localhost"), f"a test reached for {address}"
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def real_data() -> Path:
    if not REAL_DATA.is_dir():
        missing("real_data", f"no real data at {REAL_DATA}")
    return REAL_DATA


@pytest.fixture
def loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses on this machine may be read, as a test's own server is."""
    monkeypatch.setenv("TWIN_ALLOW_PRIVATE_ADDRESSES", "1")


@pytest.fixture(scope="module")
def single() -> Iterator[None]:
    """torch's order of sums, and with it each figure, is the same whatever else runs."""
    with one_thread():
        yield


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FeatureStore]:
    made = FeatureStore(tmp_path / "home", WordEmbedder())
    yield made
    made.close()


@pytest.fixture
def blog() -> Iterator[Blog]:
    """A server on loopback, of which a test says what stands where."""
    made = Blog()
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eight posts, of a day each."""
    for number in range(8):
        write(tmp_path / "posts", number)
    return tmp_path / "posts"


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("tiny-llama"))


@pytest.fixture(scope="module")
def trained(single: None, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    """A home of the test file's own, with a version of Ada's."""
    from tests.trained import trained_in

    yield from trained_in(tmp_path_factory.mktemp("trained"), tiny_model)


@pytest.fixture(scope="session")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_embedder(tmp_path_factory.mktemp("embedder"), [*WORDS, *OTHER_WORDS])


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


Twin = Callable[..., Said]


@pytest.fixture
def twin(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Twin:
    """The command in this process, as its console script calls it."""

    def run(*arguments: str | Path) -> Said:
        capfd.readouterr()
        monkeypatch.setattr(sys, "argv", ["twin", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return Said(int(ended.value.code or 0), *capfd.readouterr())

    return run


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL server on loopback. `control` takes what pg_ctl is to do."""

    url: str
    control: Callable[..., None]


@pytest.fixture(scope="session")
def postgres(postgres_server: Postgres) -> str:
    """The address of an empty PostgreSQL database."""
    return postgres_server.url


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """A server of this session's own, outside pytest's folder: another session that begins would close that to it."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    found = shutil.which("initdb", path=os.pathsep.join([*map(str, folders), os.environ["PATH"]]))
    if found is None:
        missing("postgres", "no PostgreSQL server is installed (Debian: postgresql)")
    binaries, folder = Path(str(found)).resolve().parent, Path(tempfile.mkdtemp(prefix="postgres-"))
    user = "nobody" if os.geteuid() == 0 else None  # it does not run as root
    if user:
        shutil.chown(folder, user)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    data = str(folder / "data")

    def run(*command: str) -> None:
        subprocess.run(command, user=user, check=True, stdout=subprocess.DEVNULL, cwd=folder)

    run(str(binaries / "initdb"), "-D", data, "-U", "twin", "--auth=trust", "--no-sync")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"

    def control(*command: str) -> None:
        run(str(binaries / "pg_ctl"), "-D", data, "-w", "-o", options, "-l", str(folder / "log"), *command)

    control("start")
    yield Postgres(f"postgresql+psycopg://twin@127.0.0.1:{port}/postgres", control)
    control("-m", "immediate", "stop")
    shutil.rmtree(folder)


@pytest.fixture
def home(settled: Path, own_home: Path, embedder: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the test file's own `settled`, with models that load in no time."""
    shutil.copytree(settled, own_home)
    monkeypatch.setenv("TWIN_EMBEDDER", str(embedder))
    monkeypatch.setenv("TWIN_BASE_MODEL", str(tiny_model))
    return own_home


# ---- in a browser ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def swept() -> Iterator[None]:
    """What Gradio leaves behind is collected here, so that no later test is blamed for it."""
    yield
    asyncio.set_event_loop(None)  # it leaves one in this thread, which would be collected once there is another
    gc.collect()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    from tests import browser

    with browser.chromium() as found:
        if found is None:
            missing("browser", "no chromium here: apt-get install chromium")
        assert found
        yield found


@pytest.fixture
def tab(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Opens an address in a browser context of its own; whatever leaves the machine fails the test."""
    contexts: list[BrowserContext] = []
    elsewhere: list[str] = []

    def opened(url: str, width: int = 1280, dark: bool = False) -> Page:
        scheme = "dark" if dark else "light"
        context = chromium.new_context(viewport={"width": width, "height": 860}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: elsewhere.append(request.url))
        page.on("dialog", lambda dialog: elsewhere.append(dialog.message))
        page.goto(url)
        page.wait_for_function("document.querySelector('#author input')")
        return page

    yield opened
    for context in contexts:
        context.close()
    local = ("data:", "blob:", "about:")
    seen = {urlsplit(url).hostname for url in elsewhere if not url.startswith(local)}
    assert seen <= {"127.0.0.1"}, elsewhere


@pytest.fixture(scope="module")
def site(twin: Small) -> Iterator[str]:
    """The address of a page, in this process, of the module's own twin."""
    from tests import browser
    from ui.page import server as chat_page

    with chat_page.running(twin.app, port=browser.free_port(), author=browser.WREN) as url:
        yield url


@pytest.fixture
def server() -> Iterator[Server]:
    """A chat server of this test's own."""
    with chat_server.running() as made:
        yield made
