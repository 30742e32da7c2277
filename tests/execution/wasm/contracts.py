"""Contracts and services in text form: a harmless frame around what a test wants them to do.

The frame exports memory, an allocator that never gives back, and all entry points; an operation's
response is what the body returns a pointer to. ``$at`` and ``$length`` are the argument's.
"""

from collections.abc import Iterable, Mapping

from catenula.execution.wasm.abi import I32
from catenula.execution.wasm.host_functions import contract_imports, service_imports
from tests.execution.wasm.guests import wat

BASE, CONTRACT, SERVICE = (
    f"linera:app/{kind}-runtime-api" for kind in ("base", "contract", "service")
)
ENTRY = "linera:app/contract-entrypoints#"
ALLOCATOR = """(func $realloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
  (local $base i32)
  (local.set $base (i32.and (i32.add (global.get $top) (i32.sub (local.get 2) (i32.const 1)))
    (i32.sub (i32.const 0) (local.get 2))))
  (global.set $top (i32.add (local.get $base) (local.get 3)))
  (local.get $base))"""
MEMORY = '(memory (export "memory") 17)'
FRAME = (MEMORY, ALLOCATOR)
NO_RESPONSE = "(i32.const 8)"
"""A pointer to an empty list."""


def contract(
    operation: str = NO_RESPONSE,
    *,
    entries: Mapping[str, str] = {},
    more: str = "",
    imports: Iterable[str] = (),
    frame: tuple[str, str] = FRAME,
) -> bytes:
    """A contract whose entry points do this; imports are named by their last part.

    ``entries`` has the bodies of the other entry points, by their first word; ``frame`` the memory
    and the allocator.
    """
    instantiate, message, finalize = (
        entries.get(name, "") for name in ("instantiate", "message", "finalize")
    )
    return wat(f"""(module
      {" ".join(map(imported, imports))}
      {" ".join(frame)}
      (global $top (mut i32) (i32.const 65536))
      {more}
      (func (export "{ENTRY}instantiate") (param $at i32) (param $length i32) {instantiate})
      (func (export "{ENTRY}execute-operation") (param $at i32) (param $length i32) (result i32)
        {operation})
      (func (export "{ENTRY}execute-message") (param $at i32) (param $length i32) {message})
      (func (export "{ENTRY}process-streams") (param i32 i32))
      (func (export "{ENTRY}finalize") {finalize}))""")


def service(
    query: str = NO_RESPONSE,
    *,
    more: str = "",
    imports: Iterable[str] = (),
    frame: tuple[str, str] = FRAME,
) -> bytes:
    """A service that answers so."""
    return wat(f"""(module
      {" ".join(imported(name, of_service=True) for name in imports)}
      {" ".join(frame)}
      (global $top (mut i32) (i32.const 65536))
      {more}
      (func (export "linera:app/service-entrypoints#handle-query")
        (param $at i32) (param $length i32) (result i32) {query}))""")


def imported(name: str, *, of_service: bool = False) -> str:
    """The import of a host function under its own name, with its true type."""
    functions = service_imports() if of_service else contract_imports()
    place = next(module for module, found in functions if found == name)
    parameters, results = functions[place, name].core_type
    kind = _types("param", parameters) + _types("result", results)
    return f'(import "{place}" "{name}" (func ${name} {kind}))'


def _types(what: str, kinds: Iterable[int]) -> str:
    return "".join(f"({what} {'i32' if kind == I32 else 'i64'})" for kind in kinds)


NOTHING = service()
