"""The description of the API (OpenAPI 3.1), made of the routes that are served and of what `operations` has on each. Pure."""

from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any, Final

import msgspec

from fustor_core.http import problems
from fustor_fusion.api import shapes
from fustor_fusion.api.application import Route
from fustor_fusion.api.operations import OPERATIONS, UNDESCRIBED, UNKNOWN, Operation, Parameter

_ABOUT: Final = (
    "What is stored in many places, and how far to trust the answer: `meta` has `as_of` (every change before it is in the answer), "
    "`complete`, and the `conditions` that say why not."
)
_PROBLEM: Final = {
    "type": "object",
    "description": "RFC 9457: what is wrong, and what to do; some have further members",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
    "additionalProperties": True,
}
_IN_PATH: Final = {"view": "the name of a view, such as `default`", "id": "a pipe, as AGENT:PIPE"}

Document = Mapping[str, Any]
"""JSON."""


def document(routes: Iterable[Route]) -> Document:
    """What these routes offer."""
    described = [route for route in routes if route.method != "HEAD" and route.path not in UNDESCRIBED]
    known = [(route, OPERATIONS.get((route.method, route.path), UNKNOWN)) for route in described]
    types = [operation.data for _, operation in known if operation.data is not None]
    schemas, components = msgspec.json.schema_components([*types, shapes.Meta], ref_template="#/components/schemas/{name}")
    meta = schemas[-1]
    answers = iter(schemas)
    paths: dict[str, dict[str, Any]] = {}
    for route, operation in known:
        answer = None if operation.data is None else _answer(next(answers), meta)
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, operation, answer)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Fustor", "version": version("fustor"), "description": _ABOUT},
        "paths": paths,
        "components": {
            "schemas": {**components, "Problem": _PROBLEM},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route, operation: Operation, answer: Document | None) -> Document:
    named = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
    in_path = [
        {"name": name, "in": "path", "required": True, "description": _IN_PATH[name], "schema": {"type": "string"}} for name in named
    ]
    content = {operation.media: {} if answer is None else {"schema": answer}}
    problem = {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        "operationId": "_".join([route.method.lower(), *(part.strip("{}") for part in route.path.split("/") if part)]),
        "summary": operation.about,
        "parameters": [*in_path, *map(_parameter, operation.parameters)],
        "responses": {
            str(operation.status): {"description": "done" if operation.status == 200 else "accepted", "content": content},
            "default": {"description": "it cannot be answered", "content": problem},
        },
        "security": [] if route.needs is None else [{"key": []}],
    }


def _parameter(parameter: Parameter) -> Document:
    shown: dict[str, Any] = {"name": parameter.name, "in": "query", "description": parameter.about, "schema": parameter.schema}
    # A list is one value with commas in it, not one parameter for each.
    return {**shown, "style": "form", "explode": False} if parameter.schema.get("type") == "array" else shown


def _answer(data: Document, meta: Document) -> Document:
    return {"type": "object", "required": ["data", "meta"], "properties": {"data": data, "meta": meta}}
