"""COPY's formats: decoding in any split, encoding, errors with their places."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skerry_engine.errors import BadCopyFileFormat, CharacterNotInRepertoire, DatabaseError
from skerry_engine.session.copy_format import CopyBatch, copy_context, copy_decoder, copy_encoder
from skerry_engine.sql.statements import CopyOptions

TEXT = CopyOptions()
CSV = CopyOptions(format="csv")
BINARY = CopyOptions(format="binary")
FIELDS = st.none() | st.text(
    st.sampled_from("ab,\t\\N\"'\n\r;. é") | st.characters(exclude_characters="\0", exclude_categories=["Cs"])
)
CUTS = st.lists(st.integers(0, 400), max_size=4)


def decoded(
    options: CopyOptions, data: bytes, columns: str = "ab", cuts: list[int] | None = None
) -> list[list[object]]:
    decoder = copy_decoder(options, "t", list(columns))
    edges = [0, *sorted(cuts or []), len(data)]
    rows: list[list[object]] = []
    for begin, end in itertools.pairwise(edges):
        rows += rows_of(decoder.feed(data[begin:end]))
    return rows + rows_of(decoder.finish())


def rows_of(batch: CopyBatch) -> list[list[object]]:
    rows: list[list[object]] = [list(row) for row in batch.rows]
    if batch.columns is not None:
        assert not rows, "a batch is by row or by column"
        rows = [list(row) for row in zip(*batch.columns, strict=True)]
    assert len(rows) == len(batch.lines)
    return rows


def failure(options: CopyOptions, data: bytes) -> DatabaseError:
    with pytest.raises(DatabaseError) as caught:
        decoded(options, data)
    return caught.value


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        (b"1\tx\n2\t\\N\n", [["1", "x"], ["2", None]]),
        (b"1\tx\n2\ty", [["1", "x"], ["2", "y"]]),
        (b"a\\tb\\n\\\\\t\\x41\\101\\q\n", [["a\tb\n\\", "AAq"]]),
        (b"a\\\tb\tc\n", [["a\tb", "c"]]),
        (b"a\\\nb\tc\n", [["a\nb", "c"]]),
        (b"\t\n", [["", ""]]),
        (b"1\tx\r\n2\ty\r\n", [["1", "x"], ["2", "y"]]),
        (b"1\tx\r2\ty\r", [["1", "x"], ["2", "y"]]),
        (b"1\tx\n\\.\njunk\n", [["1", "x"]]),
        (b"\\\\N\tx\n", [["\\N", "x"]]),
        (b"", []),
    ],
)
@pytest.mark.parametrize("split", [[], [1], [2, 3, 4]])
def test_text_rows(data: bytes, rows: list[list[str | None]], split: list[int]) -> None:
    assert decoded(TEXT, data, cuts=[min(cut, len(data)) for cut in split]) == rows


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        (b"1,x\n2,\n", [["1", "x"], ["2", None]]),
        (b'"a ""b"", c","d\ne"\n', [['a "b", c', "d\ne"]]),
        (b'1,""\n', [["1", ""]]),
        (b'a"b,c"d,e\n', [["ab,cd", "e"]]),
        (b"1,x\r\n2,y\r\n", [["1", "x"], ["2", "y"]]),
        (b'"1\r\n",x\r\n', [["1\r\n", "x"]]),
        (b"1,x\n\\.\njunk\n", [["1", "x"]]),
        (b'"\\.",x\n', [["\\.", "x"]]),
    ],
)
@pytest.mark.parametrize("split", [[], [1], [2, 3, 4]])
def test_csv_rows(data: bytes, rows: list[list[str | None]], split: list[int]) -> None:
    assert decoded(CSV, data, cuts=[min(cut, len(data)) for cut in split]) == rows


def test_csv_options() -> None:
    options = CopyOptions(
        "csv", ";", "NULL", quote="'", escape="\\", force_not_null=("a",), force_null=("b",)
    )
    assert decoded(options, b"NULL;'NULL'\n'it\\'s';NULL\n") == [["NULL", None], ["it's", None]]


def test_a_text_null_is_compared_before_escapes_are_read() -> None:
    assert decoded(CopyOptions(null="A"), b"A\t\\x41\n") == [[None, "A"]]


def test_headers_are_skipped_or_matched() -> None:
    assert decoded(CopyOptions(header=True), b"x\ty\n1\t2\n") == [["1", "2"]]
    match = CopyOptions(header=True, header_match=True)
    assert decoded(match, b"a\tb\n1\t2\n") == [["1", "2"]]
    assert (
        failure(match, b"a\tc\n").message
        == 'column name mismatch in header line field 2: got "c", expected "b"'
    )


@pytest.mark.parametrize(
    ("options", "data", "message", "context"),
    [
        (TEXT, b"1\t2\n1\n", 'missing data for column "b"', 'COPY t, line 2: "1"'),
        (TEXT, b"1\t2\t3\n", "extra data after last expected column", 'COPY t, line 1: "1\t2\t3"'),
        (TEXT, b"1\t2\n3\t4\r\n", "literal carriage return found in data", "COPY t, line 2"),
        (CSV, b'1,"x\n', "unterminated CSV quoted field", 'COPY t, line 1: "1,"x"'),
        (CSV, b"1,2\n1,2\r\n", "unquoted carriage return found in data", 'COPY t, line 2: "1,2\r"'),
    ],
)
def test_malformed_lines_name_their_place(
    options: CopyOptions, data: bytes, message: str, context: str
) -> None:
    error = failure(options, data)
    assert isinstance(error, BadCopyFileFormat)
    assert (error.message, error.context) == (message, context)


def test_bytes_that_are_no_text_are_refused() -> None:
    error = failure(TEXT, b"1\t2\n\xff\t1\n")
    assert isinstance(error, CharacterNotInRepertoire)
    assert (error.message, error.context) == (
        'invalid byte sequence for encoding "UTF8": 0xff',
        "COPY t, line 2",
    )
    assert failure(TEXT, b"1\ta\\000\n").sqlstate == "22021"


def test_rows_tell_their_lines() -> None:
    decoder = copy_decoder(CSV, "t", ["a"])
    assert list(decoder.feed(b'1\n"x\ny"\n2\n').lines) == [1, 2, 4]
    assert copy_context("t", 4, "a", "x") == 'COPY t, line 4, column a: "x"'
    assert copy_context("t", 4, "a", "x" * 200).endswith("x" * 100 + '..."')


@pytest.mark.parametrize(
    ("options", "data"),
    [
        (TEXT, b"1\t\\N\nx\\ty\\\\\tz\\n\n"),
        (CSV, b'1,\n"x\ty\\,","z\n"\n'.replace(b"\\,", b"\\")),
    ],
)
def test_encoding(options: CopyOptions, data: bytes) -> None:
    encoder = copy_encoder(options, ["a", "b"])
    out = encoder.encode([["1", None], ["x\ty\\", "z\n"]])
    assert decoded(options, out) == [["1", None], ["x\ty\\", "z\n"]]
    if options is TEXT:
        assert out == data


def test_csv_quotes_what_would_read_as_null_or_end() -> None:
    assert copy_encoder(CSV, ["a", "b"]).encode([["", None]]) == b'"",\n'
    assert copy_encoder(CSV, ["a"]).encode([["\\."]]) == b'"\\."\n'
    forced = CopyOptions("csv", header=True, force_quote=("b",))
    encoder = copy_encoder(forced, ["a", "b"])
    assert encoder.header() + encoder.encode([["1", "2"]]) == b'a,b\n1,"2"\n'


def round_trip(options: CopyOptions) -> Callable[[list[list[str | None]], list[int]], None]:
    def check(rows: list[list[str | None]], cuts: list[int]) -> None:
        encoder = copy_encoder(options, ["a", "b"])
        data = encoder.header() + encoder.encode(rows) + encoder.trailer()
        assert decoded(options, data, cuts=[min(cut, len(data)) for cut in cuts]) == rows

    return check


ROWS = st.lists(st.tuples(FIELDS, FIELDS).map(list), min_size=1, max_size=6)


@given(ROWS, CUTS)
def test_text_round_trips_in_any_split(rows: list[list[str | None]], cuts: list[int]) -> None:
    round_trip(TEXT)(rows, cuts)


@given(ROWS, CUTS)
def test_csv_round_trips_in_any_split(rows: list[list[str | None]], cuts: list[int]) -> None:
    # an unquoted line end in front of a quoted carriage return settles the kind of line end first
    round_trip(CSV)([["1", "2"], *rows], cuts)


@given(
    st.lists(st.tuples(st.none() | st.binary(max_size=9), st.none() | st.binary(max_size=9)).map(list)), CUTS
)
def test_binary_round_trips_in_any_split(rows: list[list[bytes | None]], cuts: list[int]) -> None:
    encoder = copy_encoder(BINARY, ["a", "b"])
    data = encoder.header() + encoder.encode(rows) + encoder.trailer()
    assert decoded(BINARY, data, cuts=[min(cut, len(data)) for cut in cuts]) == rows


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"PGCOPX", "COPY file signature not recognized"),
        (b"PGCOPY\n\xff\r\n\0" + bytes(8) + b"\0\3", "row field count is 3, expected 2"),
        (b"PGCOPY\n\xff\r\n\0" + bytes(8) + b"\0\2\0", "unexpected EOF in COPY data"),
        (b"PGCOPY\n\xff\r\n\0" + bytes(8) + b"\xff\xffx", "received copy data after EOF marker"),
        (b"PGCOPY\n\xff\r\n\0" + b"\0\1\0\0" + bytes(4), "invalid COPY file header (WITH OIDS)"),
    ],
)
def test_malformed_binary_data(data: bytes, message: str) -> None:
    assert failure(BINARY, data).message == message


def outcome(options: CopyOptions, data: bytes, cuts: list[int]) -> object:
    try:
        return decoded(options, data, "abc", cuts)
    except DatabaseError as error:
        return str(error), error.hint, error.context


@given(st.text(alphabet="x7 \t\n\r-", max_size=60), st.sampled_from(["\n", "\r\n", "\r"]), CUTS)
def test_text_that_is_cut_into_columns_at_once_is_what_its_lines_are(
    text: str, end: str, cuts: list[int]
) -> None:
    data = (text.replace("\n", end) + end).encode()
    cuts = [min(cut, len(data)) for cut in cuts]
    by_line = CopyOptions(null="none of it")  # fields are compared with it, so that lines are read one by one
    assert outcome(TEXT, data, cuts) == outcome(by_line, data, cuts)
