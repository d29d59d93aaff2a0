"""What the API says of itself is true of it, whatever it is sent: its OpenAPI description, fuzzed by schemathesis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode, checks
from schemathesis.core.result import Ok

from tests.browser import SEATPOST, WREN
from tests.served import KEY, Site, serving

SENT = {"Authorization": f"Bearer {KEY}"}
# The last message must be a question, and ids must exist: no schema says so, so what fits the schema may be refused.
EXAMPLES = 12
LEFT_OUT = [checks.positive_data_acceptance]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from serving(tmp_path_factory.mktemp("fuzzed"), keys=KEY)


OPERATIONS = {
    "GET /v1/models",
    "GET /v1/models/{model}",
    "POST /v1/search",
    "POST /v1/chat/completions",
    "POST /v1/side_by_side",
    "POST /v1/drafts",
    "POST /v1/feedback",
    "GET /health",
    "GET /ready",
}


def test_nothing_that_is_sent_breaks_it(site: Site) -> None:
    described = schemathesis.openapi.from_url(f"{site.client.base_url}/openapi.json")
    operations = [found.ok() for found in described.get_all_operations() if isinstance(found, Ok)]
    assert {operation.label for operation in operations} == OPERATIONS
    for operation in operations:
        fuzz(operation, GenerationMode.POSITIVE)
        if operation.body or operation.path_parameters:  # else there is nothing that could be wrong
            fuzz(operation, GenerationMode.NEGATIVE)
    site.client.headers.update(SENT)
    after = site.figures()
    assert after["twin_answers_open"] == after["twin_queue_waiting"] == 0
    assert after["twin_retrieval_seconds_count"] > 5  # some of it was answered


def fuzz(operation: Any, mode: GenerationMode) -> None:
    """EXAMPLES requests that fit the description, or that do not; what comes back must be as described."""
    cases = operation.as_strategy(generation_mode=mode)

    @settings(
        max_examples=EXAMPLES, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(case=cases)
    def check(case: Any) -> None:
        if operation.path == "/v1/chat/completions" and isinstance(case.body, dict) and mode.is_positive:
            case.body["model"] = WREN  # so that they are answered
            case.body["messages"][-1] = {"role": "user", "content": SEATPOST}
        case.call_and_validate(headers=SENT, excluded_checks=LEFT_OUT)

    check()
