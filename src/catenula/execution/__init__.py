"""The system application, user applications' runtime interface, transactions and fees (spec 02).

Turns a proposed block into an execution outcome and a new execution state. The layer is
synchronous and deterministic: what it needs from outside comes through `Environment` (shared data)
and `Oracles` (clock, HTTP, service deadlines).

Entry points: `state.ExecutionState`, `initialization.initialize_chain`, `block.execute_block`,
`staging.stage_block`, `queries.query_application`; applications enter through
`applications.ApplicationLoader` and talk to `runtime.ContractRuntime`.
"""
