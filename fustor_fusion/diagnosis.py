"""What `fustor doctor` makes of what it sees: findings, each with what to do. Pure."""

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

from fustor_core.host import Limits, OpenFiles
from fustor_fusion.lamp import lamp
from fustor_fusion.pipe_replies import Agent, Host, Pipe
from fustor_fusion.replies import Condition, Root

CLOCKS_APART = 2.0
"""Seconds beyond which the wall clocks of two hosts are worth a word: times are printed by them, and queries compare with them."""
CLOCK_UNSURE = 0.1
"""Seconds of error beyond which an agent's estimate of the view clock is worth a word."""
LITTLE_SPACE, NO_SPACE = 0.05, 0.005
"""Shares of a disk that are free; of a large one that is plenty."""
ENOUGH_SPACE, SOME_SPACE = 20e9, 1e9
"""Bytes: where more is free, there is room for a while, or at all, however small the share."""
MANY_FILES = 0.8
_GOOD = frozenset(("live", "ready", "auditing", "snapshot", "starting"))
_BACK = {"paused": "resume", "stopped": "start"}
"""What an operator says who wanted that, and wants it no longer."""
_BAD = frozenset(("failed", "halted", "unknown", "reconnecting"))


class Word(StrEnum):
    """How it is: as it should be; not, but answers are right as far as they say so; not, and something does not work."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Finding(Struct, frozen=True):
    """One thing that was looked at. `remedy` is empty where there is nothing to do."""

    word: Word
    subject: str
    what: str
    remedy: str = ""


def of_versions(own: str, host: Host) -> list[Finding]:
    """Whether all sides are of one version."""
    others = {f"agent {each.agent}": each.version for each in host.agents} | {"fusion": host.version}
    apart = sorted(f"{name} is {version}" for name, version in others.items() if version != own)
    if apart:
        return [Finding(Word.WARN, "versions", f"{', '.join(apart)}, this command {own}", "install the same version everywhere")]
    return [Finding(Word.OK, "versions", f"{own} everywhere")]


def of_clock(ahead: float, error: float) -> Finding:
    """Fusion's wall clock is so many seconds ahead of this machine's, give or take `error`."""
    what = f"the wall clock of fusion's host is {abs(ahead):.3f} s {'ahead of' if ahead >= 0 else 'behind'} this one (± {error:.3f} s)"
    if abs(ahead) - error > CLOCKS_APART:
        return Finding(
            Word.WARN, "clocks", what, "set both by NTP: times are shown and asked for by the wall clock; the index itself is right"
        )
    return Finding(Word.OK, "clocks", what)


def of_agents(agents: Sequence[Agent]) -> list[Finding]:
    """Whether each agent is there, and sure of its time."""
    return [_of_agent(each) for each in agents] or [Finding(Word.WARN, "agents", "none has reported yet", "start an agent")]


def _of_agent(agent: Agent) -> Finding:
    if not agent.connected:
        return Finding(Word.FAIL, f"agent {agent.agent}", "is not connected", "start it, or see in its log why it cannot reach fusion")
    if agent.clock_error is None:
        return Finding(Word.OK, f"agent {agent.agent}", "is connected, and has no session")
    what = f"is connected, and knows the view clock to {agent.clock_error * 1000:.1f} ms"
    if agent.clock_error > CLOCK_UNSURE:
        return Finding(
            Word.WARN, f"agent {agent.agent}", what, "see to the network between it and fusion: its round trips are slow or uneven"
        )
    return Finding(Word.OK, f"agent {agent.agent}", what)


def of_space(host: Host) -> list[Finding]:
    """Whether fusion has room for its stores."""
    if host.free is None or not host.size:
        return []
    share = host.free / host.size
    unit, name = (1e9, "GB") if host.size >= 1e10 else (1e6, "MB")
    what = f"{host.free / unit:,.1f} of {host.size / unit:,.1f} {name} are free at {host.data} on fusion's host"
    little = share < LITTLE_SPACE and host.free < ENOUGH_SPACE
    word = Word.FAIL if share < NO_SPACE and host.free < SOME_SPACE else Word.WARN if little else Word.OK
    return [Finding(word, "disk", what, "" if word is Word.OK else "make room: without it nothing can be committed")]


def of_pipe(pipe: Pipe) -> list[Finding]:
    """What a pipe does, and all that is not as it should be with it."""
    light = lamp(pipe)
    subject = f"pipe {pipe.id}"
    word = Word.FAIL if light.word in _BAD or pipe.health == "Critical" else Word.OK if light.word.split()[0] in _GOOD else Word.WARN
    if pipe.conditions:
        worse = Word.FAIL if word is Word.FAIL else Word.WARN
        return [Finding(worse, subject, f"{light.word}: {each.message}", each.remedy) for each in pipe.conditions]
    return [Finding(word, subject, str(light), "" if word is Word.OK else _remedy(light.word, pipe))]


def _remedy(word: str, pipe: Pipe) -> str:
    """What to do about a pipe that is not at work, and has no condition that says it."""
    if word == pipe.desired and word in _BACK:
        return f"if that is over: fustor pipe {_BACK[word]} {pipe.id}"
    return "see the log of fusion" if pipe.side == "fusion" else "start its agent, if it does not run, or see what its log says"


def of_root(root: Root) -> list[Finding]:
    """How far to trust a root."""
    return of_answer(f"root {root.root}", root.complete, root.as_of, root.conditions)


def of_answer(subject: str, complete: bool, as_of: str | None, conditions: Sequence[Condition]) -> list[Finding]:
    """How far to trust an answer."""
    if complete and not conditions:
        return [Finding(Word.OK, subject, f"complete, as of {as_of or 'an unknown time'}")]
    findings = [Finding(Word.WARN, subject, each.message, each.remedy) for each in conditions]
    return findings or [Finding(Word.WARN, subject, "not complete", "wait for the agent's snapshot")]


def of_watches(limits: Limits | None, user: int, needed: int) -> list[Finding]:
    """Whether the kernel of this machine allows the watches that `needed` directories take; `user` is whose they are."""
    if limits is None:
        return [Finding(Word.WARN, "watches", "this machine has no inotify", "mount /proc; without it changes are only found by audits")]
    used = limits.watches[user]
    counted = f"{used:,} in use" + (" by processes that this user may see" if limits.hidden else "")
    what = f"{needed:,} needed for what is indexed of this machine, {counted}, {limits.watches_allowed:,} allowed for each user"
    wanted = max(524_288, 1 << (2 * max(needed, used, 1)).bit_length())
    remedy = f"sysctl fs.inotify.max_user_watches={wanted}"
    if needed > limits.watches_allowed:
        return [Finding(Word.FAIL, "watches", what, remedy)]
    if max(needed, used) > limits.watches_allowed * MANY_FILES:
        return [Finding(Word.WARN, "watches", what, remedy)]
    return [Finding(Word.OK, "watches", what)]


def of_files(processes: Sequence[OpenFiles]) -> list[Finding]:
    """Whether the program's processes on this machine come near the number of files that they may open."""
    findings = []
    for each in processes:
        what = f"{each.open:,} of {each.allowed:,} in use by process {each.pid} (fustor {each.command})"
        near = each.open > each.allowed * MANY_FILES
        remedy = f"start it with a higher limit: ulimit -n {4 * each.allowed}, or LimitNOFILE= in its unit" if near else ""
        findings.append(Finding(Word.WARN if near else Word.OK, "open files", what, remedy))
    return findings


def of_absence(place: str, error: str) -> Finding:
    """A directory of this machine that is indexed cannot be looked into, whoever asks."""
    return Finding(
        Word.WARN, "permissions", f"{place} cannot be looked into: {error}", "bring it back; its pipe says what it does meanwhile"
    )


def of_silence(place: str) -> Finding:
    """A directory of this machine that is indexed does not answer."""
    return Finding(Word.FAIL, "permissions", f"{place} does not answer", "see to the file system that it is on")


def of_permissions(place: str, unreadable: Sequence[str]) -> Finding:
    """Whether this user may read a directory of this machine that is indexed."""
    if not unreadable:
        return Finding(Word.OK, "permissions", f"{place} can be read")
    named = ", ".join(unreadable[:3]) + (", …" if len(unreadable) > 3 else "")
    return Finding(
        Word.WARN, "permissions", f"this user may not read {named}", "let the user that the agent runs as read it, or exclude it"
    )
