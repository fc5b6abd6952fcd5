"""Checked options: nothing unknown, nothing converted, and each mistake told in one line."""

from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from mlpot.errors import did_you_mean


class Strict(BaseModel):
    """Keys and values of which none may be unknown or of another type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


def explain(
    error: ValidationError, model: type[BaseModel], where: str, lines: dict[Any, int] | None = None
) -> str:
    """One line for what `model` refused: "where:line: key: what is wrong"; lines: place -> line."""
    # A misspelt key is the cause, the missing one its consequence.
    first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    place, lines = first["loc"], lines or {}
    key = ".".join(str(part) for part in place)
    line = next((lines[place[:n]] for n in range(len(place), 0, -1) if place[:n] in lines), None)
    if first["type"] == "extra_forbidden":
        known = _keys_at(model, place[:-1])
        message = f"unknown key{did_you_mean(str(place[-1]), known)} (known: {', '.join(known)})"
    elif first["type"] == "missing":
        message = "missing"
    elif first["type"] in ("model_type", "dict_type"):
        message = f"expected keys and values, not {first['input']!r}"
    else:
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] != "value_error":
            message = f"{_plain(message)}, not {first['input']!r}"
    more = f" (and {n} more)" if (n := error.error_count() - 1) else ""
    return f"{where}{f':{line}' if line else ''}: {f'{key}: ' if key else ''}{message}{more}"


def _plain(message: str) -> str:
    return message.removeprefix("Input ").removeprefix("List ").removeprefix("Value ")


def _keys_at(model: type[BaseModel], place: tuple[Any, ...]) -> list[str]:
    for part in place:
        if part in model.model_fields:
            model = _model_in(model.model_fields[part].annotation) or model
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)
