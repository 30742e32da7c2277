"""``catenula project test`` and ``publish-and-create``: what is done with a project."""

import os
import tomllib
from pathlib import Path
from typing import Any

import click

from catenula.base.errors import LocalError
from catenula.base.identifiers import ChainId
from catenula.cli.chain.applications import creation, creation_options, publish_then_create
from catenula.cli.chain.modules import PUBLISHER, VM_RUNTIME, read_module
from catenula.cli.command import DRY_RUN, Invocation, command
from catenula.cli.errors import Failure
from catenula.cli.project.scaffold import crate_name
from catenula.cli.project.toolchain import TARGET, build_modules, test_project

_FOLDER = click.Path(path_type=Path)


@command()
@click.argument("path", type=_FOLDER, default=Path())
def test(invocation: Invocation, path: Path) -> None:
    """Run the tests of the project in PATH, by default the current folder, on this machine."""
    _package(path)
    status = test_project(path, quiet_output=invocation.output.as_json)
    if status:
        raise Failure(f"the tests failed: cargo ended with status {status}")
    invocation.output.result({"project": str(path)})


@command()
@click.argument("path", type=_FOLDER, default=Path())
@click.argument("name", required=False)
@PUBLISHER
@click.option("--no-build", is_flag=True, help="Publish the modules that were built before.")
@VM_RUNTIME
@creation_options
@DRY_RUN
def publish_and_create(
    invocation: Invocation,
    path: Path,
    name: str | None,
    publisher: ChainId | None,
    no_build: bool,
    vm_runtime: str,
    dry_run: bool,
    **options: Any,
) -> None:
    """Build the project in PATH, publish its modules and create an application; print its id.

    NAME says which binaries are meant: NAME_contract and NAME_service. By default it is the name of
    the package.
    """
    crate = crate_name(name or _package(path))
    target = Path(os.environ.get("CARGO_TARGET_DIR") or path.resolve() / "target")
    if not no_build:
        build_modules(path, target)
    folder = target / TARGET / "release"
    module = read_module(
        _built(folder / f"{crate}_contract.wasm"),
        _built(folder / f"{crate}_service.wasm"),
        vm_runtime,
    )
    operation = creation(module.module_id, options)
    publish_then_create(invocation, publisher, module=module, operation=operation, dry_run=dry_run)


def _built(path: Path) -> Path:
    if not path.is_file():
        raise LocalError(
            f"{path} was not built; build without --no-build, and check that Cargo.toml has a "
            f"[[bin]] of the name {path.stem}, or give another NAME",
            retryable=False,
        )
    return path


def _package(folder: Path) -> str:
    """The name of the package in a folder; `LocalError` when there is none."""
    path = folder / "Cargo.toml"
    try:
        name = tomllib.loads(path.read_text(encoding="utf-8"))["package"]["name"]
    except OSError as error:
        raise LocalError(
            f"there is no project in {folder}: {path} cannot be read ({error.strerror}); make one "
            "with `catenula project new`",
            retryable=False,
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise LocalError(
            f"{path} does not describe a package; give the folder of a package, not of a workspace",
            retryable=False,
        ) from error
    return str(name)
