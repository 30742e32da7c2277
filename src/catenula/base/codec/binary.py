"""Generates the BCS and bincode functions of a schema node as Python source (spec 01 §1, §7.1).

Generated code is straight-line: neighbouring fixed-size fields share one ``struct`` call, sequences
check their count against the bytes that are left before anything is allocated. The generator runs
once per type and direction on first use, for a variant of an enum when the first one comes along;
the functions are plain Python afterwards.

Writers have the form ``encode(v, w)``; readers ``decode(data, pos) -> (value, pos)``.
"""

import struct
from collections.abc import Callable
from functools import partial
from typing import Any

from catenula.base.codec import schema
from catenula.base.errors import DecodeError

Encode = Callable[[Any, Callable[[bytes], None]], None]
Decode = Callable[[bytes, int], tuple[Any, int]]

_ULEB_LIMIT = 2**32 - 1
_LENGTH_LIMIT = 2**31 - 1
_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")


def encode_uleb(number: int) -> bytes:
    """Unsigned LEB128."""
    if number < 128:
        return _SMALL_ULEB[number]
    out = bytearray()
    while number >= 128:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


_SMALL_ULEB = tuple(bytes((number,)) for number in range(128))


def decode_uleb(data: bytes, pos: int) -> tuple[int, int]:
    """Read an unsigned LEB128 u32 in its shortest form, else `DecodeError`."""
    number = shift = 0
    while True:
        byte = data[pos]
        pos += 1
        number |= (byte & 127) << shift
        if byte < 128:
            break
        shift += 7
        if shift > 28:
            raise DecodeError("InvalidUleb", offset=pos)
    if (shift and not byte) or number > _ULEB_LIMIT:
        raise DecodeError("InvalidUleb", offset=pos)
    return number, pos


def end_of_input(pos: int) -> DecodeError:
    """The error of input that ends inside a value."""
    return DecodeError("UnexpectedEndOfInput", offset=pos)


def check_count(count: int, minimum: int, left: int) -> None:
    """Refuse a count whose elements cannot fit in the bytes that are left."""
    if count * minimum > left or count > _LENGTH_LIMIT:
        raise DecodeError("UnexpectedEndOfInput", count=count, bytes_left=left)


def map_keys_not_increasing() -> DecodeError:
    """The error of BCS map keys that are not strictly increasing."""
    return DecodeError("NonCanonicalMap")


class Source:
    """Lines of one generated function and the names it needs."""

    def __init__(self, head: str) -> None:
        self.lines = [head]
        self.counter = 0

    def add(self, *lines: str, indent: int = 1) -> None:
        """Append lines at an indentation level."""
        self.lines.extend("    " * indent + line for line in lines)

    def fresh(self, stem: str) -> str:
        """A local name not used before."""
        self.counter += 1
        return f"{stem}{self.counter}"


