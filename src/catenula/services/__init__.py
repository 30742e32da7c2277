"""Services on top of a client: HTTP, GraphQL, the faucet.

Nothing here contains rules of the protocol. HTTP and GraphQL libraries are imported late.
"""
