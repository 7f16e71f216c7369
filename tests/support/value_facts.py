"""Facts about how PostgreSQL reads and prints values, collected once and stored for tests.

`python -m support.value_facts` (in tests/, with SKERRY_TEST_PG_DSN set or a PostgreSQL at hand) asks a real
PostgreSQL and rewrites data/value_facts.json.  Each fact: an input text assigned to a column of a type under
some settings, and either the output text and binary form, or the error's SQLSTATE, message, detail and hint.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from support.postgres_server import postgres_server
from support.wire_client import WireClient

FACTS_FILE = Path(__file__).parent.parent / "data" / "value_facts.json"

DATES = """
2020-01-05|20200105|200105|2020.005|2020-005|J2451187|1/8/1999|01/08/99|99-01-08|08-Jan-1999|Jan-08-1999|19990108
990108|January 8, 99 BC|Sat Jan 05 2020|2020-1-5|1999 Jan 08|20-01-05|2020-01-05 10:20|2020-01-05T10:20:00Z|Jan 5 2020
5 Jan 2020|Jan 5, 2020|5-Jan-20|Jan-5-20|2020-Jan-05|x|2020-13-01|13/13/2020|2020-02-30||99999999-01-01|2020-01-01 25:00
2020-01-01 10:61|4714-01-01 BC|30/12/2020|12|today x|2020-01-01 foo/bar|2020-01-01 10:00 nosuch|2020-01-01 10|10:20
294277-01-01|2020-01-01 10:00+99|infinity|2020-00-10|2020-01-32|24:00:00|2020-01-01 24:00:00|2020-01-01 24:00:01
12:30 PM 2020-01-02|13:30 PM 2020-01-02|2020-01-01 101010|20200101T101010|20200101 1010|2020-01-01 10:00:60
2020-01-01 10:00:61|2020-01-01 10:00:00.1234567|epoch|Jan 2020|2020-01|0000-01-01|2020-01-01 AD|10:00 2020-01-01
2020-01-01 10:00 PST|2020-01-01 10:00 America/New_York|2020-07-01 10:00 EST5EDT|2020-07-01 10:00-0330
2020-07-01 10:00-03:30:15|2020-01-01 10:00:00,5|2020/01/05|1.5.2020|infinity x|-infinity|+infinity|inf|0001-01-01
0001-01-01 BC|4714-11-24 BC|5874897-12-31|5874898-01-01|9999-12-31|10000-01-01|2020-01-01 12:30 am|2020-01-01 12:30 pm
2020-01-01 1:30 PM|2020-01-01T10:20|2020-03-29 02:30|2020-10-25 02:30|1900-02-29|2000-02-29|10:00 Jan 5 2020
Mon Feb 10 17:32:01 1997 PST|Feb 10 17:32:01 1997 -0800|1997/02/10 17:32:01-0800|1997-02-10 17:32:01 -08:00
19970210 173201|19970210 173201 -0800|97FEB10 5:32:01PM UTC|97/02/10 17:32:01 UTC|1997.041 17:32:01 UTC
2020-01-05 bc|2020-01-05 10:00:00 bc|2020-01-01 10:00 utc|2020-01-01 10:00 UTC+3|2020-01-01 10:00 z
2020-01-01 10:00:00.5 +05:30|2020-01-01 10:00:00.000001|1582-10-10|1600-02-29 23:59:59.9999999|2020-366|2019-366
2020-01-01 00:00:00-12|1883-11-18 12:00 America/New_York|1-1-1|2/3/4|4/3/2|31/1/2020|2020 1 5|January 5|5 January
2020-06-15 12:00 Europe/Berlin|2020-12-15 12:00 europe/berlin|2020-06-15 12:00 CET|2020-06-15 12:00 CEST
31|0 AM|AM 99|2020-01-05AM|2020-01-05 PM|Mon 08-Jan-1999|-03:30 2020-01-05|2020-01-05 10:20+05305|20 13:00
"""

TIMES = """
10:20|10:20:30|10:20:30.123456|10:20:30.1234567|24:00|24:00:01|25:00|10:60|23:59:60|23:59:61|102030|1020|10:20 PM|10:20 am
12:00 AM|13:00 AM|2020-01-01 10:20|10:20+02|10:20:30 PST|10:20:30-03:30|allballs|x||10|10:20:30.|00:00:00|2020-01-01
04:05:06.789|04:05:06-08:00|040506|040506.789|10:20 Europe/Berlin|2020-06-01 10:20 Europe/Berlin|T10:20|infinity
00:30 29|May 10:20|5 Sat 10:20|at 10:20:30 Sat|20|0|2020-01-01 10:20 Sat
"""

INTERVALS = """
1 year 2 mons 3 days 04:05:06.789|1 year|-1 year|1 day ago|2 weeks|1.5 weeks|1.5 days|1.5 months|1.5 years|1.3 mons|1 mon
-1 day +02:03|1 day -02:03|-1 day 02:03|04:05|04:05:06|-04:05:06|5|5.5|-5.25|1-2|-1-2|1-2 3 4:05:06|1-2 -3 4:05:06|3 4:05:06
P1Y2M3DT4H5M6S|P1Y2M3D|PT4H|P1W|P0001-02-03T04:05:06|P1Y2M3DT4H5M6.5S|-P1Y|PT|P|P-1Y2M|PT-5.5S|@ 5 minutes ago|1 century
1 decade|1 millennium|1 h 2 m 3 s|1h2m3s|1 sec|1 secs|100 milliseconds|5 us|1 day 1 day|x||1 fortnight|1 day 2|2 1 day
1 year 1 month|00:00|0|1 microsecond|-1 microsecond|12 mons|13 mons|25 hours|36:00|100:00:00|1 week 1 day|ago|1 ago
178956970 years|178956971 years|2147483647 days|2147483648 days|0.1 sec|1.999999999 sec|1 year -1 month|-1 year 1 month
1 mon -1 day|1 day -1 sec|-1 sec 1 day|1 hour 90 minutes|1.5 hours|1 y 2 mon 3 d 4 h 5 m 6 s|1 month ago|1-13|1:2:3.4
10:20.5|1 minute 30|6 days 30 hours|1 yrs|5 hr|00:00:60|00:60|00:00:61|+1 day|+ 1 day|- 1 day|1e3 days|.5 days|1. days
"""

NUMBERS = """
0|1|-1|+1|-0|42|32767|32768|-32768|-32769|2147483647|2147483648|-2147483648|-2147483649|9223372036854775807
9223372036854775808|-9223372036854775808|-9223372036854775809|4294967295|4294967296| 12 |1 2|1_0|0x10|1.0|1.5|-1.5|.5
5.|1e5|1E-5|1e400|1e-400|-1e400|NaN|nan|Infinity|-Infinity|inf|-inf|+inf|infinity||x| |--1|1e|e5|0.1|0.10|123.456|-0.00
99999999999999999999999999|0.000001|0.0000001|123456789012345|1234567890123456|12345678901234567890|1e15|1e14|1e16|1e-4
1e-5|1.5e-5|1234567|123456|999999|1e6|16777216|16777217|3.4e38|3.5e38|1e-45|1e-46|5e-324|1e-324|1.7976931348623157e308
1e309|0.3|2.5|3.5|-2.5|12.345|12.335|999.995|999.994|1000|1e10|1e22|1e23|9007199254740993|4.35|100|0.00|00012|1.
1065324562301117.892998|-36909081698648739|54038288|1056738.125|-2957728.75|33554434|75E-75603|0e-20000
"""

GROUPS: list[tuple[dict[str, str], list[str], str]] = [
    (
        {},
        ["smallint", "integer", "bigint", "oid", "real", "double precision", "numeric", "numeric(5,2)"],
        NUMBERS,
    ),
    ({}, ["numeric(3,3)", "numeric(4,-2)", "numeric(2,5)", "numeric(10)"], NUMBERS),
    ({"extra_float_digits": "0"}, ["real", "double precision"], NUMBERS),
    ({}, ["boolean"], "t|f|true|FALSE|yes|no|y|n|on|off|o|of|1|0|tr|fals| true |x||2|oN|nope"),
    (
        {},
        ["text", "varchar", "varchar(3)", "char(3)", "char", "name", '"char"'],
        "|a|ab|abc|abc  |abcd|  a|äöü|äöüß|a ",
    ),
    ({}, ["name"], "n" * 70 + "|" + "ä" * 40),
    ({}, ["bytea"], r"\x|\x00ff|\xAbCd|\x0|\xgg|\x 00 ff|abc|a\\b|a\000b|a\377|a\400|a\x|\|äö|\x0g"),
    ({"bytea_output": "escape"}, ["bytea"], r"\x00ff|\x5c|abc|\x7f80|\x1f20"),
    (
        {},
        ["uuid"],
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11|A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11|"
        "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}|a0eebc999c0b4ef8bb6d6bb9bd380a11|a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11|"
        "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11|x||a0eebc99-9c0b4ef8-bb6d6bb9-bd380a11|a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1",
    ),
    ({}, ["date", "timestamp", "timestamptz", "timestamp(2)", "timestamptz(0)"], DATES),
    ({"DateStyle": "ISO, DMY"}, ["date", "timestamp"], DATES),
    ({"DateStyle": "ISO, YMD"}, ["date", "timestamp"], DATES),
    ({"DateStyle": "SQL, MDY", "TimeZone": "Europe/Berlin"}, ["date", "timestamp", "timestamptz"], DATES),
    ({"DateStyle": "SQL, DMY"}, ["date", "timestamp", "timestamptz"], DATES),
    ({"DateStyle": "German", "TimeZone": "America/New_York"}, ["date", "timestamp", "timestamptz"], DATES),
    ({"DateStyle": "Postgres, MDY", "TimeZone": "Asia/Kolkata"}, ["date", "timestamp", "timestamptz"], DATES),
    ({"DateStyle": "Postgres, DMY", "TimeZone": "UTC"}, ["date", "timestamp", "timestamptz"], DATES),
    ({"TimeZone": "America/New_York"}, ["timestamptz"], DATES),
    ({"TimeZone": "-3.5"}, ["timestamptz"], DATES),
    ({}, ["time", "time(2)", "timetz"], TIMES),
    (
        {},
        ["interval", "interval(2)", "interval year", "interval day", "interval minute to second"],
        INTERVALS,
    ),
    ({}, ["interval hour", "interval year to month", "interval day to hour"], INTERVALS),
    ({"IntervalStyle": "postgres_verbose"}, ["interval"], INTERVALS),
    ({"IntervalStyle": "sql_standard"}, ["interval"], INTERVALS),
    ({"IntervalStyle": "iso_8601"}, ["interval"], INTERVALS),
]

JSONS = [
    "", " ", "{", "[", "[1", "[1,", "[1,]", '{"a"', '{"a":', '{"a":1', '{"a":1,', '{"a":1,}', "{a:1}", "tru", "truex", "1.2.3",
    "01", "1.", "-", "+1", '"abc', '"a\\x"', '"\\u12"', "[1 2]", "1 2", '{"a" 1}', "{1:2}", "]", "NaN", "'a'", '{"a":1}}',
    '"\\u12g4x"', "[1,2,,3]", ":", "{,}", "nul]", "1e", "0x10", "[1.5.3]", '{"a":"b', "abc def", "€", '"\\', '"\\€"', "a\nb",
    "[1,\n2,\nx]", '{"' + "a" * 80 + '":x}', '{"x":y,"' + "a" * 80 + '":x}', '"tab\there"', "1", "-0", "1.50", "1e5", "1E-3",
    '"a"', "null", "true", " [1, 2 ] ", '{"bb":1,"a":2,"ab":3,"a":4}', "{}", "[]", '{"a":{"c":[],"b":{}}}', '"\\u00e4\\n\\u0001"',
    '"\\ud83d\\ude00"', '"\\/"', "12345678901234567890.12345678901234567890", "-0.0", '"\\u0000"', '"\\ud800"', '"\\udc00"',
    '"\\ud800\\ud800"', '"\\ud800x"', '["a\\\\u0000", "\\ud83d\\n"]', "1.0e2", "[[[[1]]]]", '{"ä":1,"zz":2,"z":3}',
]  # fmt: skip

ARRAYS = [
    "{", "", "x", "{1", "{1}}", "{{1},{2,3}}", '{"a}', '{a"b"}', '{"a"b}', "{a,}", "{,a}", "{a,,b}", "{}x", "{{1},2}", "{1,{2}}",
    "[1:2]={1,2}", "[1:3]={1,2}", "[1:2]=1", "{{}}", "{{},{}}", "{{{{{{{1}}}}}}}", '{nUlL,"NULL"}', "{ a b , c }", "{a\\,b}",
    '{"a\\"b"}', "{\\ a\\ }", '{"a" }', "{a b\\ }", "{{1,2},{3,4}}", "{}", "{ }", "{1},{2}", '{""}', "{{1,NULL},{3,4}}", " {1} ",
    "[2]={1,2}", "{1,2,3}", "{NULL}", "{-1}", '{"1","2"}', "{{{1,2},{3,4}},{{5,6},{7,8}}}", "{a;b}", "{a\\\\b}", "{x y}",
    '{"x"{1}}', '{"x"\\}', "{{1},}", "{{1},,}", "{ a\\", "{a\\\\ }", "{a\\\\\\  }", " {a", " x",
]  # fmt: skip

LISTED: list[tuple[dict[str, str], list[str], list[str]]] = [
    ({}, ["json", "jsonb"], JSONS),
    ({}, ["text[]", "integer[]", "numeric(4,1)[]", "varchar(2)[]", "boolean[]"], ARRAYS),
    ({}, ["date[]", "timestamp[]"], ["{2020-01-01,infinity}", '{"2020-01-01 10:20",NULL}', "{x}"]),
    ({}, ["bytea[]"], ['{"\\\\x00ff",abc}', "{}"]),
    ({}, ["int2vector", "oidvector"], ["", "1", "1 2 3", " 1  2 ", "-1", "70000"]),
    ({}, ["xid"], ["0", "1", "4294967295", "-1"]),
    ({}, ["pg_lsn"], ["0/0", "1/ABCDEF01", "x", "FFFFFFFF/FFFFFFFF", "123456789/0"]),
]


def groups() -> list[tuple[dict[str, str], list[str], list[str]]]:
    """All groups: settings, types, inputs."""
    split = [
        (settings, types, cases.strip("\n").replace("\n", "|").split("|"))
        for settings, types, cases in GROUPS
    ]
    return split + LISTED


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _fact(client: WireClient, send: str, text: str) -> list[Any]:
    """[input, output text, output binary in hex, [SQLSTATE, message, detail, hint, context] of the error]"""
    answer = client.query(f"INSERT INTO facts VALUES ({_quote(text)}) RETURNING v, encode({send}(v), 'hex')")
    if answer.error is not None:
        return [text, None, None, [answer.error.get(code) for code in "CMDHW"]]
    shown, binary = answer.rows[0]
    return [text, shown, binary, None]


def collect(client: WireClient) -> list[dict[str, Any]]:
    """Ask the server; one entry per (settings, type)."""
    entries = []
    client.query("SET standard_conforming_strings = on")
    for settings, types, inputs in groups():
        client.query("RESET ALL; SET TimeZone = 'UTC'")
        for name, value in settings.items():
            client.query(f"SET {name} = {_quote(value)}")
        for type_name in types:
            client.query("DROP TABLE IF EXISTS facts")
            client.query(f"CREATE TEMP TABLE facts (v {type_name})")
            oid, typmod, send = client.query(
                "SELECT atttypid, atttypmod, typsend FROM pg_attribute JOIN pg_type t ON t.oid = atttypid"
                " WHERE attrelid = 'facts'::regclass AND attnum = 1"
            ).rows[0]
            facts = [_fact(client, send or "", text) for text in inputs]
            if settings:
                facts = [[text, shown, None, error] for text, shown, _, error in facts]
            entries.append(
                {
                    "settings": settings,
                    "type": type_name,
                    "oid": int(oid or 0),
                    "typmod": int(typmod or 0),
                    "facts": facts,
                }
            )
    return entries


def main() -> None:
    """Rewrite the stored facts."""
    with postgres_server() as address:
        client = WireClient(address)
        entries = collect(client)
        client.close()
    lines = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in entries)
    FACTS_FILE.write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
