"""The fee policy and limits of a committee (spec 02 §14)."""

from catenula.base.codec import MemoRecord, SetOf
from catenula.base.integers import U64, U64_MAX, Amount

_ZERO = Amount(0)
_NO_LIMIT = U64(U64_MAX)


class ResourceControlPolicy(MemoRecord, frozen=True):
    """Prices in attotokens and limits per block; the default is ``no_fees`` (spec 02 §14.6)."""

    wasm_fuel_unit: Amount = _ZERO
    evm_fuel_unit: Amount = _ZERO
    read_operation: Amount = _ZERO
    write_operation: Amount = _ZERO
    byte_runtime: Amount = _ZERO
    byte_read: Amount = _ZERO
    byte_written: Amount = _ZERO
    blob_read: Amount = _ZERO
    blob_published: Amount = _ZERO
    blob_byte_read: Amount = _ZERO
    blob_byte_published: Amount = _ZERO
    byte_stored: Amount = _ZERO
    operation: Amount = _ZERO
    operation_byte: Amount = _ZERO
    message: Amount = _ZERO
    message_byte: Amount = _ZERO
    service_as_oracle_query: Amount = _ZERO
    http_request: Amount = _ZERO
    maximum_wasm_fuel_per_block: U64 = _NO_LIMIT
    maximum_evm_fuel_per_block: U64 = _NO_LIMIT
    maximum_service_oracle_execution_ms: U64 = _NO_LIMIT
    maximum_block_size: U64 = _NO_LIMIT
    maximum_bytecode_size: U64 = _NO_LIMIT
    maximum_blob_size: U64 = _NO_LIMIT
    maximum_published_blobs: U64 = _NO_LIMIT
    maximum_block_proposal_size: U64 = _NO_LIMIT
    maximum_bytes_read_per_block: U64 = _NO_LIMIT
    maximum_bytes_written_per_block: U64 = _NO_LIMIT
    maximum_oracle_response_bytes: U64 = _NO_LIMIT
    maximum_http_response_bytes: U64 = _NO_LIMIT
    http_request_timeout_ms: U64 = _NO_LIMIT
    http_request_allow_list: SetOf[str] = ()


NO_FEES = ResourceControlPolicy()

TESTNET = ResourceControlPolicy(
    wasm_fuel_unit=Amount(10**10),
    evm_fuel_unit=Amount(10**10),
    read_operation=Amount(10**13),
    write_operation=Amount(2 * 10**13),
    byte_runtime=Amount(10**9),
    byte_read=Amount(10**10),
    byte_written=Amount(10**11),
    blob_read=Amount(10**11),
    blob_published=Amount(10**12),
    blob_byte_read=Amount(10**10),
    blob_byte_published=Amount(10**11),
    byte_stored=Amount(10**10),
    operation=Amount(10**13),
    operation_byte=Amount(10**10),
    message=Amount(10**13),
    message_byte=Amount(10**11),
    service_as_oracle_query=Amount(10**16),
    http_request=Amount(5 * 10**13),
    maximum_wasm_fuel_per_block=U64(100_000_000),
    maximum_evm_fuel_per_block=U64(100_000_000),
    maximum_service_oracle_execution_ms=U64(10_000),
    maximum_block_size=U64(1_000_000),
    maximum_bytecode_size=U64(10_000_000),
    maximum_blob_size=U64(1_000_000),
    maximum_published_blobs=U64(10),
    maximum_block_proposal_size=U64(13_000_000),
    maximum_bytes_read_per_block=U64(100_000_000),
    maximum_bytes_written_per_block=U64(10_000_000),
    maximum_oracle_response_bytes=U64(10_000),
    maximum_http_response_bytes=U64(10_000),
    http_request_timeout_ms=U64(20_000),
)
