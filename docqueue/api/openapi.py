"""What is true of every operation of the API, added to the OpenAPI document: refusals before any view is asked."""

from __future__ import annotations

from typing import Any

from docqueue.api import problems

COMMON = ("not_acceptable", "throttled", "internal_error", "database_unavailable")
WITH_BODY = ("request_too_large", "unsupported_media_type")
METHODS = frozenset({"get", "post", "put", "patch", "delete"})


def common_answers(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:  # noqa: ARG001 - as drf-spectacular calls it
    """For SPECTACULAR_SETTINGS["POSTPROCESSING_HOOKS"]: the refusals that any operation may answer with."""
    components = result.setdefault("components", {})
    components["responses"] = {_name(code): _response(code) for code in (*COMMON, *WITH_BODY)}
    _mend(result["components"].get("schemas", {}))
    for path in result["paths"].values():
        for method, operation in path.items():
            if method == "head":  # answers without a body
                _name_common(operation["responses"])
            elif method in METHODS:
                _add(operation)
    return result


def _mend(node: Any) -> None:
    """Any JSON, or null: drf-spectacular says that it must be one of the two, and null is both."""
    if isinstance(node, dict):
        if node.get("oneOf") == [{}, {"type": "null"}]:
            del node["oneOf"]
        for child in node.values():
            _mend(child)
    elif isinstance(node, list):
        for child in node:
            _mend(child)


def _add(operation: dict[str, Any]) -> None:
    answers = operation["responses"]
    answers.get("304", {}).pop("content", None)
    for code in (*COMMON, *(WITH_BODY if "requestBody" in operation else ())):
        status = str(problems.MEANINGS[code][0])
        if status not in answers:
            answers[status] = {"$ref": f"#/components/responses/{_name(code)}"}
        else:  # the operation's own of that status, and this one beside it
            content = answers[status].setdefault("content", {})
            for kind, common in _response(code)["content"].items():
                own = content.setdefault(kind, {"schema": common["schema"]})
                own["examples"] = common["examples"] | own.get("examples", {})
    operation["responses"] = dict(sorted(answers.items()))


def _name_common(answers: dict[str, Any]) -> None:
    for code in COMMON:
        status, meaning = problems.MEANINGS[code]
        answers.setdefault(str(status), {"description": meaning})


def _response(code: str) -> dict[str, Any]:
    status, meaning = problems.MEANINGS[code]
    body = problems.problem(status, code, meaning) | {"request_id": "4f6c1d0e9b7a"}
    content = {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {_name(code): {"value": body}}}
    found: dict[str, Any] = {"description": meaning, "content": {problems.CONTENT_TYPE: content}}
    if code == "throttled":
        after = {"schema": {"type": "integer"}, "description": "Seconds until it is worth trying again."}
        found["headers"] = {"Retry-After": after}
    return found


def _name(code: str) -> str:
    return "".join(part.capitalize() for part in code.split("_"))
