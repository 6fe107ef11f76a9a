"""`GET /metrics`: pipes and roots for Prometheus."""

import asyncio
from collections.abc import Mapping
from typing import Protocol

from aiohttp import web

from fustor_core.clock import wall
from fustor_core.http import metrics
from fustor_core.http.metering import PipeMeter
from fustor_core.http.responses import respond
from fustor_fusion.api.application import Route
from fustor_fusion.api.ports import Pipes, RootAccess, Roots
from fustor_fusion.authorization import METRICS
from fustor_fusion.stores import RootStore
from fustor_fusion.trust import LiveRoot, assess, trust_in


class Metered(Pipes, Protocol):
    """All pipes, and what they have been through."""

    @property
    def meters(self) -> Mapping[str, PipeMeter]: ...

    def refusals(self) -> Mapping[str, Mapping[str, int]]:
        """What the machines of this process have refused, by pipe and event."""


def routes(pipes: Metered, roots: Roots) -> list[Route]:
    """The route of the metrics."""

    async def expose(_: web.Request) -> web.Response:
        moments = [(name, access, access.live()) for name in roots.names() if (access := roots.get(name)) is not None]
        # Each root is read from its store, which may wait for a disk.
        figures = [await asyncio.to_thread(_figures, name, access, live) for name, access, live in moments]
        families = [*metrics.of_pipes(pipes.all(), pipes.meters, pipes.refusals(), wall()), *metrics.of_roots(figures)]
        return respond(metrics.exposition(families), metrics.CONTENT_TYPE)

    return [Route("GET", "/metrics", expose, METRICS)]


def _figures(name: str, access: RootAccess, live: LiveRoot) -> metrics.RootFigures:
    store: RootStore = access.store
    with store.reading() as reading:
        trust = trust_in(reading, b"", live)
        found = assess(b"", trust, reading.record(), live, access.to_wall)
        drift = reading.drifts().total
    kinds = {"missing": drift.missing, "extra": drift.extra, "changed": drift.changed}
    return metrics.RootFigures(name, found.as_of, found.complete, trust.unreadable, kinds)
