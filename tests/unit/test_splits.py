"""Splits keep their laws: nothing is lost, groups stay whole, time does not go back, classes keep their share."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.preprocessing.copies import codes_of, copies_in_array, copies_in_table
from lepton_ai.platform.preprocessing.schema import Column, Kind, Role, Schema
from lepton_ai.platform.preprocessing.split_keys import SplitKeys, SplitKind, rule_for, strata_of_numbers
from lepton_ai.platform.preprocessing.splits import Split, folds, split

SEEDS = st.integers(0, 2**31)
SHARES = st.floats(0.05, 0.45)
CLASSES = st.lists(st.integers(0, 4), min_size=10, max_size=150).map(np.array)
GROUPS = st.lists(st.integers(0, 12), min_size=20, max_size=150).filter(lambda rows: len(set(rows)) >= 6).map(np.array)
TIMES = st.lists(st.integers(0, 40), min_size=20, max_size=150).filter(lambda rows: len(set(rows)) >= 8).map(np.array)


def parts_of(made: Split) -> list[set[int]]:
    return [set(map(int, rows)) for rows in (made.train, made.validation, made.test.open())]


@given(CLASSES, SHARES, SHARES, SEEDS)
def test_every_row_is_in_one_part(strata: np.ndarray, validation: float, test: float, seed: int) -> None:
    train, validated, tested = parts_of(
        split(SplitKeys(len(strata), strata=strata), validation=validation, test=test, seed=seed)
    )
    assert train | validated | tested == set(range(len(strata)))
    assert len(train) + len(validated) + len(tested) == len(strata)
    assert train
    assert validated
    assert tested


@given(CLASSES, SHARES, SEEDS)
def test_each_class_of_the_test_part_is_within_one_row_of_its_share(strata: np.ndarray, test: float, seed: int) -> None:
    made = split(SplitKeys(len(strata), strata=strata), validation=0, test=test, seed=seed)
    held = strata[made.test.open()]
    for stratum in np.unique(strata):
        assert abs((held == stratum).sum() - test * (strata == stratum).sum()) <= 1


@given(CLASSES, SHARES, SEEDS)
def test_rare_classes_are_on_both_sides_where_there_are_two_rows(strata: np.ndarray, share: float, seed: int) -> None:
    made = split(SplitKeys(len(strata), strata=strata), validation=share, test=0, seed=seed)
    for stratum, count in zip(*np.unique(strata, return_counts=True), strict=True):
        assert stratum in strata[made.train] or len(np.unique(strata)) == len(strata)
        assert count < 2 or stratum in strata[made.validation]


@given(CLASSES, st.integers(2, 10), SEEDS)
def test_folds_hold_each_class_and_all_rows_within_one_row_of_each_other(
    strata: np.ndarray, number: int, seed: int
) -> None:
    made = folds(SplitKeys(len(strata), strata=strata), number, seed=seed)
    judged = np.concatenate([fold.validation for fold in made])
    assert sorted(judged.tolist()) == list(range(len(strata)))
    assert np.ptp([len(fold.validation) for fold in made]) <= 1
    for stratum in np.unique(strata):
        assert np.ptp([(strata[fold.validation] == stratum).sum() for fold in made]) <= 1
    for fold in made:
        assert set(fold.train) == set(range(len(strata))) - set(fold.validation)


@given(GROUPS, SHARES, SHARES, SEEDS)
def test_groups_never_cross(groups: np.ndarray, validation: float, test: float, seed: int) -> None:
    made = split(SplitKeys(len(groups), groups=groups), validation=validation, test=test, seed=seed)
    train, validated, tested = parts_of(made)
    assert len(train) + len(validated) + len(tested) == len(groups)
    found = [set(groups[sorted(part)]) for part in (train, validated, tested)]
    assert all(found)
    assert sum(map(len, found)) == len(set(groups))


@given(GROUPS, st.integers(2, 6), SEEDS)
def test_folds_of_groups_differ_by_no_more_than_the_largest_group(groups: np.ndarray, number: int, seed: int) -> None:
    made = folds(SplitKeys(len(groups), groups=groups), number, seed=seed)
    assert np.ptp([len(fold.validation) for fold in made]) <= np.bincount(groups).max()
    for fold in made:
        assert not set(groups[fold.train]) & set(groups[fold.validation])


@given(TIMES, SHARES, SHARES)
def test_time_never_goes_back(times: np.ndarray, validation: float, test: float) -> None:
    made = split(SplitKeys(len(times), times=times), validation=validation, test=test)
    tested = made.test.open()
    assert len(made.train) + len(made.validation) + len(tested) == len(times)
    assert times[made.train].max() < times[made.validation].min()
    assert times[made.validation].max() < times[tested].min()


@given(TIMES, st.integers(2, 7))
def test_folds_by_time_chain_forward(times: np.ndarray, number: int) -> None:
    made = folds(SplitKeys(len(times), times=times), number)
    for fold in made:
        assert times[fold.train].max() < times[fold.validation].min()
        assert set(fold.train) == set(np.flatnonzero(times < times[fold.validation].min()))
    for fold, following in pairwise(made):
        assert set(following.train) == set(fold.train) | set(fold.validation)
    assert times[made[-1].validation].max() == times.max()


@given(GROUPS, SEEDS)
def test_by_group_and_time_neither_is_broken(groups: np.ndarray, seed: int) -> None:
    times = np.random.default_rng(seed).permutation(len(groups))
    try:
        made = split(SplitKeys(len(groups), groups=groups, times=times), validation=0.2, test=0.2, seed=seed)
    except InvalidInput as error:
        assert "by group and time" in error.message or "are needed to split" in error.message
        return
    tested = made.test.open()
    parts = [made.train, made.validation, tested]
    assert times[made.train].max() < times[made.validation].min()
    assert times[made.validation].max() < times[tested].min()
    assert sum(len(set(groups[part])) for part in parts) == len(set(groups[np.concatenate(parts)]))
    assert sum(map(len, parts)) + made.left_out == len(groups)


@given(CLASSES, SEEDS)
def test_same_seed_same_split(strata: np.ndarray, seed: int) -> None:
    keys = SplitKeys(len(strata), strata=strata)
    assert parts_of(split(keys, seed=seed)) == parts_of(split(keys, seed=seed))


def test_other_seed_other_split() -> None:
    keys = SplitKeys(200, strata=np.arange(200) % 2)
    assert parts_of(split(keys, seed=0)) != parts_of(split(keys, seed=1))
    first, second = (folds(keys, 4, seed=seed)[0].validation.tolist() for seed in (0, 1))
    assert first != second


@given(st.lists(st.integers(0, 30), min_size=10, max_size=120).filter(lambda rows: len(set(rows)) >= 4), SEEDS)
def test_copies_are_on_one_side_and_do_not_upset_the_classes(rows: list[int], seed: int) -> None:
    copies = np.array(rows)
    made = split(SplitKeys(len(rows), strata=copies % 2, copies=copies), seed=seed)
    train, validated, tested = (set(copies[sorted(part)]) for part in parts_of(made))
    assert not train & validated
    assert not train & tested
    assert not validated & tested


def test_large_groups_keep_the_share_of_a_rare_class() -> None:
    chance = np.random.default_rng(0)
    groups = np.repeat(np.arange(300), chance.integers(2, 40, 300))
    strata = (chance.random(300) < 0.1).astype(int)[groups]
    made = split(SplitKeys(len(groups), strata=strata, groups=groups), validation=0, test=0.2)
    held = made.test.open()
    assert len(held) / len(groups) == pytest.approx(0.2, abs=0.01)
    assert strata[held].mean() == pytest.approx(strata.mean(), abs=0.01)


def test_panel_of_stores_and_weeks_is_judged_on_other_stores_in_later_weeks() -> None:
    stores, weeks = np.repeat(np.arange(20), 50), np.tile(np.arange(50), 20)
    made = split(SplitKeys(1000, groups=stores, times=weeks), validation=0, test=0.2)
    tested = made.test.open()
    assert len(tested) == 4 * 10
    assert len(made.train) == 16 * 40
    assert made.left_out == 1000 - 40 - 640
    assert made.kind is SplitKind.GROUP_TIME
    chain = folds(SplitKeys(1000, groups=stores, times=weeks), 4)
    assert [len(fold.validation) for fold in chain] == [5 * 10] * 4
    assert [len(fold.train) for fold in chain] == [15 * 10, 15 * 20, 15 * 30, 15 * 40]


def test_group_that_begins_after_the_cut_is_kept_back_whole() -> None:
    groups, times = np.repeat(np.arange(10), 10), np.arange(100)
    made = split(SplitKeys(100, groups=groups, times=times), validation=0, test=0.2)
    assert made.test.open().tolist() == list(range(80, 100))
    assert made.left_out == 0


def test_sealed_rows_come_out_through_open_alone_which_counts() -> None:
    made = split(SplitKeys(100), test=0.2)
    assert len(made.test) == 20
    assert made.test.opened == 0
    assert made.to_json()["test_opened"] == 0
    rows = made.test.open()
    rows[:] = 0
    assert sorted(made.test.open().tolist()) != sorted(rows.tolist())
    assert made.test.opened == 2
    assert made.to_json()["test_opened"] == 2
    shown = [value for name, value in vars(made.test).items() if not name.startswith("_SealedTest__")]
    assert not any(isinstance(value, np.ndarray) for value in shown)


def test_keys_of_some_rows_split_these_further() -> None:
    keys = SplitKeys(60, groups=np.repeat(np.arange(20), 3))
    made = split(keys, validation=0, test=0.5)
    inner = split(keys.take(made.train), validation=0.5, test=0)
    assert len(inner.train) + len(inner.validation) == len(made.train)
    assert not set(keys.groups[made.train[inner.train]]) & set(keys.groups[made.train[inner.validation]])


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (SplitKeys(0), "at least 2 rows are needed to split into 2 parts, got 0"),
        (SplitKeys(1), "at least 2 rows are needed to split into 2 parts, got 1"),
        (SplitKeys(9, groups=np.zeros(9)), "at least 2 different groups are needed to split into 2 parts, got 1"),
        (SplitKeys(9, copies=np.zeros(9)), "at least 2 different rows are needed to split into 2 parts, got 1"),
        (SplitKeys(9, times=np.zeros(9)), "at least 2 different times are needed to split into 2 spans, got 1"),
    ],
)
def test_too_little_to_split_is_said(keys: SplitKeys, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        split(keys, validation=0.3, test=0.3)
    assert caught.value.message == message


def test_a_cut_in_time_with_no_group_to_learn_from_is_refused() -> None:
    keys = SplitKeys(6, groups=np.array([0, 0, 1, 1, 0, 0]), times=np.arange(6))
    with pytest.raises(InvalidInput, match="cannot be split by group and time"):
        folds(keys, 2)


def test_bad_shares_and_numbers_are_refused() -> None:
    keys = SplitKeys(10)
    with pytest.raises(InvalidInput, match=r"`test` must be a share from 0 to below 1, got test=1\.5"):
        split(keys, test=1.5)
    with pytest.raises(InvalidInput, match="must leave rows to train on"):
        split(keys, validation=0.5, test=0.5)
    with pytest.raises(InvalidInput, match="must be at least 2, got number=1"):
        folds(keys, 1)
    with pytest.raises(InvalidInput, match=r"`strata` must have one value for each of 10 rows, got \(3,\)"):
        SplitKeys(10, strata=np.zeros(3))
    with pytest.raises(InvalidInput, match="`groups` must be known for every row to split by, got 2 rows without"):
        SplitKeys(3, groups=np.array(["a", None, np.nan], dtype=object))
    with pytest.raises(InvalidInput, match="`times` must be known for every row to split by, got 1 rows without"):
        SplitKeys(2, times=np.array(["2024-01-01", "NaT"], dtype="datetime64[us]"))


def test_roles_of_a_schema_choose_the_rule() -> None:
    def rule(**roles: Role) -> SplitKind:
        columns = [
            Column("y", Kind.CATEGORY, frozenset({Role.TARGET}), categories=("0", "1")),
            Column("x", Kind.NUMBER),
        ]
        columns += [Column(name, Kind.NUMBER, frozenset({role})) for name, role in roles.items()]
        return rule_for(Schema(tuple(columns))).kind

    assert rule() is SplitKind.STRATIFIED
    assert rule(patient=Role.GROUP) is SplitKind.GROUP
    assert rule(day=Role.TIME) is SplitKind.TIME
    assert rule(patient=Role.GROUP, day=Role.TIME) is SplitKind.GROUP_TIME


def test_rule_takes_its_keys_out_of_a_table_and_knows_copies_whatever_their_ids() -> None:
    schema = Schema(
        (
            Column("row", Kind.NUMBER, frozenset({Role.ID})),
            Column("x", Kind.NUMBER),
            Column("y", Kind.NUMBER, frozenset({Role.TARGET})),
        )
    )
    chance = np.random.default_rng(0)
    x, y = chance.normal(size=40), chance.normal(size=40)
    x[39], y[39] = x[0], y[0]
    rule = rule_for(schema)
    keys = rule.keys({"row": np.arange(40.0), "x": x, "y": y})
    assert keys.copies is not None
    assert keys.copies[39] == keys.copies[0]
    assert len(set(keys.copies)) == 39
    assert str(rule) == "at random, with equal shares of `y`"


def test_rule_needs_its_columns_and_times_that_have_an_order() -> None:
    roles = {"year": Role.TIME, "patient": Role.GROUP}
    rule = rule_for(Schema(tuple(Column(name, Kind.TEXT, frozenset({role})) for name, role in roles.items())))
    table = {
        "year": np.array(["10", "9", "11", "9"], dtype=object),
        "patient": np.array(["a", "b", "c", "d"], dtype=object),
    }
    assert rule.keys(table).times.tolist() == [10, 9, 11, 9]
    with pytest.raises(InvalidInput, match="`patient` must be in the table to split by it, got `year`"):
        rule.keys({"year": table["year"]})
    with pytest.raises(InvalidInput, match="`year` must hold dates or numbers to order rows by time, got 'May'"):
        rule.keys({**table, "year": np.array(["May"] * 4, dtype=object)})


def test_rows_of_few_possible_values_are_not_taken_for_copies() -> None:
    schema = Schema((Column("x", Kind.NUMBER), Column("y", Kind.NUMBER, frozenset({Role.TARGET}))))
    values = np.arange(100.0) % 3
    assert rule_for(schema).keys({"x": values, "y": values}).copies is None


def test_bins_of_numbers_are_about_equal_and_keep_equal_numbers_together() -> None:
    counts = np.bincount(strata_of_numbers(np.random.default_rng(0).lognormal(size=1000)))
    assert counts.tolist() == [100] * 10
    assert len(np.unique(strata_of_numbers(np.zeros(50)))) == 1
    assert len(strata_of_numbers(np.full(5, np.nan))) == 5


def test_copies_are_found_among_images_and_among_columns_of_every_kind() -> None:
    images = np.random.default_rng(0).integers(0, 255, (5, 4, 4), dtype=np.uint8)
    images[3] = images[1]
    assert copies_in_array(images).tolist() == [0, 1, 2, 1, 3]
    days = np.array(["2024-01-01", "NaT", "NaT"], dtype="datetime64[us]")
    texts = np.array(["a", None, None], dtype=object)
    assert copies_in_table({"day": days, "text": texts, "x": np.array([0.0, np.nan, np.nan])}).tolist() == [0, 1, 1]
    assert copies_in_table({}).tolist() == []
    assert codes_of(np.array([-0.0, 0.0])).tolist() == [0, 0]
