"""``catenula completion`` and the hidden commands that documentation is made and tested with."""

from pathlib import Path
from typing import TextIO

import click

from catenula.base.errors import LocalError
from catenula.cli.command import Invocation, command

PROGRAM = "catenula"
_SHELLS = ("bash", "elvish", "fish", "powershell", "zsh")
_FENCE = "```"
_SCRIPT_LANGUAGES = frozenset(("bash", "sh", "shell", "shellscript"))


@command(json_option=False)
@click.argument("shell", type=click.Choice(_SHELLS))
def completion(invocation: Invocation, shell: str) -> None:
    """Print the script that makes SHELL complete this program's commands and options.

    For example: source <(catenula completion bash)
    """
    from click.shell_completion import get_completion_class

    from catenula.cli.shells import COMPLETE_VARIABLE, register

    register()
    found = get_completion_class(shell)
    if found is None:
        raise LocalError(
            f"the installed version of click has no completion for {shell}; upgrade it",
            retryable=False,
        )
    root = invocation.context.find_root().command
    click.echo(found(root, {}, PROGRAM, COMPLETE_VARIABLE).source())


@command(json_option=False)
def help_markdown(invocation: Invocation) -> None:
    """Print the reference of all commands as Markdown."""
    root = invocation.context.find_root()
    lines = ["# Command-line reference", ""]
    lines += _markdown_of(root.command, root.info_name or PROGRAM, None)
    click.echo("\n".join(lines).rstrip())


def _markdown_of(found: click.Command, name: str, parent: click.Context | None) -> list[str]:
    context = click.Context(found, info_name=name, parent=parent)
    heading = context.command_path
    lines = [f"## `{heading}`", "", *_description(found)]
    usage = found.get_usage(context).removeprefix("Usage: ")
    lines += ["", f"**Usage:** `{usage}`", "", *_parameters(found, context)]
    if isinstance(found, click.Group):
        for child in found.list_commands(context):
            command_ = found.get_command(context, child)
            if command_ is not None and not command_.hidden:
                lines += _markdown_of(command_, child, context)
    return lines


def _description(found: click.Command) -> list[str]:
    return [line.strip() for line in (found.help or "").splitlines()]


def _parameters(found: click.Command, context: click.Context) -> list[str]:
    lines = []
    for parameter in found.get_params(context):
        record = None
        if not getattr(parameter, "hidden", False):
            record = parameter.get_help_record(context)
        if record is not None:
            lines.append(f"* `{record[0]}` — {record[1]}".rstrip(" —"))
    return [*lines, ""] if lines else []


@command(json_option=False)
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--pause-after-linera-service",
    type=float,
    default=3.0,
    help="Seconds to wait after `… service` lines.",
)
@click.option(
    "--pause-after-gql-mutations", type=float, default=3.0, help="Seconds to wait after mutations."
)
def extract_script(
    invocation: Invocation,
    path: Path,
    pause_after_linera_service: float | None,
    pause_after_gql_mutations: float | None,
) -> None:
    """Print the shell commands of a Markdown file, and its GraphQL mutations as requests."""
    with path.open() as file:
        for line in script_lines(file, pause_after_linera_service, pause_after_gql_mutations):
            click.echo(line)


def script_lines(
    file: TextIO, service_pause: float | None, mutation_pause: float | None
) -> list[str]:
    """The lines of a script from the fenced blocks of a document.

    Blocks marked ``ignore`` are left out. A block ``gql,uri=URL`` with a mutation is posted to the
    URL, whose variables the shell fills in.
    """
    script: list[str] = []
    block: list[str] | None = None
    mark = ""
    for raw in file:
        line = raw.rstrip("\n")
        if block is None and line.startswith(_FENCE):
            mark, block = line[len(_FENCE) :].strip(), []
        elif block is not None and line.startswith(_FENCE):
            script += _block_lines(mark, block, service_pause, mutation_pause)
            block = None
        elif block is not None:
            block.append(line)
    return script


def _block_lines(
    mark: str, block: list[str], service_pause: float | None, mutation_pause: float | None
) -> list[str]:
    language, _, attributes = mark.partition(",")
    if "ignore" in mark.replace(",", " ").split():
        return []
    if language in _SCRIPT_LANGUAGES:
        return _with_pauses(block, service_pause)
    if language == "gql" and attributes.startswith("uri=") and _is_mutation(block):
        pause = [] if mutation_pause is None else [f"sleep {mutation_pause:g}"]
        return [_request(attributes.removeprefix("uri="), block), *pause]
    return []


def _with_pauses(block: list[str], pause: float | None) -> list[str]:
    if pause is None:
        return [*block, ""]
    lines = []
    for line in block:
        lines.append(line)
        if line.rstrip().endswith("&") and " service " in line:
            lines.append(f"sleep {pause:g}")
    return [*lines, ""]


def _is_mutation(block: list[str]) -> bool:
    return any(line.strip().startswith("mutation") for line in block)


def _request(url: str, block: list[str]) -> str:
    """A call of curl; variables of the shell in the mutation are filled in."""
    import json

    text = json.dumps({"query": "\n".join(block)})
    quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("`", "\\`")
    return f'curl -sS -X POST -H "Content-Type: application/json" -d "{quoted}" "{url}"'
