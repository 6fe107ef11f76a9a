"""The ledger of a root in its SQLite file: read when that is opened, written with each commit."""

import sqlite3
from collections.abc import Mapping

from fustor_fusion.merge.drift import Drifts
from fustor_fusion.merge.guard import GuardRules
from fustor_fusion.merge.held import Held
from fustor_fusion.merge.ledger import Ledger
from fustor_fusion.stores.sqlite_rows import (
    AGENT,
    DRIFT,
    HELD,
    RECORD,
    from_agent,
    from_drifts,
    from_held,
    from_record,
    to_agent,
    to_drifts,
    to_held,
    to_record,
)


def read_ledger(connection: sqlite3.Connection, rules: GuardRules, large: int) -> tuple[Ledger, int]:
    """The ledger as the file has it, and the id of the next directory."""
    *record, epoch, next_id = connection.execute(f"SELECT {RECORD}, epoch, next_id FROM meta").fetchone()
    agents = [to_agent(row) for row in connection.execute(f"SELECT {AGENT} FROM agents ORDER BY slot")]
    held = {row[0]: to_held(row) for row in connection.execute(f"SELECT {HELD} FROM held")}
    drifts = to_drifts(connection.execute(f"SELECT {DRIFT} FROM drift"))
    return Ledger(to_record(tuple(record)), agents, epoch, rules, held, drifts, large), next_id


class LedgerWriter:
    """Writes what has changed. What the file has is noted by `written`, after each transaction that succeeded."""

    def __init__(self, connection: sqlite3.Connection, ledger: Ledger) -> None:
        self._connection = connection
        self.written(ledger)

    def written(self, ledger: Ledger) -> None:
        """The file has this."""
        self._drifts: Drifts = ledger.drifts
        self._held: Mapping[bytes, Held] = ledger.held
        ledger.changed.clear()

    def write(self, ledger: Ledger, next_id: int, last_change: int) -> None:
        """Within a transaction."""
        columns = ", ".join(f"{column} = ?" for column in (*RECORD.split(", "), "epoch", "next_id", "last_change"))
        self._connection.execute(f"UPDATE meta SET {columns}", (*from_record(ledger.record), ledger.epoch, next_id, last_change))
        rows = [from_agent(ledger.agents[agent]) for agent in ledger.changed]
        self._connection.executemany(f"INSERT OR REPLACE INTO agents ({AGENT}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        if ledger.drifts is not self._drifts:
            self._connection.execute("DELETE FROM drift")
            self._connection.executemany(f"INSERT INTO drift ({DRIFT}) VALUES (?, ?, ?, ?, ?)", from_drifts(ledger.drifts))
        if ledger.held is not self._held:
            self._write_held(ledger.held)

    def _write_held(self, held: Mapping[bytes, Held]) -> None:
        self._connection.executemany("DELETE FROM held WHERE path = ?", [(path,) for path in self._held if path not in held])
        rows = [from_held(each) for path, each in held.items() if self._held.get(path) != each]
        self._connection.executemany(f"INSERT OR REPLACE INTO held ({HELD}) VALUES (?, ?, ?, ?, ?, ?)", rows)
