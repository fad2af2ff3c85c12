"""Texts become rows of whole numbers: the same for what reads the same, whatever the language or the length."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.preprocessing.text import BUCKETS, TextRows, sections

ROWS = TextRows(words=16)
GOLDEN_WORDS = [429940, 737224, 911288]

texts = st.lists(st.one_of(st.none(), st.text(max_size=60)), min_size=1, max_size=6)


def parts(text: str, rows: TextRows = ROWS) -> tuple[list[float], list[float], set[float]]:
    """The words and pairs of a text in their order, and its runs of characters."""
    row, places = rows.apply([text])[0], sections(rows.width)
    assert places is not None
    words, pairs, characters = (row[part][row[part] > 0] for part in (places.words, places.pairs, places.characters))
    return words.tolist(), pairs.tolist(), set(characters.tolist())


@given(texts)
def test_any_text_becomes_whole_numbers_that_float32_holds(given_texts: list[str | None]) -> None:
    rows = ROWS.apply(given_texts)
    assert rows.shape == (len(given_texts), ROWS.width)
    assert rows.dtype == np.float32
    assert np.array_equal(rows, np.floor(rows))
    assert rows.min() >= 0
    assert rows.max() < BUCKETS <= 2**24


@given(texts)
def test_row_of_a_text_does_not_depend_on_the_others(given_texts: list[str | None]) -> None:
    alone = np.concatenate([ROWS.apply([text]) for text in given_texts])
    assert np.array_equal(ROWS.apply(given_texts), alone)


@given(texts)
def test_numbers_stand_together_at_the_beginning_of_each_part(given_texts: list[str | None]) -> None:
    places = sections(ROWS.width)
    assert places is not None
    for part in (places.words, places.pairs, places.characters):
        is_there = ROWS.apply(given_texts)[:, part] > 0
        assert not np.any(np.diff(is_there.astype(int), axis=1) > 0)


@given(st.text(max_size=40))
def test_runs_of_characters_come_once(text: str) -> None:
    row, places = ROWS.apply([text])[0], sections(ROWS.width)
    assert places is not None
    runs = row[places.characters][row[places.characters] > 0]
    assert len(np.unique(runs)) == len(runs)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("Call  NOW\n", "call now"),
        ("\uff23\uff41\uff4c\uff4c", "call"),
        ("ﬁne", "fine"),
        ("e\u0301", "é"),
        (" x ", "x"),
    ],
)
def test_what_reads_the_same_becomes_the_same_row(text: str, same: str) -> None:
    assert np.array_equal(ROWS.apply([text]), ROWS.apply([same]))


def test_missing_and_empty_texts_are_rows_of_zeros() -> None:
    assert not ROWS.apply([None, "", " \n "]).any()
    assert ROWS.apply([]).shape == (0, ROWS.width)


def test_order_of_words_is_kept_and_seen_in_the_pairs() -> None:
    words, pairs, _ = parts("dog bites man")
    turned, turned_pairs, _ = parts("man bites dog")
    assert turned == words[::-1]
    assert len(pairs) == 2
    assert not set(pairs) & set(turned_pairs)


def test_numbers_and_links_are_words_of_one_kind_but_keep_their_characters() -> None:
    assert parts("call 08452810075")[0] == parts("call 07123456789")[0]
    assert parts("call 08452810075")[2] != parts("call 07123456789")[2]
    assert parts("call 123")[0] != parts("call 1234")[0]
    assert parts("see http://a.example/x?y=1")[0] == parts("see www.other.example")[0]


def test_each_character_is_a_word_where_a_script_has_no_spaces() -> None:
    assert len(parts("我喜欢这个")[0]) == 5
    assert len(parts("すし")[0]) == 2
    assert len(parts("ดี")[0]) == 2
    assert len(parts("mixed 中文 text")[0]) == 4
    assert parts("我喜欢")[0] != parts("我讨厌")[0]


def test_symbols_are_words() -> None:
    assert len(parts("£100 cash!")[0]) == 4
    assert parts("good :)")[0] != parts("good :(")[0]


def test_words_that_are_spelled_alike_share_runs_of_characters() -> None:
    _, _, first = parts("unhappiness")
    _, _, second = parts("unhappines")
    _, _, other = parts("tomorrow")
    assert len(first & second) > 5 * len(first & other)


def test_very_long_text_is_cut_and_begins_as_its_beginning() -> None:
    text = "word " * 1_000_000
    words, pairs, _ = parts(text)
    assert len(words) == len(pairs) == 16
    assert parts("\ufdfa" * 1_000_000)[0]  # one character that reads as eighteen


def test_row_is_as_wide_as_the_texts_need() -> None:
    assert TextRows.fit(["a few words"]).words == 16
    assert TextRows.fit(["some words more " * 12] * 10).words == 64
    assert TextRows.fit(["word " * 5000]).words == 256
    assert TextRows.fit([]).words == TextRows.fit([None]).words == 16
    assert TextRows.fit(["short"] * 1000 + ["long " * 500]).words == 16  # one in a thousand does not count


def test_rows_are_the_same_in_every_process_and_version() -> None:
    row = ROWS.apply(["Call 123 now"])[0]
    assert row[:4].tolist() == parts("call 999 now")[0] + [0]
    assert [int(number) for number in row[:3]] == GOLDEN_WORDS


def test_text_rows_are_the_same_after_json() -> None:
    assert TextRows.from_json(TextRows(64).to_json()) == TextRows(64)


def test_rows_need_at_least_one_word() -> None:
    with pytest.raises(InvalidInput, match="got words=0"):
        TextRows(0)
