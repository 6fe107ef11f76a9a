from collections.abc import Sequence

from fustor_core.evidence import Entry

def read_plain(
    directory: int, names: Sequence[bytes], device: int, mount: int, make: type[Entry], entries: dict[bytes, Entry], /
) -> list[bytes]: ...
