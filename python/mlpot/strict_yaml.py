"""YAML without its traps: YAML 1.2 scalars, no key twice, and the line of every key."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

import yaml

from mlpot.errors import InputError

Place = tuple[Any, ...]


def parse_yaml(text: str, where: str) -> tuple[Any, dict[Place, int]]:
    """The content of a YAML text, and place (keys and list indices from the root) -> line.

    Raises InputError "where:line: what is wrong" for bad syntax or a key given twice.
    """
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        lines = dict(_lines(root, where))
        return loader.construct_document(root) if root else None, lines
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise InputError(f"{where}{line}: not valid YAML: {error.problem}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{where}: not valid YAML: {' '.join(str(error).split())}") from None


_REPLACED = [f"tag:yaml.org,2002:{name}" for name in ("float", "bool", "timestamp")]


class _Loader(yaml.SafeLoader):
    """YAML 1.2 scalars: 1e-8 is a number, and No is nobelium, not false."""

    yaml_implicit_resolvers: ClassVar = {
        key: [(tag, regexp) for tag, regexp in resolvers if tag not in _REPLACED]
        for key, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_FLOAT = r"^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$|^[-+]?\.(inf|nan)$"
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(_FLOAT), list("-+.0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile("^(true|false)$", re.IGNORECASE), list("tTfF")
)


def _lines(node: Any, where: str, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, int]]:
    """(place, line) of every key; a key given twice is an error."""
    if isinstance(node, yaml.MappingNode):
        seen: dict[Any, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise InputError(f"{where}:{line}: a key must be a word")
            if key.value in seen:
                raise InputError(f"{where}:{line}: {key.value}: already on line {seen[key.value]}")
            seen[key.value] = line
            yield (*place, key.value), line
            yield from _lines(value, where, (*place, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield (*place, index), item.start_mark.line + 1
            yield from _lines(item, where, (*place, index))
