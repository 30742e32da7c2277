"""The options that every command takes (spec 08 §1.1), before or after the command's name.

An option is a row of ``ROWS``. Rows without a purpose here belong to parts of the reference that
this implementation does not have; they are accepted, checked for their kind and left at that, so
that scripts run unchanged. The defaults are the protocol's tools' (spec 07 §1.2), but for the
number of retries (docs/decisions/0047).
This module must stay cheap to import: it is part of ``catenula --help``.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    from catenula.client.remote_node import NodeProvider

ENVIRONMENT = "LINERA"
"""Environment variables have the reference's names, so that scripts run unchanged."""

_SCHEDULER = "LINERA_REQUESTS_SCHEDULER_"


class Row(NamedTuple):
    """One global option; ``kind`` is a click type, ``flag``, or ``ids`` (separated by commas)."""

    name: str
    kind: Any
    default: Any = None
    help: str = ""
    environment: str | None = None
    purpose: bool = True
    short: str | None = None


def _unused(name: str, kind: Any = int, environment: str | None = None) -> Row:
    return Row(name, kind, environment=environment, purpose=False)


ROWS: tuple[Row, ...] = (
    # Files.
    Row("wallet", str, None, "The wallet file."),
    Row("keystore", str, None, "The file with the secret keys."),
    Row("storage", str, None, "Where blocks and chain states are kept, such as sqlite:PATH."),
    Row("with-wallet", str, None, "Read LINERA_WALLET_X and so on for this X.", short="-w"),
    # Network.
    Row("send-timeout-ms", int, 4_000, "How long connecting to a validator may take."),
    Row("recv-timeout-ms", int, 4_000, "How long a validator's answer may take."),
    Row("retry-delay-ms", int, 1_000, "The first delay between two tries of a request."),
    Row(
        "max-retries",
        int,
        None,
        "How often a request is tried again (4), a broken stream opened again (10).",
    ),
    Row("max-backoff-ms", int, 30_000, "The longest delay between two tries of a request."),
    # Blocks.
    Row("max-pending-message-bundles", int, 300, "Incoming bundles per block."),
    Row("max-block-limit-errors", int, 3, "Bundles dropped one by one when a block is too full."),
    Row("max-new-events-per-block", int, 10, "Events that one block takes note of."),
    Row("staging-bundles-time-budget-ms", int, None, "How long bundles may be tried out."),
    Row("prioritize-bundles-from", "ids", None, "Chains whose bundles come first."),
    Row("ignore-bundles-from", "ids", None, "Chains whose bundles are left alone."),
    # Messages.
    Row(
        "blanket-message-policy",
        click.Choice(["accept", "reject", "ignore"]),
        "accept",
        "What happens to messages that no other rule decides.",
    ),
    Row("restrict-chain-ids-to", "ids", None, "Take in messages and events of these chains only."),
    Row(
        "reject-message-bundles-without-application-ids",
        "ids",
        None,
        "Take in only bundles with a message of one of these applications.",
    ),
    Row(
        "reject-message-bundles-with-other-application-ids",
        "ids",
        None,
        "Take in only bundles whose messages are all of these applications.",
    ),
    Row(
        "process-events-from-application-ids",
        "ids",
        None,
        "Follow event streams of these applications only.",
    ),
    Row("never-reject-application-ids", "ids", None, "Keep failing messages of these for later."),
    # Consensus.
    Row("wait-for-outgoing-messages", "flag", False, "Wait until sent messages are delivered."),
    Row("allow-fast-blocks", "flag", False, "Allow blocks in the fast round."),
    Row(
        "quorum-grace-period",
        float,
        0.0,
        "How long to collect votes beyond a quorum, as a fraction of the time it took.",
    ),
    # Tuning.
    Row("blob-download-hedge-delay-ms", int, 1_000, "When a second validator is asked for a blob."),
    Row(
        "cert-batch-download-hedge-delay-ms",
        int,
        1_000,
        "When a second validator is asked for certificates.",
    ),
    Row("certificate-download-batch-size", int, 500, "Certificates per request."),
    Row("certificate-upload-batch-size", int, 500, "Certificates read at a time for an upload."),
    Row(
        "sender-certificate-download-batch-size", int, 20_000, "Sender blocks considered at a time."
    ),
    Row("max-concurrent-batch-downloads", int, 1, "Batches of certificates fetched at a time."),
    Row("max-joined-tasks", int, 100, "Tasks that run at the same time."),
    Row("max-event-stream-queries", int, 1_000, "Event streams per request."),
    # Request scheduler.
    Row("max-accepted-latency-ms", int, 5_000, "", _SCHEDULER + "MAX_ACCEPTED_LATENCY_MS"),
    Row("cache-ttl-ms", int, 2_000, "", _SCHEDULER + "CACHE_TTL_MS"),
    Row("cache-max-size", int, 1_000, "", _SCHEDULER + "CACHE_MAX_SIZE"),
    Row("max-request-ttl-ms", int, 200, "", _SCHEDULER + "MAX_REQUEST_TTL_MS"),
    Row("alpha", float, 0.1, "", _SCHEDULER + "ALPHA"),
    Row(
        "alternative-peers-retry-delay-ms",
        int,
        150,
        "",
        _SCHEDULER + "ALTERNATIVE_PEERS_RETRY_DELAY_MS",
    ),
    # Notifications and the listener.
    Row(
        "notification-circuit-breaker-initial-probe-interval-ms",
        int,
        300_000,
        "When a validator that stopped sending notifications is tried again.",
    ),
    Row(
        "notification-circuit-breaker-max-probe-interval-ms",
        int,
        3_600_000,
        "The longest time between two such tries.",
    ),
    Row(
        "listener-skip-process-inbox",
        "flag",
        False,
        "Do not take in messages by itself.",
        "LINERA_LISTENER_SKIP_PROCESS_INBOX",
    ),
    Row("listener-delay-before-ms", int, 0, "", "LINERA_LISTENER_DELAY_BEFORE"),
    Row("listener-delay-after-ms", int, 0, "", "LINERA_LISTENER_DELAY_AFTER"),
    # Applications.
    Row(
        "long-lived-services",
        "flag",
        False,
        "Keep services of applications in memory between the queries of one block height.",
    ),
    Row(
        "with-application-logs",
        "flag",
        False,
        "Show what applications log on standard error.",
        "LINERA_APPLICATION_LOGS",
    ),
    Row("timings", "flag", False, "Tell on standard error how long each part took."),
    # Without a counterpart here.
    _unused("chain-worker-ttl-ms", int, "LINERA_CHAIN_WORKER_TTL_MS"),
    _unused("sender-chain-worker-ttl-ms", int, "LINERA_SENDER_CHAIN_WORKER_TTL_MS"),
    _unused("cross-chain-batch-size-limit"),
    _unused("timing-interval"),
    _unused("wasm-runtime", click.Choice(["wasmer", "wasmtime"], case_sensitive=False)),
    _unused("tokio-threads", int, "LINERA_CLIENT_TOKIO_THREADS"),
    _unused("tokio-blocking-threads", int, "LINERA_CLIENT_TOKIO_BLOCKING_THREADS"),
    _unused("chrome-trace-exporter", "flag"),
    _unused("chrome-trace-file", str, "LINERA_CHROME_TRACE_FILE"),
    _unused("otlp-exporter-endpoint", str, "LINERA_OTLP_EXPORTER_ENDPOINT"),
    _unused("rocksdb-enable-statistics", "flag"),
    _unused("rocksdb-statistics-level", str),
    *(
        _unused(f"storage-{name}")
        for name in (
            "max-concurrent-queries",
            "max-stream-queries",
            "max-cache-size",
            "max-value-entry-size",
            "max-find-keys-entry-size",
            "max-find-key-values-entry-size",
            "max-cache-entries",
            "max-cache-value-size",
            "max-cache-find-keys-size",
            "max-cache-find-key-values-size",
            "replication-factor",
        )
    ),
    *(
        _unused(f"{name}-cache-size")
        for name in (
            "blob",
            "confirmed-block",
            "certificate",
            "certificate-raw",
            "event",
            "block-hash-by-height",
            "block",
            "execution-state",
        )
    ),
)

