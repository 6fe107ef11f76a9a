"""An agent as a process: names the concrete adapters, and joins them."""

import asyncio
import logging
from collections.abc import Iterable
from contextlib import AsyncExitStack
from importlib.metadata import version
from pathlib import Path
from uuid import uuid4

import aiohttp

from fustor_agent.api import build
from fustor_agent.audit.plan import AuditOptions
from fustor_agent.control import ControlLink
from fustor_agent.intent import Intents
from fustor_agent.life import Life
from fustor_agent.pipe import AgentPipe
from fustor_agent.reading.pace import Pace
from fustor_agent.retry import Retry
from fustor_agent.root.known_roots import KnownRoots
from fustor_agent.root.opening import check_sources
from fustor_agent.senders.websocket import WebSocketSender
from fustor_agent.session.greeting import PipeOptions
from fustor_agent.settings import AgentSettings, Pipe
from fustor_agent.sources import Source
from fustor_agent.sources.fs import FsSource
from fustor_core.errors import ConfigurationError, Unidentified
from fustor_core.files import read_if_there
from fustor_core.http.serving import listening
from fustor_core.process import data_directory, stop_requested, tune
from fustor_core.state import StateMachine
from fustor_core.state_keeping import kept_machine, state_store
from fustor_core.steering import Steering
from fustor_core.supervision import Kept, LoopWatch
from fustor_core.wire import HelloAgent

log = logging.getLogger(__name__)

LAST_WORDS = 2.0
"""Seconds that telling fusion of the last transitions may take."""


async def run(settings: AgentSettings) -> None:
    """Serve until a signal comes. Raises ConfigurationError where it cannot begin, and what its pipes ended with if all of them did."""
    known_roots, key = KnownRoots(settings.data / "roots.json"), key_of(settings)
    tune()
    async with AsyncExitStack() as stack:
        stop = stack.enter_context(stop_requested())
        await check_sources(_never_seen(settings, known_roots))
        stack.enter_context(data_directory(settings.data, "agent"))
        http = await stack.enter_async_context(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)))
        sender = WebSocketSender(http, settings.fusion.url, key)
        run_id = uuid4().hex
        intents = Intents(settings.data / "intent.json")
        store = stack.enter_context(state_store(settings.state, settings.data))
        deadlines = settings.deadlines.by_lifecycle()
        machines = {name: stack.enter_context(kept_machine(f"{settings.id}:{name}", run_id, store, deadlines)) for name in settings.pipes}
        pace = Pace(settings.load.limits())
        pipes = {name: _pipe(settings, name, pace, sender, machine, intents, known_roots) for name, machine in machines.items()}
        await stack.enter_async_context(listening(build(pipes, settings.listen.host, key), settings.listen.host, settings.listen.port))
        link = ControlLink(HelloAgent(settings.id, _boot(), run_id, version("fustor")), sender, _retry(settings, for_ever=True), pipes)
        await _run_pipes(pipes, link, stop)


def check(settings: AgentSettings) -> None:
    """Raises ConfigurationError for what the settings name and the machine does not have, RootGone for what cannot be opened."""
    key_of(settings)
    for pipe in settings.pipes.values():
        with _source(settings, pipe).open():
            pass


def _never_seen(settings: AgentSettings, known_roots: KnownRoots) -> dict[str, Source]:
    """The sources of which nothing is in `known_roots`: that one that has been there is away is no mistake in the settings."""
    sources = {name: _source(settings, pipe) for name, pipe in settings.pipes.items()}
    return {name: source for name, source in sources.items() if known_roots.of(name, settings.pipes[name].root, source.place) is None}


def key_of(settings: AgentSettings) -> str | None:
    """The text of the agent's key; None where it has none."""
    fusion = settings.fusion
    if fusion.key is not None:
        return fusion.key.get_secret_value()
    if fusion.key_file is None:
        return None
    text = read_if_there(fusion.key_file)
    if text is None or not text.strip():
        raise ConfigurationError(
            f"fusion.key_file: {fusion.key_file} {'is missing' if text is None else 'is empty'}; put the agent's key there"
        )
    return text.strip()


async def _run_pipes(pipes: dict[str, AgentPipe], link: ControlLink, stop: asyncio.Event) -> None:
    """Run every pipe until the process is to stop. A pipe that fails leaves the others alone; where the settings let none of them work,
    that is how it ends."""

    def look_at_failures() -> None:
        if _hopeless(pipes.values(), link) is not None:
            stop.set()

    for pipe in pipes.values():
        pipe.on_failure = look_at_failures
    async with Kept(link.run, link.died), AsyncExitStack() as stack:
        keeping = [await stack.enter_async_context(_kept(pipe)) for pipe in pipes.values()]
        with LoopWatch(lambda: _stalled(pipes.values())).watching():
            await stop.wait()
        for pipe in pipes.values():
            pipe.end("the agent stops")
        for each in keeping:
            await each.over()
        try:
            async with asyncio.timeout(LAST_WORDS):
                await link.tell_last()
        except TimeoutError:
            log.debug("fusion could not be told of the last transitions")
    if (hopeless := _hopeless(pipes.values(), link)) is not None:
        raise hopeless


def _hopeless(pipes: Iterable[AgentPipe], link: ControlLink) -> ConfigurationError | None:
    """Why none of the pipes can work until somebody corrects the settings. A key that fusion has never known is such a reason; one that it
    knew, and then did not, may be known again."""
    failures = [pipe.failure for pipe in pipes]
    first = failures[0]
    if isinstance(first, Unidentified) and not link.stood and all(isinstance(failure, Unidentified) for failure in failures):
        return ConfigurationError(str(first))
    return first if isinstance(first, ConfigurationError) and all(isinstance(failure, ConfigurationError) for failure in failures) else None


def _kept(pipe: AgentPipe) -> Kept:
    return Kept(pipe.run, pipe.died, lambda: not pipe.ending)


def _stalled(pipes: Iterable[AgentPipe]) -> None:
    log.error("the event loop stands still")
    for pipe in pipes:
        pipe.loop_stalled()


def _pipe(
    settings: AgentSettings,
    name: str,
    pace: Pace,
    sender: WebSocketSender,
    machine: StateMachine,
    intents: Intents,
    known_roots: KnownRoots,
) -> AgentPipe:
    pipe, reconnect, retry = settings.pipes[name], settings.reconnect, _retry(settings)
    options = PipeOptions(
        agent=settings.id,
        boot=_boot(),
        run=machine.run,
        name=name,
        root=pipe.root,
        pace=pace,
        drain_timeout=settings.drain.timeout,
        critical_after=reconnect.critical_after,
        audit=AuditOptions(settings.audit.every, settings.audit.shallow),
    )

    def make_life(steering: Steering, number: int, held: bool) -> Life:
        return Life(options, number, _source(settings, pipe), known_roots, sender, retry, steering, held=held)

    return AgentPipe(name, pipe.root, machine, intents, make_life, retry)


def _source(settings: AgentSettings, pipe: Pipe) -> Source:
    source = pipe.source
    return FsSource(
        source.path,
        exclude=source.exclude,
        own=[settings.data],
        cross_mounts=source.cross_mounts,
        staleness=source.staleness,
        remote_writers=source.writers == "remote",
    )


def _retry(settings: AgentSettings, *, for_ever: bool = False) -> Retry:
    reconnect = settings.reconnect
    return Retry(reconnect.first, reconnect.most, None if for_ever else reconnect.attempts)


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
