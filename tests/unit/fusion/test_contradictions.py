"""What is in doubt is asked for once it can be told, once, and never forgotten."""

from fustor_fusion.merge.doubts import Doubt
from fustor_fusion.sessions.contradictions import AT_ONCE, MOST, Contradictions


def test_it_is_asked_when_a_look_is_newer_than_both_that_contradict_and_once() -> None:
    contradictions = Contradictions()
    contradictions.note([Doubt(b"a", 5, 15), Doubt(b"b", 7, 30, tree=True)])
    assert contradictions.ask(15) is None
    question = contradictions.ask(16)
    assert question is not None
    assert (question.paths, question.trees) == ([b"a"], [])
    assert {doubt.path for doubt in contradictions.standing} == {b"a", b"b"}
    contradictions.settle(answered=True)
    question = contradictions.ask(31)
    assert question is not None
    assert (question.paths, question.trees) == ([], [b"b"])
    contradictions.settle(answered=True)
    assert contradictions.ask(10**9) is None
    assert contradictions.standing == []


def test_what_comes_into_doubt_again_meanwhile_is_asked_for_again() -> None:
    contradictions = Contradictions()
    contradictions.note([Doubt(b"a", 5, 15)])
    assert contradictions.ask(16)
    contradictions.note([Doubt(b"a", 10, 20), Doubt(b"a", 8, 18, tree=True)])
    contradictions.settle(answered=True)
    assert contradictions.standing == [Doubt(b"a", 8, 20, tree=True)]


def test_what_is_not_answered_waits_for_the_next_session() -> None:
    contradictions = Contradictions()
    contradictions.note([Doubt(b"a", 5, 15)])
    assert contradictions.ask(16)
    contradictions.settle(answered=False)
    assert contradictions.ask(16)


def test_more_than_can_be_kept_become_the_whole_root() -> None:
    contradictions = Contradictions()
    contradictions.note(Doubt(b"f%d" % number, 100 + number, 200 + number) for number in range(MOST))
    question = contradictions.ask(10**9)
    assert question is not None
    assert len(question.paths) == AT_ONCE
    contradictions.settle(answered=False)
    contradictions.note([Doubt(b"one more", 99, 500)])
    assert contradictions.standing == [Doubt(b"", 99, 200 + MOST - 1, tree=True)]
