"""Fusion as a process: names the concrete adapters, and joins them."""

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

from aiohttp import web

from fustor_core.errors import ConfigurationError, StoreUnavailable
from fustor_core.files import make_private_directory
from fustor_core.http.hosts import Hosts
from fustor_core.http.serving import listening
from fustor_core.process import data_directory, stop_requested, tune
from fustor_core.state_keeping import kept_machine, state_store
from fustor_core.supervision import Kept, LoopWatch
from fustor_core.wire import PULSE, Condition
from fustor_fusion.api import events, host, looking, metrics, openapi, steering
from fustor_fusion.api.application import PRINCIPAL, Parts, Route, build
from fustor_fusion.api.ports import SessionView
from fustor_fusion.authorization import PUSH_ANY, Authorizer, Key, Principal
from fustor_fusion.board import Board
from fustor_fusion.feed import Feed
from fustor_fusion.merge.guard import GuardRules
from fustor_fusion.pipe import FusionPipe, joined
from fustor_fusion.receivers.websocket import Receiver
from fustor_fusion.roots.registry import RootRegistry, kept_roots
from fustor_fusion.roots.root import RootOptions
from fustor_fusion.settings import FusionSettings
from fustor_fusion.stores import RootStore
from fustor_fusion.stores.memory import MemoryStore
from fustor_fusion.stores.sqlite import SqliteStore
from fustor_fusion.views import Views

log = logging.getLogger(__name__)

PIPE = "default"


async def run(settings: FusionSettings) -> None:
    """Serve until a signal comes. Raises ConfigurationError where it cannot begin."""
    tune()
    async with AsyncExitStack() as keeping, AsyncExitStack() as stack:
        stop = stack.enter_context(stop_requested())
        if "sqlite" in (settings.store, settings.state.store):
            # Before anything in it is touched: another fusion may work there.
            keeping.enter_context(data_directory(settings.data, "fusion"))
        states = keeping.enter_context(state_store(settings.state, settings.data))
        pipe = FusionPipe(keeping.enter_context(kept_machine(f"{settings.id}:{PIPE}", None, states)))
        with pipe.starting():
            fusion = await start(stack, settings, pipe, _store_opener(settings))
        await stop.wait()
        with pipe.stopping():
            await fusion.go_away("fusion is stopping")
            await stack.aclose()


def authorizer_of(settings: FusionSettings) -> Authorizer:
    """Who may come in. Raises ConfigurationError where that would be nobody, or everybody on a network."""
    if settings.open:
        if settings.keys:
            raise ConfigurationError("`open` lets everybody in, so `keys` mean nothing; drop one of the two")
        return Authorizer.open(settings.listen.host)
    return Authorizer([Key(key.name, key.hash.removeprefix("sha256:"), tuple(key.scopes)) for key in settings.keys])


def views_of(settings: FusionSettings) -> Views:
    """The mount tables. A view without mounts has every root at /NAME."""
    return Views({name: {root: os.fsencode(mount) for root, mount in mounts.items()} for name, mounts in settings.views.items() if mounts})


async def start(stack: AsyncExitStack, settings: FusionSettings, pipe: FusionPipe, open_store: Callable[[str], RootStore]) -> Receiver:
    """Serve, with the stores that `open_store` opens, until the stack is closed."""
    authorizer, views = authorizer_of(settings), views_of(settings)
    feed = Feed(pipe.machine.run)
    board = Board(settings.session.heartbeat_every, feed)
    board.add_own(pipe.machine, pipe.report)
    options = RootOptions(settings.session.window, settings.session.lease, settings.settled.quiet)
    roots = RootRegistry(open_store, options, board.progress)
    stack.push_async_callback(roots.close)
    if settings.store == "sqlite":
        await _open_kept(roots, settings)
    receiver = Receiver(roots.open, _may_push, board, settings.session.heartbeat_every)
    stack.enter_context(LoopWatch(pipe.loop_stalled).watching())

    def problems() -> list[Condition]:
        board.look()
        for root in roots.all():
            root.look_at_store()
        return joined((root.name, one) for root in roots.all() for one in root.live().conditions)

    for work in (lambda: _keep_order(roots, receiver), lambda: pipe.supervise(problems)):
        await stack.enter_async_context(Kept(work, pipe.task_died))
    application = build(
        Parts(roots, views, board, _Sessions(roots), lambda: (True, ""), quiet=int(settings.settled.quiet * 1e9)),
        authorizer=authorizer,
        hosts=Hosts(settings.listen.host, settings.listen.names, settings.listen.origins),
        extra=[
            Route("GET", "/v1/session", receiver.session, PUSH_ANY),
            Route("GET", "/v1/agent", receiver.control, PUSH_ANY),
            *steering.routes(board, receiver.calls, roots.confirm),
            *events.routes(feed),
            *metrics.routes(board, roots),
            *looking.routes(views, roots, board),
            *host.routes(settings.data if settings.store == "sqlite" else None, lambda: _agents(roots, receiver)),
        ],
        describe=openapi.document,
    )
    port = await stack.enter_async_context(listening(application, settings.listen.host, settings.listen.port))
    # First of all at the end: the server waits for those who still listen.
    stack.callback(feed.end)
    log.info("fusion listens on http://%s:%d", settings.listen.host, port)
    return receiver


async def _open_kept(roots: RootRegistry, settings: FusionSettings) -> None:
    """Open every root that is kept. Raises ConfigurationError for one that cannot be: a fusion without it would answer that it is empty."""
    for name in kept_roots(settings.data / "roots"):
        try:
            await roots.open(name)
        except StoreUnavailable as error:
            raise ConfigurationError(f"the root {name} cannot be opened: {error}, then start fusion again") from error


def _agents(roots: RootRegistry, receiver: Receiver) -> list[host.AgentFacts]:
    errors: dict[str, float] = {}
    for root in roots.all():
        for session in root.table.all():
            errors[session.agent] = max(errors.get(session.agent, 0.0), session.clock_error.at(root.clock.now()) / 1e9)
    return [host.AgentFacts(agent, version, there, errors.get(agent)) for agent, (version, there) in receiver.agents().items()]


def _store_opener(settings: FusionSettings) -> Callable[[str], RootStore]:
    guard = settings.guard
    rules = GuardRules(guard.max_loss, guard.min_entries, int(guard.window * 1e9), int(guard.delay * 1e9))
    if settings.store == "memory":
        return lambda name: MemoryStore(rules)
    directory = settings.data / "roots"
    make_private_directory(directory)
    return lambda name: SqliteStore(directory / f"{name}.db", rules)


def _may_push(request: web.Request, root: str) -> bool:
    principal: Principal = request[PRINCIPAL]
    return principal.may("push", root)


async def _keep_order(roots: RootRegistry, receiver: Receiver) -> None:
    """End sessions that are lost, and let the next in line take over from a leader that has been away for longer than its lease."""
    while True:
        await asyncio.sleep(PULSE)
        for root in roots.all():
            receiver.keep_order(root)


class _Sessions:
    """The sessions of all roots, as queries see them."""

    def __init__(self, roots: RootRegistry) -> None:
        self._roots = roots

    def all(self) -> Sequence[SessionView]:
        return [
            SessionView(
                session.id,
                session.agent,
                f"{session.agent}:{session.hello.pipe}",
                root.name,
                session.role.value,
                session.state.value,
                session.since,
                session.heard,
                session.sequence,
                session.remote,
            )
            for root in self._roots.all()
            for session in root.table.all()
        ]
