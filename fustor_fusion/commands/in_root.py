"""Paths as a person types them, as paths in one root: what an audit of a part is told."""

from collections.abc import Sequence
from contextlib import suppress

from fustor_core.errors import Refused
from fustor_fusion.client import Client
from fustor_fusion.commands.asking import here, local_sources
from fustor_fusion.commands.typed import Source, normal, readings
from fustor_fusion.replies import Root


async def mounted(client: Client, root: str) -> list[Root]:
    """The root as each view has it that the key may read; none where it may read none."""
    with suppress(Refused):
        return [each for view in await client.views() if root in view.roots for each in await client.roots(view.view) if each.root == root]
    return []


def paths_in(roots: Sequence[Root], typed: bytes) -> list[bytes]:
    """What `typed` may stand for in a root that views have mounted as `roots`, the likeliest first: a path of this machine that the root
    covers, one of a view, one in the root itself."""
    found = []
    for root in roots:
        mount = Source(root.mount.encode(), b"/")
        for view in readings(typed, here(), local_sources([root])):
            found += readings(view, [], [mount])[:-1]
    return [path.lstrip(b"/") for path in dict.fromkeys([*found, normal(typed)])]
