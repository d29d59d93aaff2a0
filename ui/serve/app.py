"""The HTTP API as a FastAPI application: settings and parts in, an ASGI application out, nothing served yet.

Watched → Guard → Keyed → routes → the twin, in a thread of its own for each answer
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI

from ui.guard import HOSTS, LOOPBACK, Guard
from ui.serve import problems, routes
from ui.serve.answering import Answering
from ui.serve.catalogue import Catalogue
from ui.serve.keys import Keys
from ui.serve.logs import Log, to
from ui.serve.metrics import Metrics
from ui.serve.parts import Parts, Readiness
from ui.serve.watch import Keyed, Watched
from ui.wiring import App

PATIENCE = 2  # seconds that an answer has to end once it is told to
HEADERS = [(b"x-content-type-options", b"nosniff")]


def create(app: App, host: str = "127.0.0.1", log: Log | None = None) -> FastAPI:
    """The API over the application's parts. Raises UsageError for keys that are none."""
    metrics, catalogue = Metrics(), Catalogue(app)
    parts = Parts(app, catalogue, Answering(metrics), metrics, Readiness(app, catalogue))
    metrics.waiting.set_function(lambda: app.twin.queue.length())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        parts.readiness.start()
        yield
        parts.answering.stop(PATIENCE)

    # Without pages that would load their scripts from elsewhere.
    api = FastAPI(title="LLM twin", version=version("llm-twin"), docs_url=None, redoc_url=None, lifespan=lifespan)
    api.state.parts = parts
    api.include_router(routes.v1)
    api.include_router(routes.open_routes)
    problems.install(api)
    hosts = HOSTS if host in LOOPBACK else None
    api.add_middleware(Keyed, keys=Keys(app.settings.api_keys))
    api.add_middleware(Guard, hosts=hosts, headers=HEADERS, refusal=problems.refusal)
    api.add_middleware(Watched, metrics=metrics, log=log or to(sys.stdout))
    return api
