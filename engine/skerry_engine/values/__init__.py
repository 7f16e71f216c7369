"""Values: how SQL's types stand in memory, read, print, travel and compare.

A value at run time is a bare *atom*, which Python's cycle collector need not track and
which does not know its type:

    boolean                       bool
    smallint, integer, bigint     int; so are oid, xid and the reg* types
    real, double precision        float; a real is rounded to single precision
    numeric                       Decimal; its exponent (never above 0) is the scale; NaN, +-Infinity; no negative zero
    text, varchar, name, "char"   str; bpchar too, without its padding
    json, jsonb                   str: as written; in canonical form
    date                          int, days since 2000-01-01
    timestamp, timestamptz        int, microseconds since 2000-01-01 (in UTC)
    time                          int, microseconds since midnight
    timetz                        bytes, struct '>qi': microseconds, zone in seconds west of Greenwich
    interval                      bytes, struct '>iiq': months, days, microseconds
    bytea, uuid                   bytes
    arrays, vectors, records      tuple of atoms; tuples of tuples for more dimensions
    NULL                          None

Types are known statically, by OID.  `io` gives text and binary forms, `keys` index keys, `python` the
conversion to what a Python program wants at the edge.
"""
