"""GraphQL over HTTP and WebSockets, answering as clients of the reference expect it.

Importing any module of this package imports graphql-core, so a service does it when it starts.
"""
