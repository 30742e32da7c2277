"""HTTP servers inside a running event loop, and GraphQL on them.

`messages` and `application` need no library; `server` (uvicorn) and `graphql` (graphql-core) are to
be imported only where a service starts.
"""
