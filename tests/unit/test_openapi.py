"""What the description of the API is made of: the routes that are served, and nothing else."""

from typing import Any

from aiohttp import web

from fustor_fusion.api.application import Route
from fustor_fusion.api.openapi import document
from fustor_fusion.authorization import NOBODY, OPERATE, READ_VIEW


async def handler(_: web.Request) -> web.Response:
    return web.Response()


def described(*routes: tuple[str, str, Any]) -> Any:  # JSON
    return document([Route(method, path, handler, needs) for method, path, needs in routes])


def test_only_what_is_served_is_described() -> None:
    found = described(("GET", "/livez", NOBODY), ("HEAD", "/livez", NOBODY), ("GET", "/v1/session", READ_VIEW))
    assert {path: list(methods) for path, methods in found["paths"].items()} == {"/livez": ["get"]}
    assert set(found["components"]["schemas"]) == {"Live", "Meta", "ConditionShape", "Problem"}


def test_a_route_that_was_forgotten_is_there_without_words() -> None:
    assert described(("GET", "/v1/new", NOBODY))["paths"]["/v1/new"]["get"]["summary"] == ""


def test_an_operation_says_what_it_takes_needs_and_answers() -> None:
    found = described(("POST", "/v1/pipes/{id}/start", OPERATE), ("GET", "/livez", NOBODY))
    start = found["paths"]["/v1/pipes/{id}/start"]["post"]
    assert [(each["name"], each["in"], each.get("required", False)) for each in start["parameters"]] == [
        ("id", "path", True),
        ("reason", "query", False),
        ("after_halt", "query", False),
    ]
    assert start["security"] == [{"key": []}]
    assert set(start["responses"]) == {"202", "default"}
    answer = start["responses"]["202"]["content"]["application/json"]["schema"]
    assert answer["properties"]["data"] == {"$ref": "#/components/schemas/PipeShape"}
    assert found["paths"]["/livez"]["get"]["security"] == []


def test_a_list_is_one_value_with_commas() -> None:
    find = described(("GET", "/v1/views/{view}/find", READ_VIEW))["paths"]["/v1/views/{view}/find"]["get"]
    kinds = next(each for each in find["parameters"] if each["name"] == "type")
    assert (kinds["schema"]["type"], kinds["explode"]) == ("array", False)
