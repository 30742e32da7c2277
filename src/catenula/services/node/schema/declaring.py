"""How types of a GraphQL interface are declared: name, meaning, and how each field is read.

A declaration is data. `schema_text` writes declarations in the schema language and `resolvers_of`
collects how their fields are read; both go to `build_api`.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from catenula.services.http.graphql.api import Resolver


class Field(NamedTuple):
    """A field: its signature as in the schema language, its type, its meaning, how it is read.

    Without ``resolve`` it is read from a mapping under its name.
    """

    signature: str
    kind: str
    about: str
    resolve: Resolver | None = None

    @property
    def name(self) -> str:
        """The name without arguments and default."""
        return self.signature.partition("(")[0].partition(" ")[0]

    @property
    def text(self) -> str:
        """The declaration in the schema language; an input's default stands behind its type."""
        signature, _, default = self.signature.partition(" = ")
        if "(" in self.signature:
            signature, default = self.signature, ""
        shown = f"{signature}: {self.kind}"
        return f"{shown} = {default}" if default else shown


class Declared(NamedTuple):
    """A type: ``scalar``, ``type`` or ``input``."""

    keyword: str
    name: str
    about: str
    fields: tuple[Field, ...] = ()

    @property
    def text(self) -> str:
        """The declaration in the schema language."""
        head = f'"""{self.about}"""\n{self.keyword} {self.name}'
        if not self.fields:
            return head
        lines = (f'  """{field.about}"""\n  {field.text}' for field in self.fields)
        return "\n".join((f"{head} {{", *lines, "}"))


def scalar(name: str, about: str) -> Declared:
    """A scalar."""
    return Declared("scalar", name, about)


def record(name: str, about: str, *fields: Field) -> Declared:
    """A type with fields."""
    return Declared("type", name, about, fields)


def taken(name: str, about: str, *fields: Field) -> Declared:
    """A type of arguments."""
    return Declared("input", name, about, fields)


def read(function: Callable[[Any], Any]) -> Resolver:
    """A field that depends on nothing but the value it belongs to."""

    def resolve(parent: Any, _context: Any, _arguments: dict[str, Any]) -> Any:
        return function(parent)

    return resolve


def attribute(name: str) -> Resolver:
    """An attribute that is JSON as it is: numbers, texts, lists of numbers."""

    def resolve(parent: Any, _context: Any, _arguments: dict[str, Any]) -> Any:
        return getattr(parent, name)

    return resolve


def text_of(name: str) -> Resolver:
    """An attribute in its text form; null stays null."""

    def resolve(parent: Any, _context: Any, _arguments: dict[str, Any]) -> Any:
        value = getattr(parent, name)
        return None if value is None else str(value)

    return resolve


def json_of(name: str) -> Resolver:
    """An attribute that is a record, in its JSON form; null stays null."""

    def resolve(parent: Any, _context: Any, _arguments: dict[str, Any]) -> Any:
        value = getattr(parent, name)
        return None if value is None else value.to_json()

    return resolve


def schema_text(declared: Iterable[Declared], *, mutations: bool) -> str:
    """The whole interface in the schema language, mutations left out where there are none."""
    roots = ["query: QueryRoot", "subscription: SubscriptionRoot"]
    if mutations:
        roots.insert(1, "mutation: MutationRoot")
    shown = [each.text for each in declared]
    return "\n\n".join((*shown, "schema {\n  " + "\n  ".join(roots) + "\n}"))


def resolvers_of(declared: Iterable[Declared]) -> dict[str, dict[str, Resolver]]:
    """How the fields are read, by type and field."""
    return {
        each.name: {field.name: field.resolve for field in each.fields if field.resolve is not None}
        for each in declared
        if each.keyword == "type"
    }
