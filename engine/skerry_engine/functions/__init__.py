"""Functions, operators, casts and aggregates: what they are called, which one a call means,
what each one does.

    registry       facts (PostgreSQL's signatures and OIDs, data/*.tsv) joined with implementations
    operators, casts, polymorphism, resolve      which function an expression means (PostgreSQL's manual, chapter 10)
    namespace, comparisons, ordering, output     what the families below share
    boolean, integers, floats, numerics          numbers
    texts, patterns, charsets, regex_*           text, LIKE and regular expressions; regex_automaton keeps them linear in time
    dates, clocks, date_parts, intervals         dates and times
    number_formatting, datetime_formatting, datetime_parsing      to_char and its inverses
    arrays, json_functions, jsonb_functions, json_building        arrays and JSON
    encodings, hashing, identifiers, series, session_functions    bytea and uuid, system types, generate_series, the session
    aggregates, statistics, window_ranges                         aggregates, window frames

A function never sees a catalog, a row or a transaction: what it may know beyond its arguments is its
FunctionContext (`abc`).  Functions that need the catalog are defined by the catalog's layer,
through `registry.define`.
"""
