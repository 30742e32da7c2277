"""HTTP servers inside a running event loop, and GraphQL on them.

`messages`, `application` and `metrics` need no library; `server` and `graphql_server` (uvicorn) and
`graphql` (graphql-core) are to be imported only where a service starts.
"""
