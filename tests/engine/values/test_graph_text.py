"""Graph values as JSON: readable by people, and exact for Skerry's own driver."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from support.any_values import ANY, unhurried
from support.any_values import TYPED as TYPED_VALUES
from support.elements import PLAIN, TYPED

from skerry_engine import errors
from skerry_engine.values import dynamic_keys, graph_text, oids
from skerry_engine.values.graphs import atom_of, dynamic, edge_value, node_value, type_of
from skerry_engine.values.io import DEFAULT_IO, binary_decoder, binary_encoder, text_decoder, text_encoder
from skerry_engine.values.types import SqlType

ALIX = node_value(1, 2, 42, (("Person",), (("name", oids.TEXT, "Alix"), ("born", oids.DATE, -3652))))
GUS = node_value(1, 2, 43, (("Dog", "Person"), (("price", oids.NUMERIC, Decimal("9.90")),)))
KNOWS = edge_value(1, 3, 7, (("KNOWS",), (("since", oids.INT8, 1999),)), (2, 42), (2, 43))
RECORD = (("a", 1), ("b", None), ("c", (oids.DATE, 0)))


def written(type_oid: int, value: Any, io: Any = PLAIN) -> str:
    return text_encoder(SqlType(type_oid), io)(value)


def test_a_node_prints_its_labels_and_properties():
    text = written(oids.NODE, ALIX)
    assert text == '{"id": 42, "labels": ["Person"], "properties": {"name": "Alix", "born": "1990-01-01"}}'


def test_an_edge_prints_its_ends_too():
    assert json.loads(written(oids.EDGE, KNOWS)) == {
        "id": 7, "labels": ["KNOWS"], "properties": {"since": 1999}, "source": 42, "target": 43
    }  # fmt: skip


def test_a_path_prints_its_nodes_and_edges():
    path = json.loads(written(oids.PATH, (ALIX, KNOWS, GUS)))
    assert [node["id"] for node in path["nodes"]] == [42, 43]
    assert [edge["id"] for edge in path["edges"]] == [7]
    assert json.loads(written(oids.PATH, (ALIX,))) == {
        "nodes": [json.loads(written(oids.NODE, ALIX))],
        "edges": [],
    }


def test_the_typed_dialect_tells_the_types_that_json_has_not():
    assert written(oids.GRAPHRECORD, RECORD, TYPED) == '{"a": 1, "b": null, "c": {"$date": "2000-01-01"}}'
    assert written(oids.GRAPHRECORD, RECORD, PLAIN) == '{"a": 1, "b": null, "c": "2000-01-01"}'
    assert '"price": {"$numeric": "9.90"}' in written(oids.NODE, GUS, TYPED)
    assert '"price": 9.90' in written(oids.NODE, GUS, PLAIN)


@pytest.mark.parametrize(
    ("value", "plain", "typed"),
    [
        (1, "1", "1"),
        (1.0, "1.0", "1.0"),
        (1e22, "1e+22", "1e+22"),
        (float("nan"), '"NaN"', '{"$float8": "NaN"}'),
        (float("-inf"), '"-Infinity"', '{"$float8": "-Infinity"}'),
        (Decimal("1.50"), "1.50", '{"$numeric": "1.50"}'),
        (Decimal("NaN"), '"NaN"', '{"$numeric": "NaN"}'),
        (True, "true", "true"),
        ('é"\n', '"é\\"\\n"', '"é\\"\\n"'),
        (b"\x01", '"\\\\x01"', '{"$bytea": "\\\\x01"}'),
        ((oids.INT8_ARRAY, (1, None)), "[1, null]", "[1, null]"),
        ((oids.INT4_ARRAY, ((1, 2), (3, 4))), "[[1, 2], [3, 4]]", '{"$_int4": [[1, 2], [3, 4]]}'),
        ((oids.JSONB, '{"a": 1}'), '{"a": 1}', '{"$jsonb": {"a": 1}}'),
        ((oids.GRAPHRECORD, (("$a", 1),)), '{"$a": 1}', '{"$graphrecord": {"$a": 1}}'),
    ],
)
def test_dynamically_typed_values_are_json(value: Any, plain: str, typed: str):
    assert written(oids.ANYVALUE, value, PLAIN) == plain
    assert written(oids.ANYVALUE, value, TYPED) == typed


def test_arrays_print_as_arrays_do_with_json_inside():
    assert (
        written(oids.ANYVALUE_ARRAY, (1, None, "a b", (oids.INT8_ARRAY, (1, 2))))
        == '{1,NULL,"\\"a b\\"","[1, 2]"}'
    )
    assert written(oids.NODE_ARRAY, ()) == "{}"
    assert written(oids.NODE_ARRAY, (ALIX, GUS)).count('\\"id\\"') == 2


def test_dates_follow_the_settings_in_the_plain_dialect_only():
    from dataclasses import replace

    german = replace(PLAIN, date_style="German, DMY")
    assert '"01.01.1990"' in written(oids.NODE, ALIX, german)
    assert '"1990-01-01"' in written(oids.NODE, ALIX, replace(german, typed_json=True))


def readable(value: Any) -> bool:
    """Whether text input makes such a value: elements are not made by being written down."""
    if value is None:
        return True
    atom = atom_of(value)
    if type_of(value) == oids.GRAPHRECORD:
        return all(readable(item) for _, item in atom)
    if type_of(value) == oids.ANYVALUE_ARRAY:
        return all(readable(item) for item in atom)
    return type_of(value) not in oids.REFERENCES


@given(ANY.filter(readable))
@unhurried()
def test_the_typed_dialect_reads_back_as_the_same_value(value: Any):
    text = written(oids.ANYVALUE, value, TYPED)
    read = graph_text.read_anyvalue(text)
    assert dynamic_keys.any_key(read) == dynamic_keys.any_key(value)
    assert written(oids.ANYVALUE, read, TYPED) == text


@given(some.lists(some.none() | ANY.filter(readable), max_size=4))
@unhurried()
def test_arrays_of_dynamically_typed_values_read_back_in_text_and_binary(items: list[Any]):
    value, array = tuple(items), SqlType(oids.ANYVALUE_ARRAY)
    text = text_encoder(array, TYPED)(value)
    assert text_encoder(array, TYPED)(text_decoder(array, TYPED)(text)) == text
    data = binary_encoder(array, TYPED)(value)
    assert text_encoder(array, TYPED)(binary_decoder(array, TYPED)(data)) == text


@given(ANY)
@unhurried()
def test_both_dialects_are_json(value: Any):
    for io in (PLAIN, TYPED):
        json.loads(written(oids.ANYVALUE, value, io))


@pytest.mark.parametrize("type_oid", sorted(TYPED_VALUES))
@given(some.data())
@unhurried()
def test_what_the_typed_dialect_tells_has_its_type_when_read(type_oid: int, data: some.DataObject):
    if type_oid in oids.REFERENCES:
        return
    value = dynamic(type_oid, data.draw(TYPED_VALUES[type_oid]))
    read = graph_text.read_anyvalue(written(oids.ANYVALUE, value, TYPED))
    assert type_of(read) == type_of(value)


def test_lists_of_one_type_are_arrays_of_it():
    assert graph_text.read_anyvalue("[1, 2, null]") == (oids.INT8_ARRAY, (1, 2, None))
    assert graph_text.read_anyvalue('[1, "a"]') == (oids.ANYVALUE_ARRAY, (1, "a"))
    assert graph_text.read_anyvalue("[[1], [2]]") == (
        oids.ANYVALUE_ARRAY,
        ((oids.INT8_ARRAY, (1,)), (oids.INT8_ARRAY, (2,))),
    )
    assert graph_text.read_anyvalue("[]") == (oids.ANYVALUE_ARRAY, ())
    for told in (
        (oids.INT8_ARRAY, ()),
        (oids.ANYVALUE_ARRAY, (1, 2)),
        (oids.INT8_ARRAY, ((1, None), (2, 3))),
    ):
        assert graph_text.read_anyvalue(written(oids.ANYVALUE, told, TYPED)) == told
    assert graph_text.read_anyvalue('[{"$date": "2000-01-02"}, null]') == (oids.DATE_ARRAY, (1, None))


@pytest.mark.parametrize(
    ("type_oid", "text", "error"),
    [
        (oids.ANYVALUE, "nope", errors.InvalidJsonText),
        (oids.ANYVALUE, "null", errors.InvalidTextRepresentation),
        (oids.ANYVALUE, '{"$date": "soon"}', errors.DataError),
        (oids.ANYVALUE, '{"$nothing": 1}', errors.InvalidTextRepresentation),
        (oids.ANYVALUE, "[" * 100_000 + "]" * 100_000, errors.StatementTooComplex),
        (oids.ANYVALUE, "NaN", errors.InvalidJsonText),
        (oids.ANYVALUE, '{"$_int8": ["x"]}', errors.InvalidTextRepresentation),
        (oids.ANYVALUE, '{"$_int8": 1}', errors.InvalidTextRepresentation),
        (oids.GRAPHRECORD, "[1]", errors.InvalidTextRepresentation),
        (oids.GRAPHRECORD, "1", errors.InvalidTextRepresentation),
        (oids.ANYVALUE_ARRAY, "{{1,2},{3,4}}", errors.ArraySubscriptError),
        (oids.NODE, '{"id": 1}', errors.NotSupportedError),
        (oids.PATH, "{}", errors.NotSupportedError),
    ],
)
def test_malformed_text_is_refused(type_oid: int, text: str, error: type[Exception]):
    with pytest.raises(error):
        text_decoder(SqlType(type_oid), DEFAULT_IO)(text)


def test_elements_need_somebody_who_knows_their_names():
    with pytest.raises(errors.NotSupportedError):
        written(oids.NODE, ALIX, DEFAULT_IO)


def test_plain_json_becomes_records_lists_and_numbers():
    assert graph_text.value_of_plain_json('{"$date": "2000-01-01", "n": [1, 2.5]}') == (
        oids.GRAPHRECORD,
        (("$date", "2000-01-01"), ("n", (oids.ANYVALUE_ARRAY, (1, 2.5)))),
    )
    assert graph_text.value_of_plain_json("null") is None
    assert graph_text.value_of_plain_json("10000000000000000000000") == 1e22
    assert graph_text.value_of_plain_json("9223372036854775808123456789012345678901") == Decimal(
        9223372036854775808123456789012345678901
    )
