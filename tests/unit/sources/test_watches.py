"""The races between those who list and the one who notices, each played step by step on a queue that is only pretended."""

import pytest

from fustor_agent.sources import Noticed
from fustor_agent.sources.fs.inotify import Mask
from fustor_agent.sources.fs.watching import Watched, Watches
from tests.unit.sources.pretended import Pretended

WATCHED_DIRECTORY, KEY = 7, 1


class Play:
    """A queue, and the watches on it."""

    def __init__(self) -> None:
        self.queue = Pretended()
        self.watches = Watches(self.queue)

    def list(self, path: bytes, inode: int) -> Watched:
        turn = self.watches.enter(path)
        try:
            return self.watches.watch(inode, path, inode, turn)
        finally:
            self.watches.leave(turn)

    def assert_heard(self, inode: int, *paths: bytes) -> None:
        """A change in the directory is noticed at exactly these places of it."""
        while self.watches.notice().more:
            pass
        self.queue.happens(self.queue.by_inode[inode], Mask.MODIFY, b"x")
        assert sorted(self.watches.notice().paths) == sorted(path + b"/x" if path else b"x" for path in paths)


@pytest.fixture
def play() -> Play:
    play = Play()
    assert play.list(b"", 100) is Watched.FROM_HERE
    return play


def test_a_watch_that_is_removed_while_it_is_given_out_is_set_again(play: Play) -> None:
    play.list(b"a", 5)

    def gone_from_a() -> None:
        play.watches.no_directory(b"a", play.watches.turn())

    play.queue.while_adding = gone_from_a
    assert play.list(b"b", 5) is Watched.FROM_HERE
    play.assert_heard(5, b"b")


def test_a_watch_that_ends_by_itself_while_it_is_given_out_is_set_again(play: Play) -> None:
    def ends() -> None:
        play.queue.remove(play.queue.by_inode[5])
        play.watches.notice()

    play.queue.while_adding = ends
    assert play.list(b"a", 5) is Watched.FROM_HERE
    play.assert_heard(5, b"a")


@pytest.mark.parametrize("gone", [b"a", b"a/b", b"a/b/c"])
def test_what_was_found_gone_since_the_listing_began_is_not_watched(play: Play, gone: bytes) -> None:
    turn = play.watches.enter(b"a/b/c")
    above, _, name = gone.rpartition(b"/")
    play.watches.no_directories(above, [name], play.watches.turn())
    assert play.watches.watch(5, b"a/b/c", 5, turn) is Watched.OVERTAKEN
    play.watches.leave(turn)
    assert 5 not in play.queue.by_inode
    assert play.list(b"a/b/c", 5) is Watched.FROM_HERE


def test_what_was_found_gone_before_the_listing_began_is_watched(play: Play) -> None:
    older = play.watches.turn()
    assert play.list(b"a/b", 5) is Watched.FROM_HERE
    play.watches.no_directory(b"a", older)
    play.watches.no_directories(b"a", [b"b"], older)
    play.assert_heard(5, b"a/b")


def test_of_two_listings_the_later_turn_wins_whoever_is_first(play: Play) -> None:
    early, late = play.watches.enter(b"a"), play.watches.enter(b"a")
    assert play.watches.watch(6, b"a", 6, late) is Watched.FROM_HERE
    assert play.watches.watch(5, b"a", 5, early) is Watched.OVERTAKEN
    play.watches.leave(early)
    play.watches.leave(late)
    assert 5 not in play.queue.by_inode
    play.assert_heard(6, b"a")


def test_a_moved_directory_is_heard_at_both_places_until_the_old_one_is_gone(play: Play) -> None:
    play.list(b"a", 5)
    play.list(b"b", 5)
    play.assert_heard(5, b"a", b"b")
    play.watches.no_directories(b"", [b"a"], play.watches.turn())
    play.assert_heard(5, b"b")
    play.watches.no_directory(b"b", play.watches.turn())
    assert 5 not in play.queue.by_inode


def test_another_directory_takes_over_the_place(play: Play) -> None:
    play.list(b"a", 5)
    assert play.list(b"a", 6) is Watched.FROM_HERE
    assert 5 not in play.queue.by_inode
    play.assert_heard(6, b"a")


def test_a_listing_drops_the_directories_that_it_does_not_name(play: Play) -> None:
    for number, path in enumerate([b"a", b"a/x", b"a/x/deep", b"a/y"], 5):
        play.list(path, number)
    play.watches.only_these(b"a", {b"y": 8}, play.watches.turn())
    assert set(play.queue.by_inode) == {100, 5, 8}


def test_the_end_of_a_watch_has_its_place_looked_at_again(play: Play) -> None:
    play.list(b"a", 5)
    assert not play.watches.is_stranger(b"a", 5)
    play.queue.happens(play.queue.by_inode[5], Mask.IGNORED)
    noticed = play.watches.notice()
    assert noticed == Noticed([b"a"], to=noticed.to)
    assert play.watches.is_stranger(b"a", 5)


def test_late_events_of_removed_watches_mean_nothing(play: Play) -> None:
    play.list(b"a", 5)
    watch = play.queue.by_inode[5]
    play.watches.no_directory(b"a", play.watches.turn())
    for mask in (Mask.MODIFY, Mask.CREATE | Mask.ISDIR, Mask.DELETE_SELF, Mask.IGNORED):
        play.queue.happens(watch, mask, b"x" if mask & (Mask.MODIFY | Mask.CREATE) else b"")
    noticed = play.watches.notice()
    assert noticed == Noticed(to=noticed.to)


def test_an_overflow_asks_for_everything(play: Play) -> None:
    play.queue.happens(1, Mask.CREATE, b"x")
    play.queue.happens(-1, Mask.Q_OVERFLOW)
    noticed = play.watches.notice()
    assert noticed.overflowed
    assert noticed.trees == [b""]
    assert set(noticed.paths) == {b"", b"x"}


def test_removing_very_many_does_not_forget_who_is_on_the_way(play: Play) -> None:
    for number in range(12_000):
        play.list(b"d/%d" % number, 1000 + number)
    hung = play.watches.enter(b"hung")

    def all_gone() -> None:
        play.watches.no_directory(b"d", play.watches.turn())

    play.queue.while_adding = all_gone
    assert play.watches.watch(1000, b"hung", 1000, hung) is Watched.FROM_HERE
    play.watches.leave(hung)
    assert set(play.queue.by_inode) == {100, 1000}
    play.assert_heard(1000, b"hung")
