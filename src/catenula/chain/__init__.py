"""One chain's state and consensus: mailboxes, chain manager, block validity, execution of blocks.

Synchronous and deterministic: the clock, the key and shared storage come in as arguments, effects
are returned. Nothing is signed that is not part of the state saved with it.
"""