_DEFAULTS: dict[str, Any] = {row.name: row.default for row in ROWS}


@dataclass(slots=True)
class GlobalOptions:
    """What was given, over the defaults; ``provider`` replaces connections over gRPC."""

    given: dict[str, Any] = field(default_factory=dict)
    provider: "NodeProvider | None" = None

    def __getitem__(self, name: str) -> Any:
        """The value of an option, named as on the command line without the dashes."""
        found = self.given.get(name)
        return _DEFAULTS[name] if found is None else found

    def location(self, name: str) -> str | None:
        """A path or storage string: the option, else the environment, else None (spec 07 §14.1)."""
        given: str | None = self.given.get(name)
        if given is not None:
            return given
        suffix = self.given.get("with-wallet")
        variable = f"{ENVIRONMENT}_{name.upper()}" + (f"_{suffix}" if suffix else "")
        return os.environ.get(variable) or None


def options_of(context: click.Context) -> GlobalOptions:
    """The global options of the running command."""
    return context.find_root().ensure_object(GlobalOptions)


def click_options(*, after_command: bool, taken: Sequence[str] = ()) -> list[click.Option]:
    """The rows as options of click.

    After a command's name they are hidden, read no environment, and give way to options of the
    command with the same name.
    """
    return [
        _option(row, after_command=after_command)
        for row in ROWS
        if not after_command or f"--{row.name}" not in taken
    ]


def _option(row: Row, *, after_command: bool) -> click.Option:
    def keep(context: click.Context, _: click.Parameter, value: Any) -> None:
        if value is not None:
            options_of(context).given[row.name] = value

    names = [f"--{row.name}", f"global_{row.name.replace('-', '_')}"]
    if row.short is not None and not after_command:
        names.append(row.short)
    attributes: dict[str, Any] = {"is_flag": True, "flag_value": True, "default": None}
    if row.kind != "flag":
        attributes = {"type": str if row.kind == "ids" else row.kind, "default": None}
    return click.Option(
        names,
        expose_value=False,
        callback=keep,
        hidden=after_command or not row.purpose or not row.help,
        help=_help(row),
        envvar=None if after_command else row.environment,
        **attributes,
    )


def _help(row: Row) -> str:
    shown = row.default not in (None, False)
    return f"{row.help}  [default: {row.default}]" if shown else row.help
