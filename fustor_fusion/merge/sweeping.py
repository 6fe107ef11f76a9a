"""One slice of the application of a large listing (`fustor_fusion.merge.sweep`), within a commit."""

from collections.abc import Callable, Sequence
from enum import Enum, auto

from fustor_core.evidence import Entry
from fustor_core.paths import join
from fustor_fusion.merge.chains import Chains
from fustor_fusion.merge.doubts import Doubts
from fustor_fusion.merge.guard import Guard
from fustor_fusion.merge.names import Names
from fustor_fusion.merge.nodes import Child, Tree
from fustor_fusion.merge.sweep import Sweep
from fustor_fusion.merge.totals import Chain, Totals


class SweepStep(Enum):
    """What became of a sweep. HELD: the guard holds the listing back, and nothing has changed."""

    GOES_ON = auto()
    DONE = auto()
    HELD = auto()


class Sweeping:
    """Takes the steps of sweeps. `listed` notes that the last directory of a chain has been listed."""

    def __init__(
        self, tree: Tree, chains: Chains, names: Names, guard: Guard, doubts: Doubts, totals: Totals, listed: Callable[[Chain, int], None]
    ) -> None:
        self._tree = tree
        self._chains = chains
        self._names = names
        self._guard = guard
        self._doubts = doubts
        self._totals = totals
        self._listed = listed

    def step(self, sweep: Sweep, limit: int) -> SweepStep:
        """Compare or apply about `limit` names."""
        listing = sweep.listing
        chain, missing = self._chains.known(listing.path, listing.at)
        if chain is None:  # newer evidence says that there was no such directory, but there may be another one
            self._totals.look_up(self._chains.standing(listing.path))
            return SweepStep.DONE
        if missing:
            chain = self._chains.made(chain, missing, listing.at)
        if sweep.directory != chain[-1].id:
            sweep.begin(chain[-1].id)
        if not sweep.compared:
            return self._compare(sweep, chain, limit)
        self._chains.raise_to(chain, listing.at)
        self._guard.begin(confirmed=sweep.confirmed)
        if names := sweep.take(limit):
            self._apply(sweep, chain, names)
            self._totals.put_off(chain)
            return SweepStep.GOES_ON
        self._totals.look_up(chain)
        self._listed(chain, listing.at)
        return SweepStep.DONE

    def _compare(self, sweep: Sweep, chain: Chain, limit: int) -> SweepStep:
        children = self._tree.children_after(chain[-1], sweep.after, limit)
        sweep.compare(children, last=len(children) < limit)
        if sweep.compared:
            held = self._guard.holds_listing(chain, sweep.listing.at, sweep.listing.entries, sweep.lost, sweep.known)
            if held:
                return SweepStep.HELD
            sweep.confirmed, sweep.lost = self._guard.confirmed, {}
        return SweepStep.GOES_ON

    def _apply(self, sweep: Sweep, chain: Chain, names: Sequence[bytes]) -> None:
        directory, at, entries = chain[-1], sweep.listing.at, sweep.listing.entries
        gone: dict[bytes, Child] = {}
        leaves: dict[bytes, Entry] = {}
        for name in names:
            entry = entries.get(name)
            self._weigh(sweep, chain, name, entry)
            if name in sweep.absent:
                self._names.set_absent(chain, name, sweep.absent[name], alone=False)
            if entry is None:
                child = self._tree.child(directory, name)
                if child is not None:
                    gone[name] = child
            elif entry.is_directory:
                self._names.set_directory(chain, name, at, entry)
            else:
                leaves[name] = entry
        if gone:
            self._names.set_all_absent(chain, gone, at)
        if leaves:
            self._names.set_all_leaves(chain, leaves, at)

    def _weigh(self, sweep: Sweep, chain: Chain, name: bytes, entry: Entry | None) -> None:
        if self._doubts.errors:
            self._doubts.weigh_name_in(chain[-1], join(sweep.listing.path, name), name, sweep.listing.at, entry)
