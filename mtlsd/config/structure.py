"""From the tables that tomllib gives to frozen values, with every mistake at once.

cattrs collects the mistakes of a whole table (msgspec would stop at the first); here they become sentences.
Nothing is converted: a number in quotes is a mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import GenericAlias
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import attrs
from cattrs import Converter
from cattrs.errors import (
    AttributeValidationNote,
    ClassValidationError,
    ForbiddenExtraKeysError,
    IterableValidationError,
    IterableValidationNote,
)
from cattrs.gen import make_dict_structure_fn

from mtlsd.config.document import Between
from mtlsd.config.notes import Notes
from mtlsd.config.text import key_path, shown, suggestion

T = TypeVar("T")
Path = tuple[str | int, ...]


class _Unfit(Exception):
    """A value does not fit its key."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


def structure(table: Mapping[str, Any], cls: type[T], notes: Notes, *, also: Iterable[str] = ()) -> T | None:
    """Read one table.

    What is wrong goes into `notes`. Keys that are wrong but optional then count as absent, so that the rest
    of the table can still be checked; None when a required key is missing or wrong.

    :param also: tables that may stand here beside the keys of `cls`, for suggestions.
    """
    fields: tuple[attrs.Attribute[Any], ...] = attrs.fields(cls)  # type: ignore[arg-type]  # a class of tables
    known = [attribute.name for attribute in fields]
    unknown = table.keys() - set(known)
    for name in sorted(unknown):
        unknown_key(name, [*known, *also], notes)
    wrong: set[str] = set()
    for _ in range(2):
        try:
            kept = {key: value for key, value in table.items() if key not in unknown | wrong}
            return _converter().structure(kept, cls)
        except ClassValidationError as error:
            if not wrong:
                wrong = _explain(error, notes, ())
    return None


def unknown_key(name: str, known: Iterable[str], notes: Notes, path: Path = ()) -> None:
    """Note a key that nothing reads, with the one that was probably meant."""
    close = suggestion(name, known)
    remedy = close or f"Remove it. Keys here are: {', '.join(sorted(known))}."
    notes.add(key_path(*path, name), "is an unknown key", remedy)


def _explain(error: ClassValidationError, notes: Notes, path: Path) -> set[str]:
    """Turn what cattrs says into sentences.

    :returns: the names of this table's keys that are wrong.
    """
    wrong: set[str] = set()
    for found in error.exceptions:
        if isinstance(found, ForbiddenExtraKeysError):
            for name in sorted(found.extra_fields):
                unknown_key(name, [attribute.name for attribute in attrs.fields(found.cl)], notes, path)
            continue
        note = next(note for note in found.__notes__ if isinstance(note, AttributeValidationNote))
        wrong.add(note.name)
        _explain_value(found, note.type, notes, (*path, note.name))
    return wrong


def _explain_value(found: BaseException, kind: Any, notes: Notes, path: Path) -> None:
    match found:
        case ClassValidationError():
            _explain(found, notes, path)
        case IterableValidationError():
            for item in found.exceptions:
                note = next(note for note in item.__notes__ if isinstance(note, IterableValidationNote))
                _explain_value(item, note.type, notes, (*path, note.index))
        case KeyError():
            notes.add(key_path(*path), "is missing", f"Add it: {type_text(kind)}.")
        case _Unfit():
            notes.add(key_path(*path), found.message, found.remedy)
        case _:
            notes.add(key_path(*path), "cannot be used", f"It takes {type_text(kind)}.")


def type_text(kind: Any) -> str:
    """What a key takes, for people; docs/configuration.md has the same words."""
    arguments = get_args(kind)
    if get_origin(kind) is Annotated:
        bounds = next(item for item in kind.__metadata__ if isinstance(item, Between))
        return f"an integer from {bounds.lowest} to {bounds.highest}"
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(f'"{value}"' for value in arguments)
    if get_origin(kind) is tuple:
        inner = type_text(arguments[0])
        return f"a list of {'strings' if inner == 'a string' else inner.removeprefix('one of ')}"
    if get_origin(kind) is dict:
        return "a table of strings"
    if type(None) in arguments:
        return type_text(next(argument for argument in arguments if argument is not type(None)))
    return {str: "a string", bool: "true or false"}.get(kind, "a table")


def _kind_of(value: object) -> str:
    return "a table" if isinstance(value, dict) else "a list" if isinstance(value, list) else "a date or time"


def _unfit(value: object, kind: Any) -> _Unfit:
    what = shown(value) if isinstance(value, str | int | float) else _kind_of(value)
    return _Unfit(f"is {what}", f"It takes {type_text(kind)}.")


def _exactly(cls: type[T]) -> Any:
    def hook(value: object, kind: Any) -> T:
        # bool is an int for Python, but not for TOML
        if type(value) is not cls:
            raise _unfit(value, kind)
        return value

    return hook


def _bounded(kind: Any) -> Any:
    bounds = next(item for item in kind.__metadata__ if isinstance(item, Between))

    def hook(value: object, _: Any) -> int:
        if type(value) is not int:
            raise _unfit(value, kind)
        if not bounds.lowest <= value <= bounds.highest:
            raise _Unfit(f"{shown(value)} is out of bounds", f"It takes {type_text(kind)}.")
        return value

    return hook


def _choice(value: object, kind: Any) -> str:
    choices = get_args(kind)
    if type(value) is not str:
        raise _unfit(value, kind)
    if value not in choices:
        close = suggestion(value, choices)
        raise _Unfit(
            f"{shown(value)} is unknown here", f"{close + ' ' if close else ''}It takes {type_text(kind)}."
        )
    return value


def _list_factory(kind: Any, converter: Converter) -> Any:
    items: Any = GenericAlias(list, get_args(kind)[0])

    # cattrs would take a string for a list of its characters
    def hook(value: object, _: Any) -> tuple[Any, ...]:
        if type(value) is not list:
            raise _unfit(value, kind)
        return tuple(converter.structure(value, items))

    return hook


def _texts(value: object, kind: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise _unfit(value, kind)
    for name, text in value.items():
        if type(text) is not str:
            raise _Unfit(f"{shown(name)} {_unfit(text, kind).message}", f"It takes {type_text(kind)}.")
    return value


def _table_factory(cls: Any, converter: Converter) -> Any:
    read = make_dict_structure_fn(cls, converter, _cattrs_forbid_extra_keys=True)

    def hook(value: object, kind: Any) -> Any:
        if not isinstance(value, dict):
            raise _unfit(value, kind)
        return read(value, kind)

    return hook


def _is_bounded(kind: Any) -> bool:
    return get_origin(kind) is Annotated and any(isinstance(item, Between) for item in kind.__metadata__)


def _has_origin(origin: Any) -> Callable[[Any], bool]:
    return lambda kind: get_origin(kind) is origin


def _converter() -> Converter:
    converter = Converter(forbid_extra_keys=True, detailed_validation=True)
    for cls in (str, int, bool):
        converter.register_structure_hook(cls, _exactly(cls))
    converter.register_structure_hook_factory(_is_bounded, _bounded)
    converter.register_structure_hook_func(_has_origin(Literal), _choice)
    converter.register_structure_hook_func(_has_origin(dict), _texts)
    converter.register_structure_hook_factory(_has_origin(tuple), _list_factory)
    converter.register_structure_hook_factory(attrs.has, _table_factory)
    return converter
