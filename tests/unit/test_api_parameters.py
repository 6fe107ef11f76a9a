"""The query string: bytes in, values or a refusal in words out."""

import base64
import contextlib
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fustor_core.errors import MalformedInput
from fustor_core.evidence import Kind
from fustor_fusion.api import cursors, parameters


def test_nothing_given_asks_for_the_whole_view() -> None:
    asked = parameters.search("")
    assert (asked.path, asked.max_age, asked.require_complete, asked.limit, asked.after, asked.empty) == (
        b"/",
        None,
        False,
        1000,
        None,
        None,
    )
    wanted = asked.wanted
    assert (wanted.name, wanted.kinds, wanted.min_depth, wanted.max_depth, wanted.newer) == (None, None, 0, None, None)


@given(st.binary(min_size=1))
def test_any_path_survives(path: bytes) -> None:
    assert parameters.one(f"path={quote_from_bytes(path, safe='/')}").path == path
    assert parameters.one("path=" + "".join(f"%{byte:02X}" for byte in path)).path == path


def test_a_plus_is_a_plus_and_raw_bytes_are_themselves() -> None:
    assert parameters.one("path=/c++/a%20b").path == b"/c++/a b"
    assert parameters.one("path=/\u00e9=x").path == "/é=x".encode()
    assert parameters.one("path=/\udcff").path == b"/\xff"


def test_everything_that_find_takes() -> None:
    asked = parameters.search(
        "path=/d&name=*.py&iname=A*&type=file,symlink&min_size=1&max_size=4KiB&newer=2024-02-29T12:00:00Z&older=1700000000.5"
        "&uid=0&min_depth=1&max_depth=3&empty=false&limit=10000&max_age=10m&require_complete=true"
    )
    wanted = asked.wanted
    assert (asked.path, asked.limit, asked.max_age, asked.require_complete, asked.empty) == (b"/d", 10_000, 600 * 10**9, True, False)
    assert (wanted.name, wanted.iname, wanted.kinds) == (b"*.py", b"A*", frozenset((Kind.FILE, Kind.SYMLINK)))
    assert (wanted.min_size, wanted.max_size, wanted.uid) == (1, 4096, 0)
    assert (wanted.newer, wanted.older) == ((1_709_208_000, 0), (1_700_000_000, 500_000_000))
    assert (wanted.min_depth, wanted.max_depth) == (1, 3)


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [("10m", 600 * 10**9), ("90s", 90 * 10**9), ("1h", 3600 * 10**9), ("5", 5 * 10**9), ("0", 0), ("250ms", 250 * 10**6)],
)
def test_ages(text: str, nanoseconds: int) -> None:
    assert parameters.whole(f"max_age={text}").max_age == nanoseconds


def test_sizes_are_exact() -> None:
    assert parameters.search("min_size=9007199254740993").wanted.min_size == 9_007_199_254_740_993


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=10001",
        "limit=-1",
        "limit=ten",
        "limit=",
        "limit=99999999999999999999",
        "limit=٣",
        "max_age=soon",
        "max_age=-1",
        f"max_age={'9' * 300}",
        "max_age=300000d",
        "max_age=",
        "require_complete=maybe",
        "require_complete=",
        "type=f",
        "type=",
        "type=file,,dir",
        "type=%ff",
        "min_size=4M",
        "min_size=9223372036854775808",
        "max_size=-1",
        "newer=yesterday",
        "older=",
        "uid=root",
        "uid=99999999999999999999",
        "max_depth=-1",
        "empty=perhaps",
        "after=",
        "after=nonsense",
        "after=%00",
        "after=AAAA",
        "settled=perhaps",
        "quiet=soon",
        "path=/a&path=/b",
        "pth=/a",
        "Path=/a",
        "&",
        "path=/100%",
        "path=/%zz",
        "path=/%4",
    ],
)
def test_a_refusal_names_the_parameter(query: str) -> None:
    with pytest.raises(MalformedInput) as refusal:
        parameters.search(query)
    name = query.split("&")[-1].split("=")[0]
    assert name in str(refusal.value)


def test_a_request_waits_for_a_while_at_most() -> None:
    asked = parameters.rest("path=/a&quiet=5s&wait=1m")
    assert (asked.path, asked.quiet, asked.settled, asked.wait) == (b"/a", 5 * 10**9, True, 60 * 10**9)
    assert not parameters.rest("settled=false").settled
    with pytest.raises(MalformedInput, match="wait: a request waits for 60 s at most"):
        parameters.rest("wait=61s")


def test_a_refusal_of_an_unknown_parameter_names_the_known_ones() -> None:
    with pytest.raises(MalformedInput, match=r"'pth'.*after.*limit.*max_age.*path.*require_complete"):
        parameters.listing("pth=/a")
    with pytest.raises(MalformedInput, match="takes none"):
        parameters.none("x=1")
    with pytest.raises(MalformedInput, match="limit"):
        parameters.one("path=/&limit=3")


@given(st.text())
def test_any_text_is_values_or_a_refusal(text: str) -> None:
    for parse in (parameters.none, parameters.whole, parameters.one, parameters.listing, parameters.search, parameters.rest):
        with contextlib.suppress(MalformedInput):
            parse(text)


@given(st.binary())
def test_a_cursor_of_a_listing_reads_back(name: bytes) -> None:
    text = cursors.encode(cursors.AfterName(name))
    assert parameters.listing(f"after={text}").after == name
    with pytest.raises(MalformedInput):
        parameters.search(f"after={text}")


@pytest.mark.parametrize("cursor", [cursors.AfterDirectory(b"/\xff"), cursors.Inside(b"a/b", "17:x"), cursors.AfterRoot(b"")])
def test_a_cursor_of_a_search_reads_back(cursor: cursors.FindCursor) -> None:
    text = cursors.encode(cursor)
    assert parameters.search(f"after={text}").after == cursor
    with pytest.raises(MalformedInput):
        parameters.listing(f"after={text}")


@given(st.binary())
def test_any_bytes_are_a_cursor_or_a_refusal(data: bytes) -> None:
    text = base64.urlsafe_b64encode(data)
    for decode in (cursors.decode_list, cursors.decode_find):
        for given_text in (text, data):
            with contextlib.suppress(MalformedInput):
                decode(given_text)
