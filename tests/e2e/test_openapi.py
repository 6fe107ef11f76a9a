"""/openapi.json is true: requests made from it are answered, and as it says. FUSTOR_REQUESTS=5000 makes more of them."""

import http.client
import json
import os
import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.e2e.system import KEY, System

REQUESTS = int(os.environ.get("FUSTOR_REQUESTS", "250"))
NO_JSON = {"/metrics", "/v1/events", "/openapi.json"}
OPAQUE = {"after"}
"""Parameters of which a description cannot say what is right."""
EITHER = [{"sample", "all"}, {"path", "shallow"}]
"""Parameters of which one may be given."""
VERBS = ["pause", "resume", "stop", "start", "restart", "audit", "snapshot", "halt", "confirm"]
VIEW = "/v1/views/{view}/"
PROMISED = {
    *(("get", path) for path in ["/livez", "/readyz", "/metrics", "/openapi.json", "/v1/views", "/v1/sessions", "/v1/events"]),
    *(("get", path) for path in ["/v1/pipes", "/v1/pipes/{id}", "/v1/pipes/{id}/history"]),
    *(("get", VIEW + what) for what in ["roots", "stat", "list", "find", "usage", "changes"]),
    *(("post", VIEW + what) for what in ["refresh", "verify"]),
    *(("post", f"/v1/pipes/{{id}}/{verb}") for verb in VERBS),
}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    system = System(tmp_path_factory.mktemp("described"))
    for directory in ("a/b", "c"):
        (system.root / directory).mkdir(parents=True)
        for number in range(5):
            (system.root / directory / f"f{number}.py").write_bytes(b"x" * number)
    os.mkfifo(system.root / "fifo")
    with open(os.fsencode(system.root) + b"/not text \xff", "wb"):
        pass
    try:
        system.start()
        system.wait_equal()
        yield system
    finally:
        system.end()


@pytest.fixture(scope="module")
def description(live: System) -> Any:  # JSON
    return live.get("/openapi.json", key=None)


def operations(description: Any) -> list[tuple[str, str, Any]]:
    """Method, path, and what there is to say."""
    return [(method, path, about) for path, methods in description["paths"].items() for method, about in methods.items()]


def request(system: System, method: str, target: str, key: str | None = KEY) -> tuple[int, str, bytes]:
    """Status, media type and body."""
    with closing(http.client.HTTPConnection("127.0.0.1", system.port, timeout=60)) as connection:
        connection.request(method.upper(), target, headers={} if key is None else {"Authorization": f"Bearer {key}"})
        response = connection.getresponse()
        return response.status, response.headers.get_content_type(), response.read()


def conforms(value: Any, schema: Any, components: Any) -> bool:
    """Whether a value is as a schema of this document says; members that it does not name are none."""
    if schema is True:
        return True
    if "$ref" in schema:
        return conforms(value, components[schema["$ref"].rpartition("/")[2]], components)
    if "anyOf" in schema:
        return any(conforms(value, each, components) for each in schema["anyOf"])
    if "enum" in schema:
        return value in schema["enum"]
    match schema["type"]:
        case "object":
            properties, others = schema.get("properties", {}), schema.get("additionalProperties", False)
            return (
                isinstance(value, dict)
                and set(schema.get("required", ())) <= value.keys()
                and (bool(others) or value.keys() <= properties.keys())
                and all(conforms(each, properties.get(name, others), components) for name, each in value.items())
            )
        case "array":
            return isinstance(value, list) and all(conforms(each, schema["items"], components) for each in value)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case plain:
            return isinstance(value, {"string": str, "boolean": bool, "number": int | float, "null": type(None)}[plain])


def test_everything_that_is_promised_is_described(description: Any) -> None:
    assert {(method, path) for method, path, _ in operations(description)} >= PROMISED
    assert [path for _, path, about in operations(description) if not about["summary"]] == [], "see fustor_fusion/api/operations.py"
    names = [about["operationId"] for _, _, about in operations(description)]
    assert len(names) == len(set(names))
    references = re.findall(r'"\$ref": "#/components/schemas/(\w+)"', json.dumps(description))
    assert set(references) <= description["components"]["schemas"].keys()


