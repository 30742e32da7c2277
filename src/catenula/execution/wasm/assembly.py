"""Writes the module that runs instead of a contract: the old one, its charges, and a few additions.

Added, each as the last of its kind: the global of the fuel, the global that says why the code was
stopped, their exports, the function that grows the memory, and the types of that function and of
the reference's meter. An export of the contract under one of the two reserved names is left out:
nobody asks for it. Invariant: instructions are copied byte by byte, apart from `Change`s and the
charges in front of them. Must not decide what is acceptable.
"""

from collections.abc import Iterator

from catenula.base.limits import MAX_WASM_MEMORY_PAGES
from catenula.execution.wasm.binary import (
    Reader,
    encode_section,
    encode_signed,
    encode_sized,
    encode_unsigned,
)
from catenula.execution.wasm.fuel import CHANGED, FuelCode, Mark
from catenula.execution.wasm.metering import Body
from catenula.execution.wasm.module import (
    CODE,
    DATA,
    ELEMENT,
    EXPORT,
    EXTERNAL_GLOBAL,
    FUNCTION,
    FUNCTION_FORM,
    GLOBAL,
    HEADER,
    IMPORT,
    LIMIT_PAGES,
    MEMORY,
    METER_TYPE,
    START,
    TABLE,
    TYPE,
    Export,
    FunctionType,
    Module,
)

FUEL_EXPORT = "catenula:fuel"
"""Export of a mutable i64: the fuel that is left; negative when the code stopped for lack of it."""

STOP_EXPORT = "catenula:stop"
"""Export of a mutable i32: why ``memory.grow`` stopped the code, else 0."""

STOP_MEMORY_LIMIT = 1
"""The memory would have exceeded `MAX_WASM_MEMORY_PAGES`."""

STOP_MEMORY_REFUSED = 2
"""The engine did not give memory that the rules allow: this machine's failure, not the code's."""

_GROW_TYPE = FunctionType(b"\x7f", b"\x7f")
_FUEL_GLOBAL = b"\x7e\x01\x42\x00\x0b"
_STOP_GLOBAL = b"\x7f\x01\x41\x00\x0b"
_UNCHANGED = (IMPORT, TABLE, MEMORY, START, ELEMENT, DATA)
_ORDER = (*range(TYPE, ELEMENT + 1), CODE, DATA)


def assemble(module: Module, bodies: list[Body]) -> bytes:
    """The rewritten module: ``bodies`` are the scanned bodies of ``module``, in order."""
    sections = {
        identifier: reader.data[reader.position : reader.end]
        for identifier, reader in module.sections.items()
        if identifier in _UNCHANGED
    }
    added = _Additions(module, any(c.what is None for body in bodies for c in body.changes))
    code = [added.rewrite(reader, body) for reader, body in zip(module.bodies, bodies, strict=True)]
    sections[TYPE] = _extend(module, TYPE, len(module.types), added.types)
    sections[FUNCTION] = _extend(module, FUNCTION, len(module.functions), added.functions)
    sections[GLOBAL] = _extend(module, GLOBAL, module.globals, [_FUEL_GLOBAL, _STOP_GLOBAL])
    sections[EXPORT] = _exports(module, added)
    sections[CODE] = encode_unsigned(len(code) + len(added.bodies)) + b"".join(
        map(encode_sized, code + added.bodies)
    )
    return HEADER + b"".join(
        encode_section(identifier, sections[identifier])
        for identifier in _ORDER
        if identifier in sections
    )


class _Additions:
    """What one module gets, and the instructions that refer to it."""

    def __init__(self, module: Module, grows: bool) -> None:
        self.fuel = module.globals
        self.stop = module.globals + 1
        self.types: list[bytes] = []
        self.functions: list[bytes] = []
        self.bodies: list[bytes] = []
        self._known = list(module.types)
        self._type(METER_TYPE)
        if grows:
            self.functions.append(encode_unsigned(self._type(_GROW_TYPE)))
            self.bodies.append(_grow_body(module, self.stop))
        self._grow_call = b"\x10" + encode_unsigned(module.function_count)
        self._fuel = FuelCode(self.fuel)

    def rewrite(self, reader: Reader, body: Body) -> bytes:
        """A function body with its charges, without its length."""
        data = reader.data
        marks, declared = self._fuel.marks(reader, body)
        marks += [
            Mark(offset, CHANGED, self._grow_call if what is None else what, end)
            for offset, end, what in body.changes
        ]
        marks.sort()
        pieces = [declared]
        written = body.first
        for offset, _, what, end in marks:
            pieces += (data[written:offset], what)
            written = end
        pieces.append(data[written : reader.end])
        return b"".join(pieces)

    def _type(self, wanted: FunctionType) -> int:
        if wanted not in self._known:
            self._known.append(wanted)
            form = bytes((FUNCTION_FORM,))
            self.types.append(form + b"".join(map(encode_sized, wanted)))
        return self._known.index(wanted)


def _grow_body(module: Module, stop: int) -> bytes:
    """``memory.grow`` of spec 04 §9 for as much memory as an instance may have."""
    declared = module.memory.maximum if module.memory is not None else None
    ceiling = LIMIT_PAGES if declared is None else min(declared, LIMIT_PAGES)
    set_stop = b"\x24" + encode_unsigned(stop) + b"\x00"
    return b"".join(
        (
            b"\x01\x01\x7e",  # one local, the pages there would be
            b"\x3f\x00\xad\x20\x00\xad\x7c\x22\x01",
            *(b"\x42", encode_signed(ceiling), b"\x56\x04\x40\x41\x7f\x0f\x0b"),  # too many: -1
            *(b"\x20\x01\x42", encode_signed(MAX_WASM_MEMORY_PAGES), b"\x56\x04\x40"),
            *(b"\x41", encode_signed(STOP_MEMORY_LIMIT), set_stop, b"\x0b"),
            b"\x20\x00\x40\x00\x22\x00\x41\x7f\x46\x04\x40",  # grow; refused?
            *(b"\x41", encode_signed(STOP_MEMORY_REFUSED), set_stop, b"\x0b"),
            b"\x20\x00\x0b",
        )
    )


def _extend(module: Module, section: int, count: int, added: list[bytes]) -> bytes:
    return encode_unsigned(count + len(added)) + module.content(section) + b"".join(added)


def _exports(module: Module, added: _Additions) -> bytes:
    exports = list(_kept_exports(module))
    exports.append(Export(FUEL_EXPORT, EXTERNAL_GLOBAL, added.fuel))
    exports.append(Export(STOP_EXPORT, EXTERNAL_GLOBAL, added.stop))
    return encode_unsigned(len(exports)) + b"".join(
        encode_sized(name.encode()) + bytes((kind,)) + encode_unsigned(number)
        for name, kind, number in exports
    )


def _kept_exports(module: Module) -> Iterator[Export]:
    return (export for export in module.exports if export.name not in (FUEL_EXPORT, STOP_EXPORT))
