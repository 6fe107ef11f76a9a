"""How a pipe introduces itself to fusion."""

from dataclasses import dataclass

from fustor_agent.audit.plan import AuditOptions
from fustor_agent.reading.pace import Pace
from fustor_agent.sources import Source
from fustor_core.wire import Hello, Identity


@dataclass(frozen=True, slots=True)
class PipeOptions:
    """What a pipe is told beside its source and its fusion. `drain_timeout` and `critical_after` are in seconds."""

    agent: str
    boot: str
    run: str
    name: str
    root: str
    pace: Pace
    drain_timeout: float
    critical_after: float
    audit: AuditOptions


def hello_of(
    options: PipeOptions, number: int, source: Source, identity: Identity, known: Identity | None, session: str, sequence: int
) -> Hello:
    """The hello of the life `number` of a pipe; `known` is what its root was before, `session` and `sequence` are what it was last
    acknowledged."""
    return Hello(
        agent=options.agent,
        boot=options.boot,
        path=source.place,
        run=f"{options.run}-{number}" if number else options.run,
        pipe=options.name,
        root=options.root,
        identity=identity,
        excludes=source.excludes,
        session=session,
        sequence=sequence,
        staleness=source.staleness,
        remote_writers=source.remote_writers,
        known=known,
    )
