"""Projects of applications: what is made, and what is done with it. Cargo is a stand-in here."""

import os
import shutil
from pathlib import Path

import pytest

from catenula.base.errors import LocalError
from catenula.cli.project import toolchain
from catenula.cli.project.scaffold import crate_name
from tests.cli.support import CommandLine, LocalNetwork

EXAMPLES = Path(__file__).parents[2] / "examples" / "applications" / "counter"


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """Commands in an empty folder; none of them needs a wallet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CARGO_TARGET_DIR", raising=False)
    return CommandLine(tmp_path / "wallet")


def stand_in(folder: Path, name: str, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program of this name that comes first on the path."""
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def with_compiler(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A compiler that has its sources and a linker, as far as one can ask it."""
    sysroot = folder / "sysroot" / "lib" / "rustlib"
    (sysroot / "src" / "rust" / "library").mkdir(parents=True)
    linker = sysroot / "here" / "bin" / "rust-lld"
    linker.parent.mkdir(parents=True)
    linker.touch()
    answer = f'case "$1" in -vV) echo "host: here";; *) echo "{folder / "sysroot"}";; esac'
    monkeypatch.delenv("RUSTC", raising=False)
    stand_in(folder / "bin", "rustc", answer, monkeypatch)


def test_new_project_has_no_placeholders_left(line: CommandLine, tmp_path: Path) -> None:
    line("project", "new", "my-sum")
    project = tmp_path / "my-sum"
    texts = {
        str(path.relative_to(project)): path.read_text()
        for path in project.rglob("*")
        if path.is_file()
    }
    assert sorted(texts) == [
        *(".cargo/config.toml", ".gitignore", "Cargo.toml", "README.md"),
        *("src/abi.rs", "src/contract.rs", "src/lib.rs", "src/service.rs", "src/state.rs"),
    ]
    assert not [name for name, text in texts.items() if "{{" in text]
    assert 'name = "my_sum_contract"' in texts["Cargo.toml"]
    assert "struct MySumContract" in texts["src/contract.rs"]


@pytest.mark.parametrize("name", ["My", "1st", "a b", "self", "-x", "a--b"])
def test_names_that_rust_refuses_are_wrong_usage(
    line: CommandLine, tmp_path: Path, name: str
) -> None:
    assert line.run("project", "new", "--", name).exit_code == 2
    assert not (tmp_path / name).exists()


def test_nothing_is_overwritten(line: CommandLine) -> None:
    line("project", "new", "one")
    again = line.run("project", "new", "one")
    assert again.exit_code == 1
    assert "one cannot be made" in again.stderr


def test_sdk_of_a_checkout_is_used(line: CommandLine, tmp_path: Path) -> None:
    sdk = tmp_path / "checkout" / "linera-sdk"
    assert line.run("project", "new", "one", "--linera-root", "checkout").exit_code == 1
    sdk.mkdir(parents=True)
    (sdk / "Cargo.toml").touch()
    shutil.rmtree(tmp_path / "one")
    line("project", "new", "one", "--linera-root", "checkout")
    assert f"path = '{sdk}'" in (tmp_path / "one" / "Cargo.toml").read_text()


@pytest.mark.parametrize(("status", "exit_code"), [(0, 0), (101, 1)])
def test_tests_run_for_this_machine(
    line: CommandLine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    exit_code: int,
) -> None:
    with_compiler(tmp_path, monkeypatch)
    noted = tmp_path / "noted"
    stand_in(tmp_path / "bin", "cargo", f'echo "$PWD $@" >{noted}; exit {status}', monkeypatch)
    line("project", "new", "one")
    assert line.run("project", "test", "one").exit_code == exit_code
    assert noted.read_text() == f"{tmp_path / 'one'} test --target here\n"


@pytest.mark.parametrize("arguments", [("test",), ("publish-and-create", "--no-build")])
def test_folders_without_a_project_are_refused(
    line: CommandLine, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    result = line.run("project", *arguments)
    assert result.exit_code == 1
    assert "catenula project new" in result.stderr
    (tmp_path / "Cargo.toml").write_text("[workspace]")
    result = line.run("project", *arguments)
    assert "does not describe a package" in result.stderr


def test_modules_are_built_and_published(
    network: LocalNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CARGO_TARGET_DIR", raising=False)
    with_compiler(tmp_path, monkeypatch)
    project = tmp_path / "my-sum"
    root = network.root_wallet()
    root("project", "new", str(project))
    release = project / "target" / toolchain.TARGET / "release"
    script = (
        f"[ $RUSTC_BOOTSTRAP = 1 ] && mkdir -p {release}\n"
        f"cp {EXAMPLES}/counter_contract.wasm {release}/my_sum_contract.wasm\n"
        f"cp {EXAMPLES}/counter_service.wasm {release}/my_sum_service.wasm\n"
    )
    options = ("--json-parameters", '{"limit": 10}', "--json-argument", "5")
    publish = ("project", "publish-and-create", str(project), *options)
    missing = root.run(*publish, "--no-build")
    assert missing.exit_code == 1
    assert "was not built" in missing.stderr
    stand_in(tmp_path / "bin", "cargo", script, monkeypatch)
    monkeypatch.setattr(toolchain, "_run", run_quietly)
    created = root.json(*publish)
    assert root.json("describe-application", created["application_id"])["block_height"] == 1
    assert root.json(*publish, "--no-build", "--dry-run")["operations"] == ["PublishModule"]


def run_quietly(
    command: tuple[str, ...], folder: Path, environment: dict[str, str], *, quiet_output: bool
) -> int:
    """As the real one, but without a standard error that has a number, as tests have none."""
    import subprocess

    assert quiet_output
    nothing = subprocess.DEVNULL
    done = subprocess.run(command, cwd=folder, env=environment, stdout=nothing, check=False)
    return done.returncode


def test_a_missing_toolchain_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("RUSTC", raising=False)
    monkeypatch.setattr(toolchain, "_SYSTEM_COMPILER", str(tmp_path / "rustc"))
    with pytest.raises(LocalError, match="cargo is not installed"):
        toolchain.cargo()
    with pytest.raises(LocalError, match="rust-src"):
        toolchain.build_modules(tmp_path, tmp_path / "target")


def test_crates_have_underscores() -> None:
    assert crate_name("a-b-c") == "a_b_c"
