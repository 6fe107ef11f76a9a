"""What a request would make of a machine, found out without touching it."""

from typing import NamedTuple

from fustor_core.state.graph import Node
from fustor_core.state.guards import Guards
from fustor_core.state.orders import Order
from fustor_core.state.step import Refusal
from fustor_core.state.vocabulary import EventType


class Refused(NamedTuple):
    """Which order of a request was refused, where, and why."""

    node: Node
    event: EventType
    refusal: Refusal


def plan(node: Node, orders: tuple[Order, ...], guards: Guards) -> Node | Refused:
    """Where the orders lead, one after the other; changes nothing."""
    guarded = bool(guards.locks) or guards.latched
    for order in orders:
        after = node.after(order)
        if isinstance(after, Refusal):
            return Refused(node, order.event, after)
        if guarded and after is not node:
            refusal = guards.refusal(node.state, order)
            if refusal is not None:
                return Refused(node, order.event, refusal)
        node = after
    return node
