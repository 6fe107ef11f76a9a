"""What is wanted of a pipe: which verbs lead where, and what outlasts the process."""

from pathlib import Path

import pytest

from fustor_agent.intent import Desired, Intents, NotPossible, Wish, decide
from fustor_core.errors import ConfigurationError
from fustor_core.wire import Verb

R, P, S, H = Desired.RUNNING, Desired.PAUSED, Desired.STOPPED, Desired.HALTED
# Rows: what is wanted; columns: what is said; None is refused.
VERBS = (Verb.PAUSE, Verb.RESUME, Verb.STOP, Verb.START, Verb.RESTART, Verb.SNAPSHOT, Verb.AUDIT, Verb.HALT)
EXPECTED = {
    R: (P, R, S, R, R, R, R, H),
    P: (P, R, S, P, P, None, None, H),
    S: (None, None, S, R, R, None, None, H),
    H: (None, None, None, None, None, None, None, H),
}


@pytest.mark.parametrize("desired", Desired)
@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_wherever_it_is_said(desired: Desired, verb: Verb) -> None:
    wanted = EXPECTED[desired][VERBS.index(verb)]
    if wanted is not None:
        assert decide(desired, verb) is wanted
        return
    with pytest.raises(NotPossible) as refused:
        decide(desired, verb)
    assert refused.value.allowed
    possible = [each.value for each, goal in zip(VERBS, EXPECTED[desired], strict=True) if goal is not None]
    assert set(refused.value.allowed) == {*possible, *(["start after_halt"] if desired is H else [])}


def test_only_a_start_by_name_ends_a_halt() -> None:
    assert decide(H, Verb.START, after_halt=True) is R
    assert decide(S, Verb.START, after_halt=True) is R
    assert decide(P, Verb.START, after_halt=True) is P


def test_what_is_recorded_is_there_after_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "data" / "intent.json"
    Intents(file).record("one", Wish(P, "quarter end"))
    again = Intents(file)
    again.record("two", Wish(H, "smoke"))
    assert Intents(file).of("one") == Wish(P, "quarter end")
    assert Intents(file).of("two") == Wish(H, "smoke")
    assert Intents(file).of("three") == Wish(R)
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "{", "[]", '{"one": {"desired": "dancing"}}', '{"one": 3}'])
def test_a_record_that_cannot_be_read_is_not_guessed(tmp_path: Path, text: str) -> None:
    file = tmp_path / "intent.json"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=r"intent\.json"):
        Intents(file)


def test_what_cannot_be_written_does_not_hold(tmp_path: Path) -> None:
    (tmp_path / "blocked").write_text("a file, where a directory is needed")
    intents = Intents(tmp_path / "intent.json")
    intents._path = tmp_path / "blocked" / "intent.json"
    with pytest.raises(ConfigurationError):
        intents.record("one", Wish(H))
    assert intents.of("one") == Wish(R)
