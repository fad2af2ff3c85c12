"""Tables from wherever people keep them: what is read, as what, and which line is to blame where it cannot be."""

import csv
import gzip
import io
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas
import polars
import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from lepton_ai.core.errors import InvalidInput, NotFound, TooLarge
from lepton_ai.platform.preprocessing import delimited, readers
from lepton_ai.platform.preprocessing.readers import read_table, to_columns
from lepton_ai.platform.preprocessing.schema import Schema

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "data"


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def written(text: str | bytes, name: str = "table.csv", encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        return path

    return written


def columns(frame: polars.DataFrame) -> dict[str, list[Any]]:
    return frame.to_dict(as_series=False)


AS_COLUMNS = {"age": [31, 47], "weight": [70.5, None], "sex": ["f", "m"]}
STRUCTURED = np.array([(31, 70.5, "f"), (47, np.nan, "m")], dtype=[("age", "i4"), ("weight", "f4"), ("sex", "U1")])


@pytest.mark.parametrize(
    "source",
    [
        pandas.DataFrame(AS_COLUMNS),
        polars.DataFrame(AS_COLUMNS),
        polars.LazyFrame(AS_COLUMNS),
        pyarrow.table(AS_COLUMNS),
        AS_COLUMNS,
        {"age": np.array([31, 47]), "weight": pandas.Series([70.5, None]), "sex": pyarrow.array(["f", "m"])},
        [{"age": 31, "weight": 70.5, "sex": "f"}, {"age": 47, "sex": "m"}],
        STRUCTURED,
    ],
    ids=lambda source: type(source).__module__.partition(".")[0] + "." + type(source).__name__,
)
def test_same_table_is_read_from_anything(source: Any) -> None:
    frame = read_table(source)
    assert columns(frame) == AS_COLUMNS
    assert [str(kind) for kind in frame.dtypes] == ["Int64", "Float64", "String"]


def test_arrays_have_columns_by_number() -> None:
    assert columns(read_table(np.array([[1.5, 2.0], [3.0, 4.0]]))) == {"x0": [1.5, 3.0], "x1": [2.0, 4.0]}


@pytest.mark.parametrize(
    ("values", "read"),
    [
        (pandas.array([1, None, 3], dtype="Int64"), [1, None, 3]),
        (pandas.array([True, None, False], dtype="boolean"), [True, None, False]),
        (pandas.array(["a", None, "b"], dtype="string"), ["a", None, "b"]),
        (pandas.Categorical(["u", None, "v"]), ["u", None, "v"]),
        (polars.Series([time(7), None, time(23, 59)]), ["07:00:00", None, "23:59:00"]),
        (polars.Series([Decimal("1.5"), None, Decimal(2)]), [1.5, None, 2.0]),
        ([1, 2.5, None], [1.0, 2.5, None]),
        ([1, "x", 2.5], ["1", "x", "2.5"]),
        (["", " ", "a"], [None, None, "a"]),
        ([2**60, None, 1], [str(2**60), None, "1"]),
        ([10**30, None, 1], [str(10**30), None, "1"]),
        (np.array([2**63, 1, 2], dtype=np.uint64), [str(2**63), "1", "2"]),
        (np.array([b"caf\xc3\xa9", b"b", b""]), ["café", "b", ""]),
        (np.ma.masked_array([1, 2, 3], mask=[False, True, False]), [1, None, 3]),
        ([None, float("nan"), None], [None, None, None]),
    ],
)
def test_values_are_read_as_what_they_are(values: Any, read: list[Any]) -> None:
    assert columns(read_table({"a": values}))["a"] == read


@pytest.mark.parametrize(
    ("values", "read"),
    [
        (
            pandas.to_datetime(["2024-03-01 01:30", None, "2024-07-01 00:00"]).tz_localize("Europe/Berlin"),
            ["2024-03-01T00:30", None, "2024-06-30T22:00"],
        ),
        (
            [date(2024, 3, 1), None, datetime(2024, 3, 1, 5, tzinfo=UTC)],
            ["2024-03-01T00:00", None, "2024-03-01T05:00"],
        ),
        (np.array(["2024-03-01", "NaT"], dtype="datetime64[D]"), ["2024-03-01T00:00", None]),
        (polars.Series([date(2024, 3, 1), None]), ["2024-03-01T00:00", None]),
    ],
)
def test_dates_are_read_in_utc(values: Any, read: list[str | None]) -> None:
    moments = columns(read_table({"a": values}))["a"]
    assert [moment and moment.isoformat(timespec="minutes") for moment in moments] == read


def test_named_index_of_pandas_comes_along() -> None:
    frame = pandas.DataFrame({"a": [1, 2]}, index=pandas.Index(["u", "v"], name="key"))
    assert columns(read_table(frame)) == {"key": ["u", "v"], "a": [1, 2]}


class TestFiles:
    @pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
    def test_separator_is_found(self, separator: str, write: Any) -> None:
        rows = [["age", "name"], ["31", "Ada"], ["47", "Bob, Jr."], ["25", "Cy; the 2nd"]]
        out = io.StringIO()
        csv.writer(out, delimiter=separator).writerows(rows)
        assert columns(read_table(write(out.getvalue())))["age"] == [31, 47, 25]

    def test_runs_of_spaces_separate(self, write: Any) -> None:
        assert columns(read_table(write("1   2.5  x \n10  3.5  y \n", "a.txt"))) == {
            "x0": [1, 10],
            "x1": [2.5, 3.5],
            "x2": ["x", "y"],
        }

    def test_lines_without_separator_are_one_column(self, write: Any) -> None:
        text = "It was dark, and cold.\nNobody came\nWe left, then, at last, for home\n"
        assert columns(read_table(write(text, "a.txt"), header=False)) == {"x0": text.splitlines()}

    def test_spaces_around_fields_go(self, write: Any) -> None:
        assert columns(read_table(write("39, State-gov , <=50K\n50, Private, >50K\n"))) == {
            "x0": [39, 50],
            "x1": ["State-gov", "Private"],
            "x2": ["<=50K", ">50K"],
        }

    def test_quoted_fields_hold_separators_quotes_and_line_ends(self, write: Any) -> None:
        frame = read_table(write('a,y\n"x, ""u""",0\n"line\nbreak",1\n'))
        assert columns(frame) == {"a": ['x, "u"', "line\nbreak"], "y": [0, 1]}

    def test_lone_quotes_in_tabbed_text_are_characters(self, write: Any) -> None:
        frame = read_table(write('ham\t"so what\nspam\tcall 3" now\nham\tok "then"\n', "a.tsv"))
        assert columns(frame)["x1"] == ['"so what', 'call 3" now', 'ok "then"']

    def test_quoted_fields_in_tabbed_text_are_unquoted(self, write: Any) -> None:
        frame = read_table(write('n\ttext\n1\t"a\tb"\n2\t"say ""no"""\n', "a.tsv"))
        assert columns(frame)["text"] == ["a\tb", 'say "no"']

    @pytest.mark.parametrize(
        ("fields", "numbers"),
        [
            (["1,5", "2,75", "3"], [1.5, 2.75, 3.0]),
            (["1.234,5", "12", "3.345.678,25"], [1234.5, 12.0, 3345678.25]),
            (["1,234", "2,345", "3,456"], ["1,234", "2,345", "3,456"]),
            (["1.5", "2.75", "3"], [1.5, 2.75, 3.0]),
        ],
    )
    def test_decimal_commas_are_read_where_they_can_be_nothing_else(
        self, fields: list[str], numbers: list[Any], write: Any
    ) -> None:
        text = "a;b\n" + "".join(f"{field};x\n" for field in fields)
        assert columns(read_table(write(text)))["a"] == numbers

    @pytest.mark.parametrize("fields", [["01", "02", "3"], ["1234567890123456", "1", "2"], ["1", "two", "3"]])
    def test_codes_and_mixed_columns_stay_text(self, fields: list[str], write: Any) -> None:
        text = "a,b\n" + "".join(f"{field},x\n" for field in fields)
        assert columns(read_table(write(text)))["a"] == fields

    def test_long_fractions_are_numbers(self, write: Any) -> None:
        assert columns(read_table(write("a\n5.827000141143799\n0.00000000000000001\n")))["a"][0] == 5.827000141143799

    @pytest.mark.parametrize(
        ("text", "names"),
        [
            ("age,sex\n31,f\n", ["age", "sex"]),
            ("6,148,72\n1,85,66\n", ["x0", "x1", "x2"]),
            ("country,2019,2020,2021\nChad,4.5,3.2,2.8\n", ["country", "2019", "2020", "2021"]),
            ("0,1,2\n4.5,3.2,2.8\n1.5,2.5,3.5\n", ["0", "1", "2"]),
            ("ham,hello you\nspam,buy it\nham,see you\n", ["x0", "x1"]),
            (",a\n0,x\n1,y\n", ["x0", "a"]),
            ("label,text\nham,hello\n", ["label", "text"]),
        ],
    )
    def test_header_is_found(self, text: str, names: list[str], write: Any) -> None:
        assert read_table(write(text)).columns == names

    def test_header_can_be_told(self, write: Any) -> None:
        path = write("1,2\n3,4\n")
        assert read_table(path, header=True).columns == ["1", "2"]

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
    def test_encoding_is_found(self, encoding: str, write: Any) -> None:
        assert columns(read_table(write("Größe,y\nüber,0\n", encoding=encoding))) == {"Größe": ["über"], "y": [0]}

    @pytest.mark.parametrize(
        "text",
        [
            "a,y\r\n\r\n1,0\r\n\r\n2,1\r\n",
            "a,y\n1,0\n2,1",
            "a,y,\n1,0,\n2,1,\n",
            "a;y;;\n1;0;;\n2;1;;\n;;;\n",
            "\n\na,y\n1,0\n2,1\n",
        ],
    )
    def test_blank_lines_and_ends_do_not_matter(self, text: str, write: Any) -> None:
        assert columns(read_table(write(text))) == {"a": [1, 2], "y": [0, 1]}

    def test_empty_fields_are_missing(self, write: Any) -> None:
        assert columns(read_table(write("a,b\n1,\n,x\n3, \n"))) == {"a": [1, None, 3], "b": [None, "x", None]}

    def test_packed_files_are_read(self, write: Any) -> None:
        assert columns(read_table(write(gzip.compress(b"a,y\n1,0\n", mtime=0), "a.csv.gz"))) == {"a": [1], "y": [0]}

    def test_parquet_and_npz_are_read(self, tmp_path: Path) -> None:
        polars.DataFrame(AS_COLUMNS).write_parquet(tmp_path / "a.parquet")
        np.savez(tmp_path / "a.npz", x=np.array([[1.5, 2.0], [3.0, 4.0]]), y=np.array([0, 1]))
        np.save(tmp_path / "a.npy", STRUCTURED)
        assert columns(read_table(tmp_path / "a.parquet")) == AS_COLUMNS
        assert columns(read_table(str(tmp_path / "a.npz"))) == {"x0": [1.5, 3.0], "x1": [2.0, 4.0], "y": [0, 1]}
        assert columns(read_table(tmp_path / "a.npy")) == AS_COLUMNS

    @pytest.mark.parametrize(
        ("name", "shape", "texts"),
        [
            ("adult/adult-train.csv.gz", (32561, 15), 9),
            ("pima_diabetes/pima-indians-diabetes.csv", (768, 9), 0),
            ("heart_cleveland/processed.cleveland.data", (303, 14), 0),
            ("ai4i2020/ai4i2020.csv.gz", (10000, 9), 2),
            ("bike_sharing/hour.csv.gz", (17379, 15), 1),
            ("sms_spam/SMSSpamCollection.gz", (5574, 2), 2),
        ],
    )
    def test_examples_are_read_whole(self, name: str, shape: tuple[int, int], texts: int) -> None:
        frame = read_table(EXAMPLES / name)
        assert frame.shape == shape
        assert sum(kind == polars.String for kind in frame.dtypes) == texts

    @settings(max_examples=30)
    @given(
        some.lists(
            some.lists(
                some.text(some.characters(codec="utf-8", exclude_characters="\0\x1f"), max_size=8),
                min_size=3,
                max_size=3,
            ),
            min_size=1,
            max_size=8,
        )
    )
    def test_what_a_csv_writer_wrote_is_read_as_it_was(self, tmp_path_factory: Any, rows: list[list[str]]) -> None:
        out = io.StringIO()
        # A word in each row makes it text, and not a blank line.
        wanted = [[f"w{field.strip()}" for field in row] for row in rows]
        csv.writer(out, quoting=csv.QUOTE_ALL).writerows([["a", "b", "c"], *wanted])
        path = tmp_path_factory.mktemp("csv") / "a.csv"
        path.write_text(out.getvalue(), newline="")
        assert [list(row) for row in read_table(path, header=True).rows()] == wanted


class TestBadFiles:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "`table.csv` must hold rows, got an empty file"),
            ("\n \n", "`table.csv` must hold rows, got an empty file"),
            ("a,y\n", "`table.csv` must hold rows, got only names"),
            ("a,y\n1,0\n\n2\n3,1\n", "`table.csv`, line 4: must have 2 fields like the lines before, got 1"),
            ("a,y\n1,0\n2,1,5\n3,1\n", "`table.csv`, line 3: must have 2 fields like the lines before, got 3"),
            ('a,y\nv,1\n"x,0\nz,1\n', "`table.csv`, line 3: a quote is opened and not closed"),
            ('a,y\nv,1\n"x" w,0\nz,1\n', "`table.csv`, line 3: a quoted field goes on after its quote"),
            ("a,a,y\n1,2,0\n", "`table.csv`: column names must differ, got twice: `a`"),
            (b"\x00\x01\x02" * 9, "`table.csv` must be text, got binary data"),
            (b"a,y\n1,\x81\xff\n", "`table.csv` must be UTF-8 text, got byte 0x81 in line 2"),
            (b"\x1f\x8bgarbage", "`table.csv` cannot be unpacked"),
            (gzip.compress(b"a,y\n1,0\n" * 99, mtime=0)[:15] + b"\xff" * 40, "`table.csv` cannot be unpacked"),
            (b"\xff\xfea\x00,\x00\xd8", "`table.csv` begins as UTF-16 text and is none"),
        ],
    )
    def test_line_and_reason_are_named(self, text: str | bytes, message: str, write: Any) -> None:
        with pytest.raises(InvalidInput) as error:
            read_table(write(text))
        assert error.value.message.startswith(message)

    @pytest.mark.parametrize("name", ["a.xlsx", "a.json", "a.pkl", "a.parquet", "a.npz", "a.npy"])
    @pytest.mark.parametrize("content", [b"x", b"PK\x03\x04" + b"x" * 99, b"PAR1" + b"x" * 99 + b"PAR1"])
    def test_other_and_broken_files_are_refused(self, name: str, content: bytes, write: Any) -> None:
        with pytest.raises(InvalidInput):
            read_table(write(content, name))

    def test_objects_in_npz_are_not_loaded(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "a.npz", a=np.array([1, None], dtype=object))
        with pytest.raises(InvalidInput, match="cannot be read"):
            read_table(tmp_path / "a.npz")

    def test_file_that_is_not_there(self) -> None:
        with pytest.raises(NotFound, match="there is no file"):
            read_table("nowhere.csv")

    def test_folder_is_no_table(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidInput, match="must be a file, got the folder"):
            read_table(tmp_path)

    def test_files_beyond_the_stated_size_are_refused(
        self, write: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # The limits themselves are lowered, as files of their size would take the test minutes.
        monkeypatch.setattr(delimited, "MOST_BYTES", 2**20)
        monkeypatch.setattr(readers, "MOST_CELLS", 3)
        polars.DataFrame(AS_COLUMNS).write_parquet(tmp_path / "a.parquet")
        with pytest.raises(TooLarge, match="must have at most 1 MiB of text"):
            read_table(write(gzip.compress(b"1,2\n" * 2**19, mtime=0), "bomb.csv.gz"))
        with pytest.raises(TooLarge, match="must have at most 3 cells, got 6"):
            read_table(tmp_path / "a.parquet")


class TestColumns:
    schema = Schema.infer(
        {
            "age": ["31", "47", "?", "52"],
            "job": ["cook", "?", "nurse", "cook"],
            "seen": ["2024-03-01", "2024-03-02", None, "2024-03-05"],
            "letter": ["came back in time", "never came back", "has not been seen", "came back today"],
            "ill": ["no", "yes", "no", "yes"],
        },
        target="ill",
    )
    table: ClassVar[dict[str, list[Any]]] = {
        "age": ["29", "NA", "30.5"],
        "job": ["nurse", None, "pilot"],
        "seen": ["2024-04-01", "", "2024-04-02"],
        "letter": ["came", " ", None],
    }

    def test_table_is_read_as_its_schema_says(self) -> None:
        read = to_columns(self.schema, self.table)
        assert list(read) == ["age", "job", "seen", "letter"]
        assert np.array_equal(read["age"], [29.0, np.nan, 30.5], equal_nan=True)
        assert read["job"].tolist() == ["nurse", None, "pilot"]
        assert np.isnat(read["seen"]).tolist() == [False, True, False]
        assert read["letter"].tolist() == ["came", None, None]

    def test_target_comes_along_and_unknown_columns_do_not(self) -> None:
        read = to_columns(self.schema, {**self.table, "ill": ["no", "yes", "no"], "more": [1, 2, 3]})
        assert list(read) == ["age", "job", "seen", "letter", "ill"]

    def test_missing_feature_is_named(self) -> None:
        with pytest.raises(InvalidInput, match="there is no column 'job'; did you mean 'jobs'"):
            to_columns(self.schema, {**{n: v for n, v in self.table.items() if n != "job"}, "jobs": ["a", "b", "c"]})

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"age": ["29", "twelve", "30"]}, "row 1, column 'age': must be a number, got 'twelve'"),
            ({"age": [True, False, True]}, "row 0, column 'age': must be a number, got true (and 2 more cells)"),
            ({"seen": ["2024-04-01", "soon", None]}, "row 1, column 'seen': must be a date, got 'soon'"),
            ({"seen": [1, 2, 3]}, "row 0, column 'seen': must be a date, got 1 (and 2 more cells)"),
        ],
    )
    def test_cells_that_do_not_fit_are_named(self, change: dict[str, Any], message: str) -> None:
        with pytest.raises(InvalidInput) as error:
            to_columns(self.schema, {**self.table, **change})
        assert error.value.message == f"`rows` must fit the schema; {message}"

    def test_closed_categories_are_closed(self) -> None:
        closed = self.schema.with_column("job", closed=True)
        with pytest.raises(InvalidInput, match="row 2, column 'job': must be one of the categories, got 'pilot'"):
            to_columns(closed, self.table)

    def test_number_codes_are_missing(self) -> None:
        table = {"glucose": [0, 90, 101]}
        schema = Schema.infer(table, missing_codes={"glucose": [0]})
        assert np.isnan(to_columns(schema, table)["glucose"]).tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (None, "a table must be a frame, an array, a dict of columns, a list of rows or a path, got NoneType"),
        (3, "got int"),
        ([], "a table must have rows and columns, got 0 rows and 0 columns"),
        ({}, "a table must have rows and columns"),
        ({"a": []}, "got 0 rows and 1 columns"),
        (pandas.DataFrame(), "got 0 rows and 0 columns"),
        (np.zeros(3), "an array must have shape (batch, columns), got (3,)"),
        (np.zeros((2, 2, 2)), "an array must have shape (batch, columns), got (2, 2, 2)"),
        (np.zeros((2, 2), dtype=complex), "column 'x0' must hold numbers, texts, dates or true/false, got complex128"),
        ({"a": [1, 2], "b": [1]}, "the columns of a table must be of equal length, got `a` 2, `b` 1"),
        ({"a": 1}, "column 'a' must hold one value per row, got int"),
        ({"a": "text"}, "column 'a' must hold one value per row, got str"),
        ({"a": np.zeros((2, 2))}, "column 'a' must have shape (batch,), got (2, 2)"),
        ({"a": [[1], [2]]}, "list is not a value of a cell"),
        ([[1, 2], [3, 4]], "a list must hold rows, each a mapping from column to value, got list at 0"),
        (pandas.Series([1, 2]), "a table must be a frame, got a pandas Series"),
        (pandas.DataFrame([[1, 2]], columns=["a", "a"]), "column names must differ, got twice: `a`"),
        (pandas.DataFrame([[1, 2]], columns=["1", 1]), "column names must differ, got twice: `1`"),
        (pandas.DataFrame([[1]], columns=pandas.MultiIndex.from_tuples([("a", "b")])), "got a pandas MultiIndex"),
        (pandas.DataFrame({"a": pandas.to_timedelta([1, 2])}), "column 'a' must hold numbers, texts, dates"),
        (
            polars.DataFrame({"a": [[1], [2]]}),
            "column 'a' must hold numbers, texts, dates or true/false, got List(Int64)",
        ),
        (polars.DataFrame({"a": [b"x"]}), "got Binary"),
        ({"a": np.array([b"\xff"])}, "column 'a' must hold UTF-8 text"),
    ],
)
def test_what_is_no_table_is_refused(source: Any, message: str) -> None:
    with pytest.raises(InvalidInput) as error:
        read_table(source)
    assert message in error.value.message
