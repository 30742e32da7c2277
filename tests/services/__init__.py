"""Services: HTTP, GraphQL, the faucet."""