class Generator:
    """Generates and caches the functions of nodes for one binary format."""

    def __init__(self, *, bincode: bool) -> None:
        self.bincode = bincode
        self._encoders: dict[int, Encode] = {}
        self._decoders: dict[int, Decode] = {}
        self._nodes: list[schema.Node] = []
        self.namespace: dict[str, Any] = {
            "from_bytes": int.from_bytes,
            "BOOLEANS": (False, True),
            "uleb": encode_uleb,
            "read_uleb": decode_uleb,
            "read_u32": _U32.unpack_from,
            "read_u64": _U64.unpack_from,
            "pack_u32": _U32.pack,
            "pack_u64": _U64.pack,
            "end_of_input": end_of_input,
            "check_count": check_count,
            "sort_set": schema.sort_set,
            "sort_map": schema.sort_map,
            "not_increasing": map_keys_not_increasing,
            "DecodeError": DecodeError,
        }

    def encoder(self, node: schema.Node) -> Encode:
        """The function that writes ``node``, generated on first use."""
        found = self._encoders.get(id(node))
        if found is None:
            source = Source("def encode(v, w):")
            self.write_value(node, source, "v")
            source.add("return None")
            found = self._encoders[id(node)] = self._compile(source, "encode")
            self._nodes.append(node)
        return found

    def decoder(self, node: schema.Node) -> Decode:
        """The function that reads ``node``, generated on first use."""
        found = self._decoders.get(id(node))
        if found is None:
            source = Source("def decode(data, pos):")
            self.read_value(node, source, "value")
            source.add("return value, pos")
            found = self._decoders[id(node)] = self._compile(source, "decode")
            self._nodes.append(node)
        return found

    def _compile(self, source: Source, name: str) -> Any:
        scope: dict[str, Any] = {}
        code = compile("\n".join(source.lines), f"<codec {name}>", "exec")
        exec(code, self.namespace, scope)  # The source is built from the schema only.
        return scope[name]

    def bind(self, stem: str, value: Any) -> str:
        """Make ``value`` known to generated code; returns its name there."""
        known = stem in self.namespace
        if known and self.namespace[stem] is value:
            return stem
        name = f"_{len(self.namespace)}" if known else stem
        self.namespace[name] = value
        return name

    def encoder_name(self, node: schema.Node) -> str:
        """The name, in generated code, of the function that writes another node."""
        return self.bind(f"_enc_{id(node)}", self.encoder(node))

    def decoder_name(self, node: schema.Node) -> str:
        """The name, in generated code, of the function that reads another node."""
        return self.bind(f"_dec_{id(node)}", self.decoder(node))

    # Writing

    def write_value(self, node: schema.Node, out: Source, value: str) -> None:
        """Emit statements that write ``value`` (an expression)."""
        form = node.fixed(self.bincode)
        if form is not None:
            out.add(f"w({self._pack([(node, form, value)])})")
            return
        writer = getattr(self, f"_write_{node.kind}")
        writer(node, out, value)

    def write_nested(self, node: schema.Node, out: Source, value: str, *, indent: int = 1) -> None:
        """Emit a call of the node's own function, or the short inline form."""
        form = node.fixed(self.bincode)
        if form is not None:
            out.add(f"w({self._pack([(node, form, value)])})", indent=indent)
        elif isinstance(node, schema.TaggedBytesNode) and not self.bincode:
            out.add(f"w({value})", indent=indent)
        else:
            out.add(f"{self.encoder_name(node)}({value}, w)", indent=indent)

    def _pack(self, group: list[tuple[schema.Node, schema.FixedForm, str]]) -> str:
        if len(group) == 1 and group[0][1].format_character.endswith("s"):
            return group[0][1].pack.format(group[0][2])
        layout = struct.Struct("<" + "".join(form.format_character for _, form, _ in group))
        name = self.bind(f"pack_{layout.format[1:]}", layout.pack)
        return f"{name}({', '.join(form.pack.format(value) for _, form, value in group)})"

    def _write_length(self, out: Source, expression: str) -> None:
        if self.bincode:
            out.add(f"w(pack_u64({expression}))")
        else:
            out.add(f"w(uleb({expression}))")

    def tag(self, index: int) -> bytes:
        """The bytes of an enum index."""
        return _U32.pack(index) if self.bincode else encode_uleb(index)

    def _write_BytesNode(self, node: schema.Node, out: Source, value: str) -> None:
        self._write_length(out, f"len({value})")
        out.add(f"w({value})")

    def _write_StringNode(self, node: schema.Node, out: Source, value: str) -> None:
        out.add(f"text = {value}.encode()")
        self._write_length(out, "len(text)")
        out.add("w(text)")

    def _write_TaggedBytesNode(self, node: schema.Node, out: Source, value: str) -> None:
        if self.bincode:
            out.add(f"w(pack_u32({value}[0]))", f"w({value}[1:])")
        else:
            out.add(f"w({value})")

    def _write_OptionNode(self, node: schema.OptionNode, out: Source, value: str) -> None:
        out.add(f"if {value} is None:", '    w(b"\\0")', "else:", '    w(b"\\1")')
        self.write_nested(node.item, out, value, indent=2)

    def _write_SequenceNode(self, node: schema.SequenceNode, out: Source, value: str) -> None:
        self._write_length(out, f"len({value})")
        items = value
        if node.is_set:
            key = self.bind(f"_order_{id(node)}", node.item.order_key())
            items = f"sort_set(list({value}), {key})"
        out.add(f"for item in {items}:")
        self.write_nested(node.item, out, "item", indent=2)

    def _write_MapNode(self, node: schema.MapNode, out: Source, value: str) -> None:
        self._write_length(out, f"len({value})")
        if self.bincode:
            key = self.bind(f"_order_{id(node)}", node.key.order_key())
            out.add(f"for key, item in sort_map({value}, {key}).items():")
            self.write_nested(node.key, out, "key", indent=2)
            self.write_nested(node.value, out, "item", indent=2)
            return
        encode_key = self.encoder_name(node.key)
        out.add(
            "entries = []",
            f"for key, item in {value}.items():",
            "    parts = []",
            f"    {encode_key}(key, parts.append)",
            '    entries.append((b"".join(parts), item))',
            "if len(entries) > 1:",
            "    entries.sort(key=first)",
            "for key, item in entries:",
            "    w(key)",
        )
        self.namespace["first"] = _first
        self.write_nested(node.value, out, "item", indent=2)

    def _write_TupleNode(self, node: schema.TupleNode, out: Source, value: str) -> None:
        fields = [(item, f"{value}[{index}]") for index, item in enumerate(node.items)]
        self._write_fields(fields, out, prefix=b"")

    def _write_RecordNode(self, node: schema.RecordNode, out: Source, value: str) -> None:
        memo = getattr(node.cls, "BCS_MEMO", False) and not self.bincode
        if memo:
            out.add(
                f"known = {value}.__dict__.get('bcs')",
                "if known is not None:",
                "    w(known)",
                "    return None",
            )
        fields = [(item, f"{value}.{name}") for name, item in node.fields]
        self._write_fields(fields, out, prefix=b"")

    def _write_fields(
        self, fields: list[tuple[schema.Node, str]], out: Source, *, prefix: bytes
    ) -> None:
        group: list[tuple[schema.Node, schema.FixedForm, str]] = []
        for node, value in fields:
            form = node.fixed(self.bincode)
            if form is not None:
                group.append((node, form, value))
                continue
            prefix = self._flush(group, out, prefix)
            self.write_nested(node, out, value)
        self._flush(group, out, prefix)

    def _flush(
        self, group: list[tuple[schema.Node, schema.FixedForm, str]], out: Source, prefix: bytes
    ) -> bytes:
        head = f"{prefix!r} + " if prefix else ""
        if group:
            out.add(f"w({head}{self._pack(group)})")
            group.clear()
        elif prefix:
            out.add(f"w({prefix!r})")
        return b""

    def _write_EnumNode(self, node: schema.EnumNode, out: Source, value: str) -> None:
        table: dict[Any, Encode] = {}
        for index, variant in enumerate(node.variants):
            for cls in schema.variant_classes(variant):
                table[cls] = partial(self._write_first, table, index, variant)
        name = self.bind(f"_writers_{id(node)}", table)
        out.add(f"{name}[type({value})]({value}, w)")

    def _write_first(
        self,
        table: dict[Any, Encode],
        index: int,
        variant: schema.Variant,
        value: Any,
        write: Callable[[bytes], None],
    ) -> None:
        """Stands for the writer of a variant until one is written: most never are."""
        writer = self._variant_writer(index, variant)
        table.update(dict.fromkeys(schema.variant_classes(variant), writer))
        writer(value, write)

    def _variant_writer(self, index: int, variant: schema.Variant) -> Encode:
        out = Source("def encode(v, w):")
        if isinstance(variant.payload, schema.RecordNode):
            fields = [(item, f"v.{name}") for name, item in variant.payload.fields]
            self._write_fields(fields, out, prefix=self.tag(index))
            if not fields:
                out.add(f"w({self.tag(index)!r})") if len(out.lines) == 1 else None
        else:
            out.add(f"w({self.tag(index)!r})")
            self.write_nested(variant.payload, out, "v")
        writer: Encode = self._compile(out, "encode")
        return writer

    # Reading

    def read_value(self, node: schema.Node, out: Source, target: str) -> None:
        """Emit statements that read into ``target`` and advance ``pos``."""
        if node.fixed(self.bincode) is not None:
            self._read_group([(node, target)], out)
            return
        reader = getattr(self, f"_read_{node.kind}")
        reader(node, out, target)

    def read_nested(self, node: schema.Node, out: Source, target: str, *, indent: int = 1) -> None:
        """Emit a call of the node's own reader."""
        out.add(f"{target}, pos = {self.decoder_name(node)}(data, pos)", indent=indent)

    def _read_group(self, group: list[tuple[schema.Node, str]], out: Source) -> None:
        forms = [(node.fixed(self.bincode), target) for node, target in group]
        text = "".join(form.format_character for form, _ in forms if form)
        layout = struct.Struct("<" + text)
        name = self.bind(f"unpack_{text}", layout.unpack_from)
        targets = ", ".join(target for _, target in forms)
        out.add(f"{targets}{',' if len(forms) == 1 else ''} = {name}(data, pos)")
        out.add(f"pos += {layout.size}")
        for node, target in group:
            form = node.fixed(self.bincode)
            self._bind_fixed(node)
            if form and form.unpack != "{}":
                out.add(f"{target} = {form.unpack.format(target)}")

    def _bind_fixed(self, node: schema.Node) -> None:
        if isinstance(node, schema.FixedBytesNode):
            self.namespace[node.name] = node.cls
        elif isinstance(node, schema.IntEnumNode):
            self.namespace[f"{node.name}_members"] = node.members

    def _read_length(self, out: Source, target: str) -> None:
        if self.bincode:
            out.add(f"({target},) = read_u64(data, pos)", "pos += 8")
            return
        out.add(
            f"{target} = data[pos]",
            "pos += 1",
            f"if {target} > 127:",
            f"    {target}, pos = read_uleb(data, pos - 1)",
        )

    def _read_BytesNode(self, node: schema.Node, out: Source, target: str) -> None:
        self._read_length(out, "size")
        out.add(
            f"{target} = data[pos:pos + size]",
            "pos += size",
            "if pos > len(data):",
            "    raise end_of_input(pos)",
        )

    def _read_StringNode(self, node: schema.Node, out: Source, target: str) -> None:
        self._read_BytesNode(node, out, target)
        out.add(f"{target} = {target}.decode()")

    def _read_TaggedBytesNode(self, node: schema.TaggedBytesNode, out: Source, target: str) -> None:
        sizes = self.bind(f"_sizes_{node.name}", node.payload_sizes)
        make = self.bind(f"_make_{node.name}", node.cls.decode if node.validating else node.cls)
        if self.bincode:
            out.add("(tag,) = read_u32(data, pos)", "pos += 4")
            payload = "bytes((tag,)) + data[pos:pos + size]"
        else:
            out.add("tag = data[pos]", "pos += 1")
            payload = "data[pos - 1:pos + size]"
        out.add(
            f"size = {sizes}[tag]",
            "if pos + size > len(data):",
            "    raise end_of_input(pos)",
            f"{target} = {make}({payload})",
            "pos += size",
        )

    def _read_OptionNode(self, node: schema.OptionNode, out: Source, target: str) -> None:
        out.add(
            "tag = data[pos]",
            "pos += 1",
            "if tag == 0:",
            f"    {target} = None",
            "elif tag == 1:",
        )
        self.read_nested(node.item, out, target, indent=2)
        out.add("else:", '    raise DecodeError("InvalidOptionTag", tag=tag)')

    def _read_SequenceNode(self, node: schema.SequenceNode, out: Source, target: str) -> None:
        self._read_length(out, "count")
        out.add(f"check_count(count, {max(node.item.min_size(), 1)}, len(data) - pos)")
        out.add("items = []", "for _ in range(count):")
        self.read_nested(node.item, out, "item", indent=2)
        out.add("    items.append(item)")
        if node.is_set:
            key = self.bind(f"_order_{id(node)}", node.item.order_key())
            out.add(f"{target} = sort_set(items, {key})")
        else:
            out.add(f"{target} = tuple(items)")

    def _read_MapNode(self, node: schema.MapNode, out: Source, target: str) -> None:
        minimum = node.key.min_size() + node.value.min_size()
        self._read_length(out, "count")
        out.add(f"check_count(count, {minimum}, len(data) - pos)")
        out.add("entries = {}", 'last = b""', "for index in range(count):", "    start = pos")
        self.read_nested(node.key, out, "key", indent=2)
        if not self.bincode:
            out.add(
                "    raw = data[start:pos]",
                "    if index and raw <= last:",
                "        raise not_increasing()",
                "    last = raw",
            )
        self.read_nested(node.value, out, "item", indent=2)
        key = self.bind(f"_order_{id(node)}", node.key.order_key())
        out.add("    entries[key] = item", f"{target} = sort_map(entries, {key})")

    def _read_TupleNode(self, node: schema.TupleNode, out: Source, target: str) -> None:
        names = self._read_fields(list(node.items), out)
        out.add(f"{target} = ({', '.join(names)},)")

    def _read_RecordNode(self, node: schema.RecordNode, out: Source, target: str) -> None:
        names = self._read_fields([item for _, item in node.fields], out)
        make = self.bind(f"_record_{id(node)}", node.cls)
        out.add(f"{target} = {make}({', '.join(names)})")
        if node.decoded_check is not None:
            out.add(f"{target}.{node.decoded_check}()")

    def _read_fields(self, nodes: list[schema.Node], out: Source) -> list[str]:
        names: list[str] = []
        group: list[tuple[schema.Node, str]] = []
        for node in nodes:
            name = out.fresh("f")
            names.append(name)
            if node.fixed(self.bincode) is not None:
                group.append((node, name))
                continue
            if group:
                self._read_group(group, out)
                group = []
            self.read_nested(node, out, name)
        if group:
            self._read_group(group, out)
        return names

    def _read_EnumNode(self, node: schema.EnumNode, out: Source, target: str) -> None:
        readers: list[Decode] = []
        for tag, variant in enumerate(node.variants):
            readers.append(partial(self._read_first, readers, tag, variant.payload))
        name = self.bind(f"_readers_{id(node)}", readers)
        if self.bincode:
            out.add("(tag,) = read_u32(data, pos)", "pos += 4")
        else:
            out.add("tag = data[pos]", "pos += 1")
        out.add(f"{target}, pos = {name}[tag](data, pos)")

    def _read_first(
        self, readers: list[Decode], tag: int, payload: schema.Node, data: bytes, pos: int
    ) -> tuple[Any, int]:
        """Stands for the reader of a variant until one arrives: most never do in one process."""
        reader = readers[tag] = self.decoder(payload)
        return reader(data, pos)


def _first(entry: tuple[bytes, Any]) -> bytes:
    return entry[0]
