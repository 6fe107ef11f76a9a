"""How much the fault tests do: little by default, all that was promised under `make soak`. Each figure may be set in the environment."""

import logging
import os
import random

import pytest

log = logging.getLogger(__name__)


def count(name: str, default: int) -> int:
    """The figure `name`, as FUSTOR_NAME in the environment says."""
    return int(os.environ.get(f"FUSTOR_{name}", default))


def seed() -> int:
    """The seed of all chances of this run; FUSTOR_SEED repeats an earlier one."""
    number = int(os.environ.get("FUSTOR_SEED", 0)) or random.SystemRandom().randrange(1, 10**9)
    log.warning("FUSTOR_SEED=%d repeats this", number)
    return number


FULL = pytest.mark.skipif(not count("FULL", 0), reason="only under `make soak`, or with FUSTOR_FULL=1")
