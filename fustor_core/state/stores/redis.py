"""Machines kept in Redis, single or Cluster: one hash and one capped stream each, and every change published.

| key | what |
|---|---|
| `fustor:state:{ID}` | the record, a hash of readable fields |
| `fustor:state:{ID}:history` | a stream with one entry a step: `version` and `step`, a JSON text |
| `fustor:state:{ID}:changes` | a channel: the `step` of every entry; a JSON object of the record where only that changed |

The braces are part of the name: they keep what belongs to one machine on one node of a Cluster.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from fustor_core.state.errors import ConcurrentUpdateError, PersistenceError, RestoreError
from fustor_core.state.stores import HISTORY_KEPT, Fields, Mark, StoredStep, first_to_go

# One script, so nothing comes between the comparison and the change, and a client that dies leaves all of it or nothing.
_SAVE: Final = """
local stored = redis.call('HMGET', KEYS[1], 'epoch', 'version', 'event')
local there = redis.call('EXISTS', KEYS[1]) == 1
if there and stored[3] == ARGV[1] then return 'same' end
if there ~= (ARGV[2] == 'some') then return 'other' end
if there then
  for i = 1, 3 do if (stored[i] or '') ~= ARGV[2 + i] then return 'other' end end
end
local floor, cap, count = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
while true do
  local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
  if not last or tonumber(last[2][2]) < floor then break end
  redis.call('XDEL', KEYS[2], last[1])
end
for i = 1, count do
  local version, step = ARGV[7 + 2 * i], ARGV[8 + 2 * i]
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', cap, '*', 'version', version, 'step', step)
  redis.call('PUBLISH', KEYS[3], step)
end
local rest, record = 9 + 2 * count, {}
redis.call('DEL', KEYS[1])
for i = rest, #ARGV, 2 do
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  record[ARGV[i]] = ARGV[i + 1]
end
if count == 0 then redis.call('PUBLISH', KEYS[3], cjson.encode(record)) end
return 'saved'
"""


class RedisStateStore:
    """The state store that several machines of a network share (`fustor_core.state.stores.StateStore`).

    `timeout` is how many seconds an answer, or a connection, may take; a call that failed is sent once more, which is harmless.
    """

    def __init__(self, url: str, *, history: int = HISTORY_KEPT, timeout: float = 2.0, prefix: str = "fustor:state") -> None:
        self._history: Final = history
        self._prefix: Final = prefix
        # Sent once more, because a connection that idled while the server was restarted is only found broken when it is used.
        self._client: Final = redis.Redis.from_url(
            url,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
        )
        self._script: Final = self._client.register_script(_SAVE)

    def load(self, machine: str) -> Fields | None:
        with _translating():
            # The types of redis-py also cover its asynchronous client, hence the ones that are told to mypy here and below.
            stored: dict[bytes, bytes] = self._client.hgetall(self._keys(machine)[0])  # type: ignore[assignment]
        return {_text(name): _text(value) for name, value in stored.items()} or None

    def save(self, machine: str, fields: Fields, steps: Sequence[StoredStep], expected: Mark | None) -> None:
        mark = ("none", "", "", "") if expected is None else ("some", *expected)
        rows = [part for step in steps for part in (str(step.version), step.text)]
        pairs = [part for pair in fields.items() for part in pair]
        said = [fields["event"], *mark, str(first_to_go(fields, steps)), str(self._history), str(len(steps)), *rows, *pairs]
        with _translating():
            answer = self._script(keys=self._keys(machine), args=[_bytes(part) for part in said])
        if answer == b"other":
            raise ConcurrentUpdateError(f"{machine} was saved by another writer; restore it and decide again")

    def steps(self, machine: str, limit: int) -> list[StoredStep]:
        with _translating():
            entries: list[tuple[bytes, dict[bytes, bytes]]] = self._client.xrevrange(self._keys(machine)[1], count=limit)  # type: ignore[assignment]
        rows = [(_text(entry.get(b"version", b"")), _text(entry.get(b"step", b""))) for _, entry in reversed(entries)]
        return [StoredStep(int(version), step) for version, step in rows if version.isdecimal()]

    def close(self) -> None:
        self._client.close()

    def _keys(self, machine: str) -> tuple[str, str, str]:
        key = f"{self._prefix}:{{{machine}}}"
        return key, f"{key}:history", f"{key}:changes"


@contextmanager
def _translating() -> Iterator[None]:
    """Errors of Redis as errors of a store."""
    try:
        yield
    except redis.ResponseError as error:
        # Another program's key has our name: no attempt will mend that. All else that is answered (loading, full) passes.
        if str(error).startswith("WRONGTYPE"):
            raise RestoreError(f"Redis holds something else under this name ({error}); give the machine, or that, another") from error
        raise PersistenceError(f"Redis refuses ({error}); it is tried again") from error
    except redis.RedisError as error:
        raise PersistenceError(f"Redis does not answer ({error}); see to the server and the way to it") from error


# Reasons may hold names of files, and these any bytes, which arrive as lone surrogates: plain UTF-8 would refuse them.
def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return raw.decode("utf-8", "backslashreplace")
