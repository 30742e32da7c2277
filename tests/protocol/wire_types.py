"""Reads the registry of wire types and compares it with the schema of this program."""

from typing import Any

from catenula.base.codec import schema
from catenula.protocol.registry import codec_by_name

_BITS = {"U8": 8, "U16": 16, "U32": 32, "U64": 64, "U128": 128}
_SHAPES = {"newtype": "NEWTYPE", "transparent": "NEWTYPE", "tuple": "TUPLE", "struct": "STRUCT"}


def read_registry(text: str) -> dict[str, Any]:
    """The registry's subset of YAML: nested maps and lists of names and numbers."""
    lines = [line for line in text.splitlines() if line.strip() and line.strip() != "---"]
    rows = [(len(line) - len(line.lstrip()), line.strip()) for line in lines]
    found, end = _block(rows, 0)
    assert end == len(rows)
    registry: dict[str, Any] = found
    return registry


def _block(rows: list[tuple[int, str]], start: int) -> tuple[Any, int]:
    indent = rows[start][0]
    items: list[Any] = []
    fields: dict[str, Any] = {}
    while start < len(rows) and rows[start][0] == indent:
        text = rows[start][1]
        if text.startswith("- "):
            rows[start] = (indent + 2, text[2:])
            value, start = _block_or_name(rows, start)
            items.append(value)
            continue
        key, _, rest = text.partition(":")
        if rest:
            fields[key], start = rest.strip(), start + 1
        else:
            fields[key], start = _block_or_name(rows, start + 1)
    return (items or fields), start


def _block_or_name(rows: list[tuple[int, str]], start: int) -> tuple[Any, int]:
    if ":" not in rows[start][1] and not rows[start][1].startswith("- "):
        return rows[start][1], start + 1
    return _block(rows, start)


class Registry:
    """Compares nodes with the registry; every method gives the differences."""

    def __init__(self, registry: dict[str, Any]) -> None:
        self.registry = registry

    def compare(self, name: str) -> list[str]:
        """The differences of the type of that name."""
        return list(self._container(name, codec_by_name(name).node, self.registry[name]))

    def _container(self, path: str, node: Any, spec: Any) -> list[str]:
        if isinstance(node, schema.FixedBytesNode):
            return _equal(path, node.size, self._size(spec))
        if isinstance(node, schema.TaggedBytesNode):
            sizes = [self._size(variant) for variant in _variants(spec).values()]
            return _equal(path, list(node.payload_sizes.values()), sizes)
        if isinstance(node, schema.IntEnumNode):
            names = dict.fromkeys(node.variant_names, "UNIT")
            return _equal(path, names, _variants(spec))
        if isinstance(node, schema.EnumNode):
            return self._enum(path, node, _variants(spec))
        if isinstance(node, schema.RecordNode):
            return self._fields(path, node.fields, spec["STRUCT"])
        return self._format(path, node, spec["NEWTYPESTRUCT"])

    def _enum(self, path: str, node: schema.EnumNode, variants: dict[str, Any]) -> list[str]:
        found = _equal(path, [variant.name for variant in node.variants], list(variants))
        for variant, spec in zip(node.variants, variants.values(), strict=False):
            found += self._variant(f"{path}::{variant.name}", variant, spec)
        return found

    def _variant(self, path: str, variant: schema.Variant, spec: Any) -> list[str]:
        if variant.shape == "unit":
            return _equal(path, "UNIT", spec)
        shape = _SHAPES[variant.shape]
        if list(spec) != [shape]:
            return [f"{path}: {shape}, registry {list(spec)}"]
        node: Any = variant.payload
        if variant.shape == "transparent":
            return self._format(path, node, spec[shape])
        if variant.shape == "struct":
            return self._fields(path, node.fields, spec[shape])
        parts = spec[shape] if variant.shape == "tuple" else [spec[shape]]
        return self._all(path, [field for _, field in node.fields], parts)

    def _fields(self, path: str, fields: Any, spec: list[dict[str, Any]]) -> list[str]:
        names = [next(iter(field)) for field in spec]
        found = _equal(path, [name for name, _ in fields], names)
        for (name, node), field in zip(fields, spec, strict=False):
            found += self._format(f"{path}.{name}", node, field.get(name, "absent"))
        return found

    def _all(self, path: str, nodes: Any, specs: list[Any]) -> list[str]:
        found = _equal(f"{path} length", len(nodes), len(specs))
        for index, (node, spec) in enumerate(zip(nodes, specs, strict=False)):
            found += self._format(f"{path}.{index}", node, spec)
        return found

    def _format(self, path: str, node: Any, spec: Any) -> list[str]:
        if isinstance(spec, str):
            return _equal(path, _plain_name(node), spec)
        kind, inner = next(iter(spec.items()))
        if kind == "TYPENAME":
            return _equal(path, _known_as(node, inner), inner)
        if kind == "OPTION" and isinstance(node, schema.OptionNode):
            return self._format(path, node.item, inner)
        if kind == "SEQ" and isinstance(node, schema.SequenceNode):
            return self._format(path, node.item, inner)
        if kind == "MAP" and isinstance(node, schema.MapNode):
            return self._all(path, (node.key, node.value), [inner["KEY"], inner["VALUE"]])
        if kind == "TUPLE" and isinstance(node, schema.TupleNode):
            return self._all(path, node.items, inner)
        return [f"{path}: {type(node).__name__} {node.name}, registry {spec}"]

    def _size(self, spec: Any) -> int:
        """The size in bytes of a format without lengths."""
        if isinstance(spec, str):
            return 0 if spec == "UNIT" else _BITS[spec] // 8
        if isinstance(spec, list):
            return sum(self._size(part) for part in spec)
        kind, inner = next(iter(spec.items()))
        if kind == "TYPENAME":
            return self._size(self.registry[inner])
        if kind == "TUPLEARRAY":
            return self._size(inner["CONTENT"]) * int(inner["SIZE"])
        return self._size(inner)


def _variants(spec: Any) -> dict[str, Any]:
    numbered = spec["ENUM"]
    assert list(numbered) == [str(index) for index in range(len(numbered))]
    return {name: content for variant in numbered.values() for name, content in variant.items()}


def _plain_name(node: schema.Node) -> str:
    if isinstance(node, schema.IntegerNode):
        return f"U{node.bits}"
    names = {schema.BoolNode: "BOOL", schema.BytesNode: "BYTES", schema.StringNode: "STR"}
    return names.get(type(node), type(node).__name__)


def _known_as(node: schema.Node, name: str) -> str:
    """``name`` when the type of that name has this node (or the JSON form of a blob)."""
    if codec_by_name(name).node is node or (name == "BlobContent" and node.name == "Blob"):
        return name
    return node.name


def _equal(path: str, found: Any, expected: Any) -> list[str]:
    return [] if found == expected else [f"{path}: {found}, registry {expected}"]
