"""How cargo is called: for tests on this machine, and for modules that the protocol accepts.

Modules are built with a standard library of their own (``-Zbuild-std``): the one that comes with
compilers has instructions that contracts must not use. This takes a compiler with its sources and a
linker for WebAssembly, both of which are looked for.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from catenula.base.errors import LocalError

TARGET = "wasm32-unknown-unknown"
_LINKER = "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER"
_SYSTEM_COMPILER = "/usr/bin/rustc"
_BUILD = (
    *("build", "--release", "--target", TARGET, "-Zbuild-std=std,panic_abort"),
    *("--bins",),
)
_NO_SOURCES = (
    "no Rust compiler with the sources of its standard library was found; install them with "
    "`rustup component add rust-src`, or on Debian the packages rustc-web, rust-web-src and lld"
)
_NO_LINKER = (
    "no linker for WebAssembly was found; install one with `rustup component add llvm-tools`, or "
    f"on Debian the package lld, or name it in {_LINKER}"
)


def cargo() -> str:
    """The program; `LocalError` when it is not installed."""
    found = shutil.which("cargo")
    if found is None:
        raise LocalError(
            "cargo is not installed; get Rust from https://rustup.rs or your system's packages",
            retryable=False,
        )
    return found


def test_project(folder: Path, *, quiet_output: bool) -> int:
    """Run the project's tests on this machine; the exit status. Its voices are the command's.

    With ``quiet_output`` what goes to standard output goes to standard error instead.
    """
    host = _host("rustc", folder)
    return _run((cargo(), "test", "--target", host), folder, os.environ, quiet_output=quiet_output)


def build_modules(folder: Path, target_folder: Path) -> None:
    """Build the project's modules; `LocalError` when that fails."""
    environment = {**os.environ, "RUSTC_BOOTSTRAP": "1", "CARGO_TARGET_DIR": str(target_folder)}
    compiler = _compiler_with_sources(folder)
    environment["RUSTC"] = compiler
    if _LINKER not in environment:
        environment[_LINKER] = _linker(compiler, folder)
    status = _run((cargo(), *_BUILD), folder, environment, quiet_output=True)
    if status:
        raise LocalError(
            f"the modules could not be built: cargo ended with status {status}", retryable=False
        )


def _run(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], *, quiet_output: bool
) -> int:
    """Run a program in a folder; what it prints is seen at once."""
    import sys

    stdout = sys.stderr.fileno() if quiet_output else None
    return subprocess.run(
        command, cwd=folder, env=environment, stdout=stdout, check=False
    ).returncode


def _compiler_with_sources(folder: Path) -> str:
    candidates = (os.environ.get("RUSTC"), "rustc", _SYSTEM_COMPILER)
    for candidate in filter(None, candidates):
        path = shutil.which(candidate)
        if path is not None and (_sysroot(path, folder) / "lib/rustlib/src/rust/library").is_dir():
            return path
    raise LocalError(_NO_SOURCES, retryable=False)


def _linker(compiler: str, folder: Path) -> str:
    bundled = _sysroot(compiler, folder) / "lib/rustlib" / _host(compiler, folder) / "bin/rust-lld"
    if bundled.is_file():
        return str(bundled)
    for folder_name in os.environ.get("PATH", "").split(os.pathsep):
        for found in sorted(Path(folder_name).glob("wasm-ld*")):
            return str(found)
    raise LocalError(_NO_LINKER, retryable=False)


def _sysroot(compiler: str, folder: Path) -> Path:
    return Path(_asked(compiler, folder, "--print", "sysroot").strip())


def _host(compiler: str, folder: Path) -> str:
    """The target that a compiler builds for when it is not told otherwise."""
    for line in _asked(compiler, folder, "-vV").splitlines():
        name, _, value = line.partition(": ")
        if name == "host":
            return value
    raise LocalError(f"{compiler} does not say what machine this is", retryable=False)


def _asked(compiler: str, folder: Path, *arguments: str) -> str:
    """What a compiler prints, asked in the project's folder, which may choose a toolchain."""
    try:
        done = subprocess.run(
            [compiler, *arguments], cwd=folder, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise LocalError(
            f"the Rust compiler {compiler} cannot be run: {error.strerror}", retryable=False
        ) from error
    if done.returncode:
        raise LocalError(
            f"the Rust compiler {compiler} failed: {done.stderr.strip()}", retryable=False
        )
    return done.stdout
