"""From global options to what the layers below take: places of files, client settings."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from catenula.base.errors import ProtocolError
from catenula.base.identifiers import ApplicationId, ChainId, GenericApplicationId
from catenula.cli.global_options import GlobalOptions
from catenula.cli.parameters import in_words
from catenula.client.message_policy import BlanketPolicy, MessagePolicy
from catenula.client.options import DEFAULT_OPTIONS, ClientOptions, ListenerOptions

if TYPE_CHECKING:
    from catenula.transport.grpc_client import GrpcOptions

_T = TypeVar("_T")

_FOLDER = "linera"
_US_PER_MS = 1_000
_MS_PER_SECOND = 1_000


class Places(NamedTuple):
    """Where the files of a wallet are."""

    wallet: Path
    keystore: Path
    storage: str


def places_of(options: GlobalOptions) -> Places:
    """Options before environment before defaults (spec 07 §14.1).

    The default storage is a database of ours beside the wallet: the reference's is RocksDB, which
    only one process can use.
    """
    folder = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / _FOLDER
    wallet = Path(options.location("wallet") or folder / "wallet.json")
    keystore = Path(options.location("keystore") or folder / "keystore.json")
    storage = options.location("storage") or f"sqlite:{wallet.with_suffix('.sqlite')}"
    return Places(wallet, keystore, storage)


def client_options(options: GlobalOptions) -> ClientOptions:
    """The settings of a client; wrong usage for a text that is not an identifier."""
    budget = options["staging-bundles-time-budget-ms"]
    return ClientOptions(
        max_pending_message_bundles=options["max-pending-message-bundles"],
        max_block_limit_errors=options["max-block-limit-errors"],
        max_new_events_per_block=options["max-new-events-per-block"],
        staging_bundles_time_budget_us=None if budget is None else budget * _US_PER_MS,
        wait_for_outgoing_messages=options["wait-for-outgoing-messages"],
        allow_fast_blocks=options["allow-fast-blocks"],
        long_lived_services=options["long-lived-services"],
        quorum_grace_period=options["quorum-grace-period"],
        blob_download_hedge_delay_us=options["blob-download-hedge-delay-ms"] * _US_PER_MS,
        certificate_download_hedge_delay_us=(
            options["cert-batch-download-hedge-delay-ms"] * _US_PER_MS
        ),
        certificate_batch_size=options["certificate-download-batch-size"],
        sender_certificate_batch_size=options["sender-certificate-download-batch-size"],
        max_joined_tasks=options["max-joined-tasks"],
        max_event_stream_queries=options["max-event-stream-queries"],
        max_accepted_latency_us=options["max-accepted-latency-ms"] * _US_PER_MS,
        cache_ttl_us=options["cache-ttl-ms"] * _US_PER_MS,
        cache_max_size=options["cache-max-size"],
        max_request_ttl_us=options["max-request-ttl-ms"] * _US_PER_MS,
        alpha=options["alpha"],
        alternative_peers_retry_delay_us=(options["alternative-peers-retry-delay-ms"] * _US_PER_MS),
        retry_delay_us=options["retry-delay-ms"] * _US_PER_MS,
        max_retries=_number(options["max-retries"], DEFAULT_OPTIONS.max_retries),
        max_backoff_us=options["max-backoff-ms"] * _US_PER_MS,
        notification_circuit_breaker_initial_probe_interval_us=(
            options["notification-circuit-breaker-initial-probe-interval-ms"] * _US_PER_MS
        ),
        notification_circuit_breaker_max_probe_interval_us=(
            options["notification-circuit-breaker-max-probe-interval-ms"] * _US_PER_MS
        ),
        priority_origins=tuple(_ids(options, "prioritize-bundles-from", ChainId.parse) or ()),
        message_policy=_message_policy(options),
    )


def grpc_options(options: GlobalOptions) -> "GrpcOptions":
    """How validators are called."""
    from catenula.transport.grpc_client import GrpcOptions

    return GrpcOptions(
        connect_timeout_seconds=options["send-timeout-ms"] / _MS_PER_SECOND,
        request_timeout_seconds=options["recv-timeout-ms"] / _MS_PER_SECOND,
        retry_delay_seconds=options["retry-delay-ms"] / _MS_PER_SECOND,
        max_backoff_seconds=options["max-backoff-ms"] / _MS_PER_SECOND,
        max_retries=_number(options["max-retries"], GrpcOptions().max_retries),
    )


def _number(given: int | None, otherwise: int) -> int:
    return otherwise if given is None else given


def listener_options(options: GlobalOptions) -> ListenerOptions:
    """How a `ChainListener` behaves."""
    return ListenerOptions(
        skip_process_inbox=options["listener-skip-process-inbox"],
        delay_before_us=options["listener-delay-before-ms"] * _US_PER_MS,
        delay_after_us=options["listener-delay-after-ms"] * _US_PER_MS,
    )


def _message_policy(options: GlobalOptions) -> MessagePolicy:
    chains, applications = ChainId.parse, GenericApplicationId.parse
    return MessagePolicy(
        blanket=BlanketPolicy(options["blanket-message-policy"].capitalize()),
        restrict_chain_ids_to=_set(options, "restrict-chain-ids-to", chains),
        ignore_chain_ids=_set(options, "ignore-bundles-from", chains) or frozenset(),
        reject_without_application_ids=_set(
            options, "reject-message-bundles-without-application-ids", applications
        ),
        reject_with_other_application_ids=_set(
            options, "reject-message-bundles-with-other-application-ids", applications
        ),
        never_reject_application_ids=(
            _set(options, "never-reject-application-ids", ApplicationId.parse) or frozenset()
        ),
        process_events_from_application_ids=_set(
            options, "process-events-from-application-ids", applications
        ),
    )


def _set(options: GlobalOptions, name: str, parse: Callable[[str], _T]) -> frozenset[_T] | None:
    found = _ids(options, name, parse)
    return None if found is None else frozenset(found)


def _ids(options: GlobalOptions, name: str, parse: Callable[[str], _T]) -> list[_T] | None:
    """Identifiers separated by commas; an empty text is an empty list, no text is None."""
    text: Any = options[name]
    if text is None:
        return None
    try:
        return [parse(part.strip()) for part in text.split(",") if part.strip()]
    except ProtocolError as error:
        raise click.BadParameter(in_words(error), param_hint=f"--{name}") from error
