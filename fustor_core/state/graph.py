"""States that remember where orders lead from them.

The rules in `step` are the only ones; a node asks them once for each order and keeps the answer. There are a few hundred states and a
few dozen orders, so what is kept is bounded. Nodes are shared by all machines and threads: an answer is always the same, so it does not
matter who writes it, or that two write it at once.
"""

from typing import Final

from fustor_core.state.orders import Order
from fustor_core.state.projection import PipeState, project
from fustor_core.state.step import Refusal, decide
from fustor_core.state.vocabulary import MachineState


class Node:
    """A state, what an observer sees of it, and the ways out of it that were taken so far."""

    __slots__ = ("_ways", "pipe_state", "state")

    def __init__(self, state: MachineState) -> None:
        self.state: Final = state
        self.pipe_state: Final[PipeState] = project(state)
        self._ways: Final[dict[Order, Node]] = {}

    def after(self, order: Order) -> "Node | Refusal":
        """Where the order leads from here; `self` where it changes nothing."""
        known = self._ways.get(order)
        if known is not None:
            return known
        outcome = decide(self.state, order)
        if isinstance(outcome, Refusal):
            return outcome
        return self._ways.setdefault(order, node_of(outcome))


_NODES: Final[dict[MachineState, Node]] = {}


def node_of(state: MachineState) -> Node:
    """The node of a state; the same for equal states."""
    return _NODES.get(state) or _NODES.setdefault(state, Node(state))
