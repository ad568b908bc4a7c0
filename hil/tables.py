"""TOML tables into frozen dataclasses, telling every fault of a file at once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from vpp.errors import Fault

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


@dataclass(frozen=True, slots=True)
class Named(Generic[T]):
    """A list of tables in a file, and the type of a row by its `kind` (None: rows without one)."""

    file: str
    key: str
    types: Mapping[Any, type[T]]


def rows(named: Named[T], table: Mapping[str, Any], faults: list[Fault]) -> Iterator[tuple[int, T]]:
    """Yield the sound rows with their numbers; what is wrong with the others is added to `faults`."""
    file, key, types = named.file, named.key, dict[Any, type[T]](named.types)
    found = table.get(key, [])
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        faults.append(Fault(file=file, field=key, wrong="no list of tables", expected=f"[[{key}]] tables"))
        return
    for number, row in enumerate(found, start=1):
        where = f"{key} {number}"
        row_type = types.get(None) or types.get(str(row.get("kind")))
        if row_type is None:
            wrong = f"unknown kind {row.get('kind')!r}"
            faults.append(Fault(file=file, field=where, wrong=wrong, expected=f"one of {', '.join(types)}"))
        elif (value := one(file, f"{where} ", row, row_type, faults)) is not None:
            yield number, value


def one(file: str, where: str, row: dict[str, Any], row_type: type[T], faults: list[Fault]) -> T | None:
    """Return a row as its type; None, with its faults told, where it does not fit."""
    known = [f.name for f in fields(row_type)]
    unknown = [key for key in row if key not in known]
    for key in unknown:
        faults.append(
            Fault(file=file, field=where + key, wrong="unknown key", expected=f"one of {', '.join(known)}")
        )
    try:
        value = TypeAdapter(row_type).validate_python({k: v for k, v in row.items() if k in known})
    except ValidationError as error:
        for detail in error.errors():
            field = where + ".".join(str(part) for part in detail["loc"])
            wrong = "missing" if detail["type"] == "missing" else repr(detail["input"])
            expected = detail["msg"].removeprefix("Input should be ").removeprefix("Field ")
            faults.append(Fault(file=file, field=field, wrong=wrong, expected=expected))
        return None
    return None if unknown else value
