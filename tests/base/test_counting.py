"""Counters and histograms, and the data they tell."""

import json

from catenula.base.counting import Counter, Histogram, counted, plain, spread


def test_a_counter_counts_by_labels() -> None:
    counter = Counter("method", "code")
    counter.add("Ask", "OK")
    counter.add("Ask", "OK", count=2)
    counter.add("Ask", "LOST")
    told = json.loads(json.dumps(counter.told()))
    assert told == {
        "labels": ["method", "code"],
        "counted": [[["Ask", "OK"], 3], [["Ask", "LOST"], 1]],
    }


def test_a_histogram_knows_between_which_bounds_values_fell() -> None:
    histogram = Histogram((1, 10), "phase")
    for value in (0, 1, 2, 10, 11, 1000):
        histogram.observe(value, "vote")
    assert histogram.told() == {
        "labels": ["phase"],
        "bounds": [1, 10],
        "measured": [[["vote"], [2, 2, 2], 1024]],
    }
    assert histogram.total() == 1024


def test_bounds_are_spread_evenly_over_magnitudes() -> None:
    assert spread(1, 100) == (1, 3, 10, 30, 100)
    assert spread(0.1, 1) == (0.1, 0.3, 1)
    assert spread(50, 1_000) == (50, 150, 500, 1500)


def test_plain_numbers_look_like_counters() -> None:
    counter = Counter()
    counter.add(count=4)
    assert plain(4) == counter.told()
    assert counted("name", {"a": 1}) == {"labels": ["name"], "counted": [[["a"], 1]]}


def test_many_measurements_at_once_count_as_one_by_one() -> None:
    values = [0.05, 0.1, 0.2, 5.0, 5.0, 10.0, 10.5, 1_000.0]
    one_by_one, at_once = Histogram(spread(0.1, 10)), Histogram(spread(0.1, 10))
    for value in values:
        one_by_one.observe(value)
    at_once.observe_all(values[:3])
    at_once.observe_all(values[3:])
    at_once.observe_all([])
    assert at_once.told() == one_by_one.told()
