"""``catenula project new``: a small application that works, as a project to start from.

The files lie in the folder ``template``, under names that no tool takes for its own.
"""

import re
from importlib.resources import files
from pathlib import Path

import click

from catenula.base.errors import LocalError
from catenula.cli.command import Invocation, command

SDK_VERSION = "0.15.21"
"""The official SDK that projects are made for: the release whose protocol this is."""

_PLACES = {
    "Cargo.toml": "Cargo.toml",
    "cargo_config.toml": ".cargo/config.toml",
    "gitignore": ".gitignore",
    "README.md": "README.md",
    "lib.rs": "src/lib.rs",
    "abi.rs": "src/abi.rs",
    "state.rs": "src/state.rs",
    "contract.rs": "src/contract.rs",
    "service.rs": "src/service.rs",
}
_NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")
_KEPT = """
as async await break const continue crate dyn else enum extern false fn for if impl in let
loop match mod move mut pub ref return self static struct super trait true type unsafe use
where while abstract become box do final gen macro override priv try typeof unsized
virtual yield alloc core std test proc_macro
"""
"""Names that the language or its compiler keeps for itself."""


def crate_name(package: str) -> str:
    """The name of a package as Rust code and built files have it."""
    return package.replace("-", "_")


@command()
@click.argument("name")
@click.option(
    "--linera-root",
    type=click.Path(path_type=Path),
    help="Take the SDK from a checkout of the reference's repository.",
)
def new(invocation: Invocation, name: str, linera_root: Path | None) -> None:
    """Make a Rust project in a new folder NAME: an application with a state of one number."""
    folder = Path(name)
    package = folder.name
    _check_name(package)
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise LocalError(
            f"the folder {folder} cannot be made: {error.strerror}; choose another name or place",
            retryable=False,
        ) from error
    write_template(folder, package, _sdk(linera_root))
    invocation.output.result({"project": str(folder)})
    invocation.output.note(f"try it with `catenula project test {folder}`")


def write_template(folder: Path, package: str, sdk: str) -> None:
    """Write the project's files; ``sdk`` is where cargo finds the SDK, as TOML."""
    values = {
        "package": package,
        "crate": crate_name(package),
        "Type": "".join(part.capitalize() for part in crate_name(package).split("_")),
        "sdk": sdk,
    }
    template = files("catenula.cli.project").joinpath("template")
    for source, place in _PLACES.items():
        text = template.joinpath(source).read_text("utf-8")
        for key, value in values.items():
            text = text.replace(f"{{{{{key}}}}}", value)
        path = folder / place
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _check_name(package: str) -> None:
    if not _NAME.fullmatch(package) or crate_name(package) in _KEPT.split():
        raise click.UsageError(
            f"{package!r} cannot be the name of a Rust package; use lower-case letters, digits and "
            "hyphens, beginning with a letter, and no word of the language"
        )


def _sdk(root: Path | None) -> str:
    if root is None:
        return f'version = "={SDK_VERSION}"'
    sdk = root.resolve() / "linera-sdk"
    if not (sdk / "Cargo.toml").is_file():
        raise LocalError(
            f"{root} has no linera-sdk; give the root of a checkout of the reference's repository",
            retryable=False,
        )
    return f"path = '{sdk}'"
