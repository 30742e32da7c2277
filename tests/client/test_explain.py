"""What a person is told about a block or a query that the local node refuses."""

import pytest

from catenula.base.errors import ProtocolError
from catenula.base.identifiers import ApplicationId, ChainId
from catenula.client.errors import BlockRefused, ClientError
from catenula.client.explain import explain_refusal, reasons_of
from catenula.execution.errors import BlockRuleError, ErrorContext, ExecutionError

CHAIN = ChainId(b"\x11" * 32)
APPLICATION = ApplicationId(b"\x22" * 32)


def told(error: ProtocolError) -> ClientError:
    return explain_refusal(error, CHAIN)


def guest_error(**fields: object) -> ExecutionError:
    error = ExecutionError("WasmError", reason="unreachable", **fields)
    error.context = ErrorContext("Operation", 2)
    return error


@pytest.mark.parametrize("code", ["AuthorizedApplications", "MissingMandatoryApplications"])
def test_permissions_of_a_chain_name_the_applications(code: str) -> None:
    error = told(BlockRuleError(code, applications=(APPLICATION,)))
    assert type(error) is BlockRefused
    assert str(APPLICATION) in error.explanation.reasons[0].text
    assert "application that is named above" in error.explanation.next_step


def test_an_operation_is_to_be_changed_only_where_one_is_named() -> None:
    somewhere, in_operation = BlockRuleError("Odd"), ExecutionError("Odd")
    in_operation.context = ErrorContext("Operation", 2)
    assert "what is in the block" in told(somewhere).explanation.next_step
    assert "what is named above" in told(in_operation).explanation.next_step


def test_nobody_is_sent_to_a_log_that_is_empty() -> None:
    message = told(guest_error()).message()
    assert "An application failed" in message
    assert "log" not in message


def test_what_a_contract_ran_into_is_told_with_both_times() -> None:
    error = guest_error()
    error.__cause__ = ExecutionError("AssertBefore", timestamp=1_500_000, local_time=2_000_000)
    explanation = told(error).explanation
    assert explanation.what == "An application allows this only before a time that has come"
    times = "it is allowed before 1970-01-01 00:00:01.500, now is 1970-01-01 00:00:02"
    assert explanation.reasons[-1].text == times


@pytest.mark.parametrize(
    ("logged", "shown"),
    [
        ("Failed to deserialize argument [110, 117, 108, 108]", " (the text null)"),
        ("Failed to deserialize argument [110, 255]", ""),
        ("Failed to deserialize argument []", ""),
        ("three numbers: [110, 117, 108]", ""),
    ],
)
def test_bytes_that_could_not_be_read_are_shown_as_text(logged: str, shown: str) -> None:
    reasons = reasons_of(guest_error(log=(f"panicked at a.rs:1:2:\n{logged}",)))
    assert reasons[-1].text == f"it logged: {logged}{shown}"
