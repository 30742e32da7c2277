"""How a command is declared: `command` adds ``--json`` and the global options to it.

A command function gets an `Invocation` first: its output, the global options, and `run` for a body
that needs the wallet. This module must stay cheap to import.
"""

from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

import click

from catenula.cli.global_options import GlobalOptions, click_options, options_of
from catenula.cli.output import Output
from catenula.cli.timings import Timings

if TYPE_CHECKING:
    from catenula.cli.session import Session

_T = TypeVar("_T")
Options = Callable[[_T], _T]
"""A decorator that gives a command function options."""

AS_JSON = "catenula.as_json"


class Invocation:
    """One run of a command."""

    def __init__(self, context: click.Context) -> None:
        self.context = context
        self.options: GlobalOptions = options_of(context)
        self.output = Output(
            as_json=bool(context.meta.get(AS_JSON)),
            timings=Timings() if self.options["timings"] else None,
        )

    def run(self, body: "Callable[[Session], Awaitable[_T]]", *, serves: bool = False) -> _T:
        """Open the wallet, run ``body`` on its session, save what has changed, close.

        What ``serves`` until it is stopped runs on the fastest event loop there is.
        """
        from catenula.cli.session import open_session

        async def within() -> _T:
            async with open_session(self.options, self.output) as session:
                return await body(session)

        start = _run_fast if serves else run
        if self.output.timings is None:
            return start(within())
        try:
            with self.output.timings.measure("the whole command"):
                return start(within())
        finally:
            self.output.timings.tell()

    def run_alone(self, body: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine that needs no wallet."""
        return run(body)


def run(body: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine to its end on an event loop of its own."""
    import asyncio

    return asyncio.run(body)


def _run_fast(body: Coroutine[Any, Any, _T]) -> _T:
    """As `run`, on the fastest event loop there is."""
    from catenula.transport import event_loop

    return event_loop.run(body)


class Command(click.Command):
    """A command that takes ``--json`` and, after its name too, the global options."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The command's own parameters, then the hidden global ones."""
        own = super().get_params(ctx)
        taken = [name for parameter in own for name in parameter.opts]
        return [*own, *click_options(after_command=True, taken=taken)]


def _keep_json(context: click.Context, _: click.Parameter, value: bool) -> None:
    context.meta[AS_JSON] = value


def command(*, json_option: bool = True, **attributes: Any) -> Callable[[Any], Command]:
    """Declare a command; the function's first argument is the `Invocation`."""

    def declare(function: Callable[..., Any]) -> Command:
        @click.pass_context
        def call(context: click.Context, *arguments: Any, **options: Any) -> Any:
            return function(Invocation(context), *arguments, **options)

        call.__doc__ = function.__doc__
        call.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined]  # Where click keeps the options of decorators.
        if json_option:
            option = click.Option(
                ["--json"],
                is_flag=True,
                expose_value=False,
                callback=_keep_json,
                help="Print the result as JSON (docs/cli-json.md).",
            )
            call.__click_params__.insert(0, option)  # type: ignore[attr-defined]  # As above.
        return click.command(cls=Command, **attributes)(call)

    return declare


def combined(*options: Options[Any]) -> Options[Any]:
    """One decorator for several, in the order in which they would stand."""

    def decorate(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


DRY_RUN = click.option(
    "--dry-run", is_flag=True, help="Tell what would be done and cost; sign and send nothing."
)
