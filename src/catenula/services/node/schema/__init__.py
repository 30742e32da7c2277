"""The GraphQL interface of a node service (spec 08 §2). Importing it imports graphql-core.

Names, types, arguments and defaults are those of the recorded introspection; the descriptions are
ours. Resolvers only translate: what a service does is in `catenula.services.node.service`.
"""

from catenula.services.node.schema.assembly import node_schema
from catenula.services.node.schema.literals import shorten_programs

__all__ = ["node_schema", "shorten_programs"]
