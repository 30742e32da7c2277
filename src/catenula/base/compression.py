"""Compression of bytecode blobs with zstd (spec 01 §8, spec 04 §9).

A contract that publishes a module makes the compressed bytes part of consensus, so only the release
of the library that the reference uses will do; any other is refused by name. Decompression is
streamed: it stops at the first excess byte, and gives the same verdict as the reference for input
that is damaged further on, because it takes the input and returns the output in the same portions.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from catenula.base.errors import DecodeError, LocalError, ProtocolError

COMPRESSION_LEVEL = 19
ZSTD_VERSION = (1, 5, 7)

_INPUT_PORTION_BYTES = 131_075
_OUTPUT_PORTION_BYTES = 8_192


class DecompressedTooLarge(ProtocolError):
    """Compressed data decompress to more bytes than allowed."""

    def __init__(self, limit: int) -> None:
        super().__init__("DecompressedTooLarge", limit=limit)


class _Library(NamedTuple):
    ffi: Any
    functions: Any
    compressor_class: Any


@lru_cache(maxsize=1)
def _library() -> _Library:
    import zstandard
    from zstandard._cffi import ffi, lib  # type: ignore[import-not-found]  # A C extension.

    number = lib.ZSTD_versionNumber()
    found = (number // 10_000, number // 100 % 100, number % 100)
    for version in (found, zstandard.ZSTD_VERSION):
        if version != ZSTD_VERSION:
            names = [".".join(map(str, item)) for item in (version, ZSTD_VERSION)]
            raise LocalError(
                f"the zstandard package bundles libzstd {names[0]}, but compressed modules are"
                f" part of consensus and need libzstd {names[1]}: install zstandard 0.25",
                retryable=False,
                found=names[0],
                expected=names[1],
            )
    return _Library(ffi, lib, zstandard.ZstdCompressor)


def compress(content: bytes, *, level: int = COMPRESSION_LEVEL) -> bytes:
    """One zstd frame in streaming mode; of level 19, byte for byte what the reference makes."""
    # A compressor of its own, because one cannot be shared by threads.
    stream = _library().compressor_class(level=level).compressobj()
    compressed: bytes = stream.compress(content) + stream.flush()
    return compressed


def decompress(compressed: bytes, limit: int) -> bytes:
    """The content of one or more frames.

    `DecompressedTooLarge` once it exceeds ``limit`` bytes, `DecodeError` when it is damaged before.
    """
    portions, total = [], 0
    for portion in _portions(compressed):
        total += len(portion)
        if total > limit:
            raise DecompressedTooLarge(limit)
        portions.append(portion)
    return b"".join(portions)


def decompressed_size_at_most(compressed: bytes, limit: int) -> bool:
    """Whether the content has at most ``limit`` bytes; `DecodeError` as for `decompress`."""
    total = 0
    for portion in _portions(compressed):
        total += len(portion)
        if total > limit:
            return False
    return True


def _portions(compressed: bytes) -> Iterator[bytes]:
    """The content in portions of at most 8 KiB, none of them empty."""
    stream = _Stream(compressed)
    while portion := stream.read():
        yield portion


class _Stream:
    """A run of libzstd over concatenated frames; `read` gives the next portion."""

    def __init__(self, compressed: bytes) -> None:
        library = _library()
        self._ffi, self._functions = library.ffi, library.functions
        context = self._functions.ZSTD_createDCtx()
        self._context = self._ffi.gc(context, self._functions.ZSTD_freeDCtx)
        self._data = self._ffi.from_buffer(compressed)
        self._size = len(compressed)
        self._position = 0
        self._input = self._ffi.new("ZSTD_inBuffer *")
        self._space = self._ffi.new("char[]", _OUTPUT_PORTION_BYTES)
        self._output = self._ffi.new("ZSTD_outBuffer *")
        self._output.dst, self._output.size = self._space, _OUTPUT_PORTION_BYTES
        self._frame_is_complete = False

    def read(self) -> bytes:
        """The next bytes of content; empty at the end. `DecodeError` when there is damage."""
        # First without input: the library may still hold content of what it has taken.
        produced = self._run(self._position)
        while not produced and self._position < self._size:
            self._frame_is_complete = False
            portion = self._position // _INPUT_PORTION_BYTES + 1
            produced = self._run(min(portion * _INPUT_PORTION_BYTES, self._size))
        if not produced and not self._frame_is_complete:
            raise DecodeError("InvalidCompression", reason="incomplete frame")
        return produced

    def _run(self, end: int) -> bytes:
        """One call of the library with the input up to ``end``."""
        self._input.src = self._data + self._position
        self._input.size, self._input.pos = end - self._position, 0
        self._output.pos = 0
        result = self._functions.ZSTD_decompressStream(self._context, self._output, self._input)
        if self._functions.ZSTD_isError(result):
            reason = self._ffi.string(self._functions.ZSTD_getErrorName(result)).decode()
            raise DecodeError("InvalidCompression", reason=reason)
        self._position += self._input.pos
        if result == 0:
            self._frame_is_complete = True
        return bytes(self._ffi.buffer(self._space, self._output.pos))
