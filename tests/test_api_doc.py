"""docs/api.md: its code runs against a server as it stands there, and its tables name what there is."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser import WREN
from tests.conftest import missing
from tests.served import Site, serving
from tests.test_readme import command
from ui.serve.mcp_server import build

DOC = (Path(__file__).parents[1] / "docs" / "api.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", DOC, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from serving(tmp_path_factory.mktemp("documented"))


def here(code: str, site: Site) -> str:
    assert "http://127.0.0.1:8000" in code
    return code.replace("http://127.0.0.1:8000", str(site.client.base_url))


@pytest.mark.parametrize("code", [code for language, code in BLOCKS if language == "python"])
def test_the_python_runs(code: str, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(here(code, site), "docs/api.md", "exec"), {})
    assert "The clamp comes off first" in capsys.readouterr().out


@pytest.mark.parametrize("code", [code for language, code in BLOCKS if code.startswith("curl")])
def test_curl_is_answered(code: str, site: Site) -> None:
    if shutil.which("curl") is None:
        missing("curl", "no curl is installed")
    done = subprocess.run(["sh", "-ec", here(code, site)], capture_output=True, text=True, check=True)
    assert "The clamp comes off first" in done.stdout


def test_the_assistants_configuration_starts_the_command() -> None:
    [code] = [code for language, code in BLOCKS if language == "json"]
    server = json.loads(code)["mcpServers"]["llm-twin"]
    found, arguments = command(server["args"])
    assert (server["command"], found.name) == ("twin", "mcp")
    assert found.make_context("mcp", arguments).params["author"] == WREN


def test_the_tables_name_every_route_metric_and_tool(site: Site) -> None:
    first = {cell for row in re.findall(r"^\| ([^|]+) \|", DOC, re.MULTILINE) for cell in re.findall(r"`([^`]+)`", row)}
    site.chat()
    described = site.client.get("/openapi.json").json()["paths"]
    assert {f"{method.upper()} {path}" for path, methods in described.items() for method in methods} <= {
        *first,
        "GET /v1/models/{model}",
    }
    sampled = re.findall(r"^# TYPE (\S+)", site.client.get("/metrics").text, re.MULTILINE)
    assert {name for name in sampled if not name.endswith("_created")} == {n for n in first if n.startswith("twin_")}
    tools = {tool.name for tool in asyncio.run(build(site.twin.app).list_tools())}
    assert tools <= first
    answer = site.chat().json()["twin"]
    assert {"answer", "citations", "passages", "sentences", "model", "snapshot", "timings", "ignored"} <= first & set(
        answer
    )
