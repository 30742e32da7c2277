"""Differences are named by their place, in order."""

from catenula.conformance.differences import Difference, differences


def named(found: object, expected: object) -> list[str]:
    return [difference.field for difference in differences("x", found, expected)]


def test_equal_values_do_not_differ() -> None:
    assert named({"a": [1, None]}, {"a": [1, None]}) == []


def test_the_innermost_place_is_named() -> None:
    assert named({"a": [{"b": 1}, {"b": 2}]}, {"a": [{"b": 1}, {"b": 3}]}) == ["x.a[1].b"]


def test_missing_and_additional_members_are_named() -> None:
    assert list(differences("x", {"a": 1}, {"b": 2})) == [
        Difference("x.b", "nothing", "2"),
        Difference("x.a", "1", "nothing"),
    ]


def test_lists_of_other_lengths_differ_where_one_ends() -> None:
    assert named([1], [1, 2]) == ["x[1]"]
    assert named([1, 2], [1]) == ["x[1]"]


def test_values_of_other_types_differ_even_when_equal() -> None:
    assert named(1, True) == ["x"]


def test_long_values_are_cut() -> None:
    (difference,) = differences("x", "a" * 500, "b")
    assert "(502 characters)" in str(difference)
