"""A tree of plain values as TOML text that `tomllib` reads back alike."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def to_toml(tree: Mapping[str, Any]) -> str:
    """Return the TOML text of a tree of mappings, lists, texts, numbers and booleans.

    A list of mappings becomes an array of tables. TypeError for a value of another type.
    """
    return "\n".join(_table(tree, ())).strip("\n") + "\n"


def _table(tree: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    tables = {key: value for key, value in tree.items() if isinstance(value, Mapping)}
    arrays = {key: value for key, value in tree.items() if _is_array_of_tables(value)}
    for key, value in tree.items():
        if key not in tables and key not in arrays:
            yield f"{_key(key)} = {_value(value)}"
    for key, value in tables.items():
        yield f"\n[{_path(path, key)}]"
        yield from _table(value, (*path, key))
    for key, rows in arrays.items():
        for row in rows:
            yield f"\n[[{_path(path, key)}]]"
            yield from _table(row, (*path, key))


def _is_array_of_tables(value: object) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(row, Mapping) for row in value)


def _path(path: tuple[str, ...], key: str) -> str:
    return ".".join(_key(part) for part in (*path, key))


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _text(key)


def _value(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return _text(value)
        case list() | tuple():
            return "[" + ", ".join(_value(part) for part in value) + "]"
    raise TypeError(f"{type(value).__name__} has no TOML form here")


def _text(value: str) -> str:
    # JSON's escapes are TOML's, but for DEL, which TOML wants escaped too
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
