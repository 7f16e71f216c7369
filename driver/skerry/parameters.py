"""Parameter styles: both end as `$1`, `$2` ... and a list of values.

    DB-API   %s with a sequence, %(name)s with a mapping; %% is a percent sign.  Without parameters the text is sent
             as it is, percent signs included.
    native   $1 with a sequence, $name with a mapping.

Values never enter the text.  A pyformat placeholder is one wherever it stands, inside quotes too, as other
DB-API drivers have it; a native one is recognised only outside strings, quoted names and comments.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from skerry.languages import is_gql
from skerry_engine.errors import InterfaceError

Parameters = Sequence[object] | Mapping[str, object]

_CACHED_TEXTS = 512

_PYFORMAT = re.compile(r"%(?:%|(?P<plain>s)|\((?P<name>[^)]*)\)s|(?P<wrong>.?))", re.DOTALL)

_NATIVE = re.compile(
    r"""
      --[^\n]*                                  # comment
    | /\*.*?\*/
    | \b[eE]'(?:[^'\\]|\\.|'')*'                # strings
    | '(?:[^']|'')*'
    | "(?:[^"]|"")*"                            # quoted name
    | (?P<tag>\$(?:[^\W\d]\w*)?\$).*?(?P=tag)   # dollar-quoted string
    | (?<![\w$])\$(?P<name>[^\W\d]\w*)
    """,
    re.VERBOSE | re.DOTALL,
)

_NATIVE_GQL = re.compile(
    r"""
      (?:--|//)[^\n]*                           # comment
    | /\*.*?\*/
    | @(?:'[^']*'|"[^"]*"|`[^`]*`)              # without escapes
    | '(?:[^'\\]|\\.)*'                        # strings and quoted names
    | "(?:[^"\\]|\\.)*"
    | `(?:[^`\\]|\\.)*`
    | \$\$\w+                                  # a parameter that stands for a graph
    | (?<![\w$])\$(?P<name>[^\W\d]\w*)
    """,
    re.VERBOSE | re.DOTALL,
)


def from_pyformat(text: str, parameters: Parameters | None) -> tuple[str, list[object] | None]:
    """Translate a DB-API statement; raises InterfaceError when placeholders and parameters do not agree."""
    if parameters is None:
        return text, None
    translated, names, count = _translate_pyformat(text)
    if isinstance(parameters, Mapping):
        if count:
            raise InterfaceError("%s placeholders need a sequence of parameters, %(name)s ones a mapping")
        return translated, _pick(parameters, names)
    _check_sequence(parameters)
    if names:
        raise InterfaceError("%(name)s placeholders need a mapping of parameters, %s ones a sequence")
    if len(parameters) != count:
        given = len(parameters)
        which = (
            f"none for parameter {given + 1}"
            if given < count
            else f"no placeholder for parameter {count + 1}"
        )
        raise InterfaceError(
            f"the statement has {count} placeholders but {given} parameters were given: {which}"
        )
    return translated, list(parameters)


def pyformat_names(text: str) -> tuple[str, ...]:
    """The names of a DB-API statement's parameters, in the order of their values."""
    return _translate_pyformat(text)[1]


def from_native(text: str, parameters: Parameters | None) -> tuple[str, list[object] | None]:
    """Translate a native statement; raises InterfaceError when a name has no value."""
    if parameters is None:
        return text, None
    if type(parameters) is dict or isinstance(parameters, Mapping):
        translated, names = _translate_native(text)
        return translated, _pick(parameters, names)
    _check_sequence(parameters)
    return text, list(parameters)


@lru_cache(maxsize=_CACHED_TEXTS)
def _translate_pyformat(text: str) -> tuple[str, tuple[str, ...], int]:
    """The text with $n, the names in the order of their numbers, and the number of plain placeholders."""
    names: dict[str, int] = {}
    count = 0

    def placeholder(match: re.Match[str]) -> str:
        nonlocal count
        if match["wrong"] is not None:
            raise InterfaceError(
                f"unsupported placeholder {match[0]!r}: use %s, %(name)s, or %% for a percent sign"
            )
        if match["plain"] is not None:
            count += 1
            return f"${count}"
        name = match["name"]
        if name is None:
            return "%"
        return f"${names.setdefault(name, len(names) + 1)}"

    translated = _PYFORMAT.sub(placeholder, text)
    if names and count:
        raise InterfaceError("%s and %(name)s placeholders can't be mixed")
    return translated, tuple(names), count


@lru_cache(maxsize=_CACHED_TEXTS)
def _translate_native(text: str) -> tuple[str, tuple[str, ...]]:
    names: dict[str, int] = {}

    def placeholder(match: re.Match[str]) -> str:
        name = match["name"]
        if name is None:
            return match[0]
        return f"${names.setdefault(name, len(names) + 1)}"

    pattern = _NATIVE_GQL if is_gql(text) else _NATIVE
    return pattern.sub(placeholder, text), tuple(names)


def _pick(parameters: Mapping[str, object], names: tuple[str, ...]) -> list[object]:
    missing = [name for name in names if name not in parameters]
    if missing:
        raise InterfaceError(f"no value for parameter {', '.join(missing)}")
    return [parameters[name] for name in names]


def _check_sequence(parameters: object) -> None:
    if isinstance(parameters, str | bytes) or not isinstance(parameters, Sequence):
        raise InterfaceError("parameters must be a sequence or a mapping")
