"""Test tools that are part of the product: deterministic keys and clocks, faults, tiny networks.

Nothing here is random, sleeps or needs an event loop (`ManualClock` can serve one).

- `catenula.testing.keys`: the same keys in every run.
- `catenula.testing.clock`: a clock that only moves when it is told to.
- `catenula.testing.faulty_store`: a store whose commits fail on command.
- `catenula.testing.tiny_node`: one node driven by plain calls, which can crash and come back.
- `catenula.testing.tiny_network`: validators and a client node, blocks, votes and certificates.
- `catenula.testing.witness`: what a node has told the outside, and whether it still stands by it.
- `catenula.testing.supply`: counts the native tokens of a network.
"""
