"""What an observer of an agent's pipe sees, case by case, as STATES §4 has it."""

from fustor_agent import phases
from fustor_core.state import Event, EventType, MachineState, StateMachine


class Pipe:
    """A machine that takes what the rules say, and what was seen of it."""

    def __init__(self) -> None:
        self.machine = StateMachine("nas-1:data")
        self.take([[(EventType.START, None)]])

    @property
    def state(self) -> MachineState:
        return self.machine.snapshot.state

    def take(self, steps: list[list[Event]]) -> None:
        for step in steps:
            if step:
                self.machine.handle_events(step)

    def seen(self) -> list[str]:
        return [str(change.pipe_state) for change in self.machine.history()]


def leading() -> Pipe:
    pipe = Pipe()
    pipe.take(phases.connected(pipe.state, phases.SNAPSHOT))
    pipe.take(phases.walked(pipe.state))
    return pipe


def test_a_leader_starts() -> None:
    assert leading().seen() == ["STOPPED", "INITIALIZING", "RUNNING", "RUNNING | SNAPSHOT_SYNC", "RUNNING | MESSAGE_SYNC"]


def test_a_follower_starts() -> None:
    pipe = Pipe()
    pipe.take(phases.connected(pipe.state, None))
    pipe.take(phases.walked(pipe.state))
    assert pipe.seen() == ["STOPPED", "INITIALIZING", "RUNNING", "RUNNING | MESSAGE_SYNC"]


def test_a_session_is_lost_and_found_again() -> None:
    pipe = leading()
    pipe.take([phases.lost(pipe.state, "cut")])
    pipe.take([phases.lost(pipe.state, "cut")])
    pipe.take(phases.connected(pipe.state, phases.MESSAGE))
    assert pipe.seen()[-3:] == ["RUNNING | MESSAGE_SYNC", "RUNNING | RECONNECTING", "RUNNING | MESSAGE_SYNC"]


def test_a_session_is_lost_during_the_snapshot() -> None:
    pipe = Pipe()
    pipe.take(phases.connected(pipe.state, phases.SNAPSHOT))
    pipe.take([phases.lost(pipe.state, "cut")])
    pipe.take(phases.connected(pipe.state, phases.SNAPSHOT))
    pipe.take(phases.walked(pipe.state))
    assert pipe.seen()[3:] == ["RUNNING | SNAPSHOT_SYNC", "RUNNING | RECONNECTING", "RUNNING | SNAPSHOT_SYNC", "RUNNING | MESSAGE_SYNC"]


def test_fusion_is_not_there_at_the_start() -> None:
    pipe = Pipe()
    pipe.take([phases.lost(pipe.state, "refused")])
    pipe.take(phases.connected(pipe.state, phases.SNAPSHOT))
    assert pipe.seen() == ["STOPPED", "INITIALIZING", "RUNNING | RECONNECTING", "RUNNING | SNAPSHOT_SYNC"]


def test_a_root_is_gone_and_back() -> None:
    pipe = leading()
    pipe.take([phases.fault(pipe.state, "unmounted")])
    pipe.take([phases.fault(pipe.state, "unmounted")])
    assert pipe.seen()[-1] == "RUNNING | RECONNECTING"
    pipe.take(phases.connected(pipe.state, phases.SNAPSHOT))
    assert pipe.seen()[-1] == "RUNNING | SNAPSHOT_SYNC"


def test_a_stop_is_seen_in_three_steps_wherever_it_comes() -> None:
    for pipe in (leading(), Pipe(), lost_pipe()):
        pipe.take([phases.stopping(pipe.state, "stop requested")])
        pipe.take(phases.ended(pipe.state))
        assert pipe.seen()[-3:] == ["STOPPING", "DRAINING", "STOPPED"]
        assert phases.stopping(pipe.state, "again") == []
        assert phases.ended(pipe.state) == []


def lost_pipe() -> Pipe:
    pipe = leading()
    pipe.take([phases.lost(pipe.state, "cut")])
    return pipe


def test_a_stop_while_critical_ends_in_error() -> None:
    pipe = leading()
    pipe.take([phases.fault(pipe.state, "unmounted")])
    pipe.take([phases.stopping(pipe.state, "stop requested")])
    pipe.take(phases.ended(pipe.state))
    assert pipe.seen()[-1] == "ERROR"


