"""The introspection query of the recordings, and what is compared of its answer."""

from typing import Any

INTROSPECTION = """
query { __schema {
  queryType { name } mutationType { name } subscriptionType { name }
  types { ...FullType }
  directives { name description locations args { ...InputValue } }
} }
fragment FullType on __Type {
  kind name description
  fields(includeDeprecated: true) {
    name description args { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason }
  inputFields { ...InputValue } interfaces { ...TypeRef }
  enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason }
  possibleTypes { ...TypeRef }
}
fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue }
fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name
  ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } }
"""


def without_descriptions(data: Any) -> Any:
    """The same data with every description left out."""
    if isinstance(data, dict):
        return {
            key: None if key == "description" else without_descriptions(value)
            for key, value in data.items()
        }
    return [without_descriptions(item) for item in data] if isinstance(data, list) else data
