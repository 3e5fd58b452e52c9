"""Say what is wrong with a configuration: every problem with place, key and the nearest valid name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError

from sharewise.config.options import OURS
from sharewise.errors import ConfigError

_WANTED = {
    "string": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "tuple": "a list",
    "dict": "a table",
    "model": "a table",
    "model_attributes": "a table",
    "dataclass": "a table",
}

Schema = Mapping[str, Any]


def explain(error: ValidationError, model: type[BaseModel], source: str) -> ConfigError:
    """Return one error that names all problems that pydantic found in `source`."""
    schema = model.model_json_schema()
    lines = list(dict.fromkeys(_sentence(dict(e), schema) for e in error.errors()))
    if len(lines) == 1:
        return ConfigError(f"{source}: {lines[0]}", "")
    listed = "\n".join(f"  {i}. {line}" for i, line in enumerate(lines, start=1))
    return ConfigError(f"{source} has {len(lines)} problems:\n{listed}", "")


def _sentence(problem: dict[str, Any], schema: Schema) -> str:
    place, node = _walk(schema, problem["loc"][:-1])
    key = _join(place, problem["loc"][-1:])
    kind = str(problem["type"])
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        return _unknown_key(str(problem["loc"][-1]), place, node, schema)
    if kind == OURS:
        return f"{_named(key)}: {problem['msg']}" if key else str(problem["msg"])
    return f"{_named(key)} {_complaint(kind, problem)}"


def _complaint(kind: str, problem: dict[str, Any]) -> str:
    given, context = problem["input"], problem.get("ctx", {})
    if kind == "missing":
        return "is missing. Add it."
    if kind == "union_tag_not_found":
        return f"lacks the key {context['discriminator']}. Set it to {_tags(context)}."
    if kind == "union_tag_invalid":
        return f"has by = '{context['tag']}'. {_near(str(context['tag']), _tag_list(context))}"
    if kind == "literal_error":
        return f"is {_show(given)}. Use {context['expected']}."
    if kind == "finite_number":
        return f"is {_show(given)}. Use a finite number."
    wanted = _WANTED.get(kind.removesuffix("_type"))
    if wanted:
        return f"is {_show(given)}. Use {wanted}."
    return f"is {_show(given)}: {problem['msg'].lower()}. Change it."


def _unknown_key(key: str, place: str, node: Schema, schema: Schema) -> str:
    known = list(node.get("properties", ()))
    where = f"in {_bracketed(place)}" if place else "at the top"
    tables = _tables(schema)
    elsewhere = [name for name in tables if key in tables[name]]
    if elsewhere:
        near = get_close_matches(key, known, n=1, cutoff=0.8)
        other = f", or did you mean '{near[0]}'" if near else ""
        return f"'{key}' {where} is not a key there. Does it belong in [{elsewhere[0]}]{other}?"
    return f"'{key}' {where} is not a key. {_near(key, known)}"


def _near(name: str, known: Sequence[str]) -> str:
    matches = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"Did you mean '{matches[0]}'?" if matches else f"Known: {', '.join(sorted(known))}."


def _tables(schema: Schema) -> dict[str, list[str]]:
    """Keys by top-level table."""
    return {name: list(_step(schema, schema, name)[0].get("properties", ())) for name in schema["properties"]}


def _walk(schema: Schema, loc: Sequence[str | int]) -> tuple[str, Schema]:
    """Follow a place through the JSON schema; return its name and the schema there."""
    node, place = schema, ""
    for part in loc:
        node, visible = _step(schema, node, part)
        place = _join(place, [part]) if visible else place
    return place, node


def _step(root: Schema, node: Schema, part: str | int) -> tuple[Schema, bool]:
    """Go one key or index further; False if the part is pydantic's tag of a union, which no file holds."""
    if isinstance(part, int):
        return _resolve(root, node.get("items", {})), True
    mapping = node.get("discriminator", {}).get("mapping", {})
    if part in mapping:
        return _resolve(root, {"$ref": mapping[part]}), False
    properties = node.get("properties", {})
    return (_resolve(root, properties[part]), True) if part in properties else (node, False)


def _resolve(root: Schema, node: Schema) -> Schema:
    """Follow references, and the non-null branch of an optional field."""
    for choice in node.get("anyOf", ()):
        if choice.get("type") != "null":
            return _resolve(root, choice)
    if "$ref" not in node:
        return node
    return _resolve(root, root["$defs"][node["$ref"].rsplit("/", 1)[-1]])


def _join(place: str, parts: Sequence[str | int]) -> str:
    for part in parts:
        # The configuration counts tasks from 1, as people do.
        place = f"{place} #{part + 1}" if isinstance(part, int) else f"{place}.{part}" if place else part
    return place


def _bracketed(place: str) -> str:
    return (
        f"[[{place.split(' #')[0]}]] #{place.split('#')[1]}" if place.startswith("tasks #") else f"[{place}]"
    )


def _named(key: str) -> str:
    table, _, name = key.rpartition(".")
    return f"{name} in {_bracketed(table)}" if table else _bracketed(key)


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _tag_list(context: Mapping[str, Any]) -> list[str]:
    return [tag.strip(" '") for tag in str(context.get("expected_tags", "")).split(",")]


def _tags(context: Mapping[str, Any]) -> str:
    return " or ".join(f"'{tag}'" for tag in _tag_list(context)) or "one of the names in the documentation"
