"""A view is a mount table: every path of it means one thing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fustor_core.errors import ConfigurationError, MalformedInput
from fustor_fusion.views import InRoot, Synthetic, View, Views, parse_view_path

ARCHIVE = View("research", {"old": b"/archive/2023", "new": b"/archive/2024", "home": b"/home"})


@pytest.mark.parametrize(
    ("path", "root", "inner"),
    [
        (b"/home", "home", b""),
        (b"/home/", "home", b""),
        (b"/home/a/b", "home", b"a/b"),
        (b"//home//a", "home", b"a"),
        (b"/archive/2023/x", "old", b"x"),
        (b"/archive/2024", "new", b""),
        (b"/home/\xff\xfe\n", "home", b"\xff\xfe\n"),
    ],
)
def test_a_path_below_a_mount_lies_in_its_root(path: bytes, root: str, inner: bytes) -> None:
    place = ARCHIVE.resolve(path)
    assert isinstance(place, InRoot)
    assert (place.mount.root, place.path) == (root, inner)


@pytest.mark.parametrize(
    ("path", "names"), [(b"/", (b"archive", b"home")), (b"///", (b"archive", b"home")), (b"/archive", (b"2023", b"2024"))]
)
def test_what_is_above_the_mounts_is_synthetic(path: bytes, names: tuple[bytes, ...]) -> None:
    place = ARCHIVE.resolve(path)
    assert isinstance(place, Synthetic)
    assert place.names == names


@pytest.mark.parametrize("path", [b"/homes", b"/hom", b"/archive/2025", b"/archive/202", b"/x/home"])
def test_elsewhere_there_is_nothing(path: bytes) -> None:
    assert ARCHIVE.resolve(path) is None


@pytest.mark.parametrize("path", [b"", b"home", b"/home/..", b"/../etc", b"/home/./a", b"/.", b"/home/a\0b", b"/" + b"a" * 70_000])
def test_what_is_no_path_is_refused(path: bytes) -> None:
    with pytest.raises(MalformedInput):
        ARCHIVE.resolve(path)


def test_names_that_only_look_like_dots_are_names() -> None:
    assert parse_view_path(b"/home/..a/.../.b") == b"home/..a/.../.b"


def test_a_place_knows_its_path_in_the_view() -> None:
    for path in (b"/", b"/archive", b"/archive/2024", b"/home/a/b"):
        place = ARCHIVE.resolve(path)
        assert place is not None
        assert place.view_path == path


def test_a_root_can_be_the_whole_view() -> None:
    whole = View("whole", {"data": b"/"})
    for path, inner in ((b"/", b""), (b"/a", b"a"), (b"/a/b", b"a/b")):
        place = whole.resolve(path)
        assert isinstance(place, InRoot)
        assert (place.path, place.view_path) == (inner, path)
    assert whole.synthetic_below(b"") == []


@pytest.mark.parametrize(
    "mounts",
    [
        {"a": b"/x", "b": b"/x"},
        {"a": b"/x", "b": b"/x/y"},
        {"a": b"/x/y/z", "b": b"/x"},
        {"a": b"/", "b": b"/b"},
        {"a": b"x"},
        {"a": b""},
        {"a": b"/x/../y"},
        {"A": b"/x"},
        {"a b": b"/x"},
    ],
)
def test_mounts_that_make_no_tree_are_refused(mounts: dict[str, bytes]) -> None:
    with pytest.raises(ConfigurationError):
        View("broken", mounts)


def test_mounts_side_by_side_with_names_that_begin_alike_do_not_overlap() -> None:
    assert View("v", {"a": b"/data", "b": b"/data2", "c": b"/data-3"}).resolve(b"/data2/x") is not None


def test_the_default_view_has_every_root_whenever_it_appears() -> None:
    views = Views({"research": {"home": b"/h"}})
    assert views.names() == ["default", "research"]
    empty = views.get("default", [])
    assert empty is not None
    assert empty.resolve(b"/") == Synthetic(b"", ())
    later = views.get("default", ["home", "new"])
    assert later is not None
    assert later.resolve(b"/") == Synthetic(b"", (b"home", b"new"))
    place = later.resolve(b"/new/x")
    assert isinstance(place, InRoot)
    assert place.mount.root == "new"
    assert views.get("elsewhere", ["home"]) is None


def test_a_configured_default_view_is_what_it_is_configured_to_be() -> None:
    views = Views({"default": {"home": b"/only"}})
    view = views.get("default", ["home", "other"])
    assert view is not None
    assert view.resolve(b"/") == Synthetic(b"", (b"only",))


NAMES = st.lists(st.sampled_from([b"a", b"b", b"c", b"d"]), min_size=1, max_size=3).map(b"/".join)


@given(st.lists(NAMES, min_size=1, max_size=4, unique=True), st.lists(st.sampled_from([b"a", b"b", b"c", b"d", b"e"]), max_size=5))
def test_every_path_is_in_the_one_root_above_it_or_above_a_mount_or_nothing(places: list[bytes], names: list[bytes]) -> None:
    try:
        view = View("v", {f"r{i}": b"/" + place for i, place in enumerate(places)})
    except ConfigurationError:
        return
    path = b"/".join(names)
    above = [place for place in places if path == place or path.startswith(place + b"/")]
    below = [place for place in places if not path or place.startswith(path + b"/")]
    match view.resolve(b"/" + path):
        case InRoot(mount=mount, path=inner):
            assert [mount.place] == above
            assert mount.place + (b"/" + inner if inner else b"") == path
        case Synthetic(names=held):
            assert not above
            assert set(held) == {place[len(path) :].lstrip(b"/").split(b"/")[0] for place in below}
        case None:
            assert not above
            assert not below