def test_retries_are_used_up() -> None:
    for pipe in (leading(), lost_pipe(), Pipe()):
        pipe.take(phases.failed(pipe.state, "no more attempts"))
        assert pipe.seen()[-1] == "ERROR"
        assert phases.failed(pipe.state, "again") == []


def unwatched() -> Pipe:
    """A pipe of a source that cannot watch, when everything has been listed."""
    pipe = Pipe()
    pipe.take(phases.connected(pipe.state, phases.SNAPSHOT))
    pipe.take(phases.walked(pipe.state, None))
    return pipe


def test_an_audit() -> None:
    pipe = leading()
    for _ in range(2):
        pipe.take([phases.audit_begins(pipe.state)])
        pipe.take([phases.audit_ends(pipe.state)])
    message, audit = "RUNNING | MESSAGE_SYNC", "RUNNING | MESSAGE_SYNC | AUDIT_PHASE"
    assert pipe.seen()[-5:] == [message, audit, message, audit, message]


def test_an_audit_of_a_source_that_cannot_watch() -> None:
    pipe = unwatched()
    assert pipe.seen()[-2:] == ["RUNNING | SNAPSHOT_SYNC", "RUNNING"]
    for _ in range(2):
        pipe.take([phases.audit_begins(pipe.state)])
        pipe.take([phases.audit_ends(pipe.state)])
    assert pipe.seen()[-5:] == ["RUNNING", "RUNNING | AUDIT_PHASE", "RUNNING", "RUNNING | AUDIT_PHASE", "RUNNING"]
    pipe.take(phases.listing_again(pipe.state))
    pipe.take(phases.walked(pipe.state, None))
    assert pipe.seen()[-2:] == ["RUNNING | SNAPSHOT_SYNC", "RUNNING"]


def test_a_source_that_cannot_watch_is_held_lost_and_found_again() -> None:
    pipe = unwatched()
    pipe.take([phases.held(pipe.state, None, hold=True)])
    pipe.take([phases.held(pipe.state, None, hold=False)])
    assert pipe.seen()[-2:] == ["PAUSED", "RUNNING"]
    pipe.take([phases.audit_begins(pipe.state)])
    pipe.take([phases.lost(pipe.state, "cut")])
    pipe.take(phases.connected(pipe.state, None))
    assert pipe.seen()[-3:] == ["RUNNING | AUDIT_PHASE", "RUNNING | RECONNECTING", "RUNNING"]
    pipe.take([phases.audit_begins(pipe.state)])
    assert pipe.seen()[-1] == "RUNNING | AUDIT_PHASE"


def test_a_session_is_lost_during_an_audit() -> None:
    pipe = leading()
    pipe.take([phases.audit_begins(pipe.state)])
    pipe.take([phases.lost(pipe.state, "cut")])
    assert phases.audit_ends(pipe.state) == []
    pipe.take(phases.connected(pipe.state, phases.MESSAGE))
    assert pipe.seen()[-2:] == ["RUNNING | RECONNECTING", "RUNNING | MESSAGE_SYNC"]


def test_an_operator_holds_a_pipe_during_an_audit() -> None:
    pipe = leading()
    pipe.take([phases.audit_begins(pipe.state)])
    pipe.take([phases.held(pipe.state, phases.MESSAGE, hold=True)])
    assert phases.audit_ends(pipe.state) == []
    assert phases.audit_begins(pipe.state) == []
    pipe.take([phases.held(pipe.state, phases.MESSAGE, hold=False)])
    assert pipe.seen()[-2:] == ["PAUSED", "RUNNING | MESSAGE_SYNC"]


def test_there_is_no_audit_while_everything_is_listed_or_nothing_is_connected() -> None:
    snapshot, stopped = Pipe(), leading()
    snapshot.take(phases.connected(snapshot.state, phases.SNAPSHOT))
    stopped.take([phases.stopping(stopped.state, "stop requested")])
    for pipe in (snapshot, stopped, lost_pipe(), Pipe()):
        assert phases.audit_begins(pipe.state) == []


def test_everything_is_listed_once_more() -> None:
    pipe = leading()
    pipe.take(phases.listing_again(pipe.state))
    pipe.take(phases.walked(pipe.state))
    assert pipe.seen()[-3:] == ["RUNNING | MESSAGE_SYNC", "RUNNING | SNAPSHOT_SYNC", "RUNNING | MESSAGE_SYNC"]