def test_the_parameters_are_those_that_are_taken(live: System, description: Any) -> None:
    for method, path, about in operations(description):
        named = {each["name"] for each in about["parameters"] if each["in"] == "query"}
        status, _, body = request(live, method, path.replace("{view}", "default").replace("{id}", live.pipe) + "?nonsense=1")
        if path in NO_JSON or path in ("/livez", "/readyz"):
            continue
        assert status == 400, path
        listed = json.loads(body)["detail"].partition("there are ")[2]
        assert set(filter(None, listed.split(", "))) == named, path


def test_a_key_is_needed_where_it_says_so(live: System, description: Any) -> None:
    for method, path, about in operations(description):
        status, _, _ = request(live, method, path.replace("{view}", "default").replace("{id}", "no:pipe"), key=None)
        assert (status == 401) == bool(about["security"]), path


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
PATHS = st.sampled_from(["/", "/data", "/data/a", "/data/a/b/f1.py", "/data/fifo", "/data/nothing", "/nowhere"]) | TEXT.map("/".__add__)


def texts(name: str, schema: Any) -> st.SearchStrategy[str]:
    """What the schema allows as the text of a parameter."""
    if name == "wait":  # nobody has time for what it allows
        return st.sampled_from(["0s", "5ms", "0.01s"])
    match schema:
        case {"type": "boolean"}:
            return st.sampled_from(["true", "false"])
        case {"type": "integer"}:
            return st.integers(schema["minimum"], schema["maximum"]).map(str)
        case {"type": "array"}:
            return st.lists(st.sampled_from(schema["items"]["enum"]), min_size=1).map(",".join)
        case {"format": "date-time"}:
            return st.datetimes().map(lambda time: time.isoformat() + "Z")
        case {"pattern": pattern} if name != "path":
            return st.from_regex(pattern.replace("$", r"\Z"))
        case _:
            return PATHS if name == "path" else TEXT


@st.composite
def calls(draw: st.DrawFn, described: Any) -> tuple[str, str, Any, set[str]]:
    """A request: method, target, what is said of it, and the names of the parameters given."""
    method, path, about = draw(st.sampled_from([each for each in operations(described) if each[1] not in NO_JSON]))
    given = [each for each in about["parameters"] if each["in"] == "query" and draw(st.integers(0, 2)) == 0]
    query = "&".join(f"{each['name']}={quote(draw(texts(each['name'], each['schema'])), safe='/')}" for each in given)
    # What is done to the one pipe that there is would end all else.
    pipes = ["nas-1:data", "no:pipe"] if method == "get" else ["no:pipe"]
    target = path.replace("{view}", draw(st.sampled_from(["default", "default", "default", "none"])))
    target = target.replace("{id}", draw(st.sampled_from(pipes)))
    return method, f"{target}?{query}" if query else target, about, {each["name"] for each in given}


@pytest.mark.timeout(60 + REQUESTS // 2)
def test_requests_made_of_it_are_answered_as_it_says(live: System, description: Any) -> None:
    components = description["components"]["schemas"]
    statuses = set()

    @settings(max_examples=REQUESTS, deadline=None, suppress_health_check=list(HealthCheck))
    @given(calls(description))
    def answered(call: tuple[str, str, Any, set[str]]) -> None:
        method, target, about, named = call
        status, media, body = request(live, method, target)
        statuses.add(status)
        document = json.loads(body)
        described = about["responses"].get(str(status), about["responses"]["default"])
        assert conforms(document, described["content"][media]["schema"], components), (target, document)
        assert status < 500, document
        if status == 400:
            allowed = named & OPAQUE or any(either <= named for either in EITHER) or "is no directory" in document["detail"]
            assert allowed, (target, document["detail"])

    answered()
    assert {200, 400, 404} <= statuses
    assert live.fusion is not None
    assert not [line for line in live.fusion.log_lines() if line["message"] == "a request failed"]
