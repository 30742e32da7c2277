"""Programs that are written into documents number by number, as the reference's client does it.

A program of 700 kB has as many tokens; reading them one by one takes seconds. Such lists are
rewritten as one text of hexadecimal digits, which the scalar ``Bytecode`` takes as well.
"""

import re

_LONG = 4_096
"""Shorter documents are left as they are."""

_TEXT = r'"""(?:\\"""|.)*?"""|"(?:\\.|[^"\\\n])*"|#[^\n]*'
_PROGRAM = r"\{\s*bytes\s*:\s*\[(?P<numbers>[0-9,\s]*)\]\s*\}"
_TOKENS = re.compile(f"{_TEXT}|{_PROGRAM}", re.DOTALL)
_NUMBER = re.compile(r"[0-9]+")


def shorten_programs(document: str) -> str:
    """The same document with programs as texts; what is no list of bytes stays as it is."""
    if len(document) < _LONG or "bytes" not in document:
        return document
    return _TOKENS.sub(_shortened, document)


def _shortened(match: re.Match[str]) -> str:
    numbers = match["numbers"]
    if numbers is None:
        return match[0]
    try:
        content = bytes(map(int, _NUMBER.findall(numbers)))
    except ValueError:
        return match[0]
    return f'{{bytes: "{content.hex()}"}}'
