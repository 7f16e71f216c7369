"""Rows of the catalogs about functions, operators, casts and index methods: what Skerry really has.

pg_proc lists the functions that can be called, and those that pg_type, pg_am and pg_amproc name; a function that
Skerry only knows to refuse it is not there.
"""

from __future__ import annotations

from skerry_engine.catalog.objects import BOOTSTRAP_ROLE, PG_CATALOG
from skerry_engine.catalog.opclasses import OPERATOR_CLASSES
from skerry_engine.catalog.system.layout import SCHEMA_OIDS, Row, layout, read_facts
from skerry_engine.catalog.system.registry import fixed_rows_of
from skerry_engine.catalog.system.types import function_oid
from skerry_engine.functions.casts import all_casts
from skerry_engine.functions.operators import Operator, all_operators, find_operator, operator_by_oid
from skerry_engine.functions.registry import AggregateFunction, AnyFunction, Function, all_functions
from skerry_engine.values.types import ALL_TYPES

PROC = layout("pg_proc")
AGGREGATE = layout("pg_aggregate")
OPERATOR = layout("pg_operator")
CAST = layout("pg_cast")
ACCESS_METHOD = layout("pg_am")
OPCLASS = layout("pg_opclass")
OPFAMILY = layout("pg_opfamily")
AMOP = layout("pg_amop")
AMPROC = layout("pg_amproc")
LANGUAGE = layout("pg_language")

INTERNAL_LANGUAGE = 12


# --- pg_proc, pg_aggregate ------------------------------------------------------------------------


@fixed_rows_of("pg_proc")
def proc_rows() -> list[Row]:
    return [_proc_row(function) for function in listed_functions()]


def listed_functions() -> list[AnyFunction]:
    """The functions that pg_proc shows."""
    named = {info.input_function for info in ALL_TYPES} | {info.output_function for info in ALL_TYPES}
    named |= {info.receive_function for info in ALL_TYPES} | {info.send_function for info in ALL_TYPES}
    supporting = {int(fields[-1]) for fields in read_facts("amprocs.tsv")}
    return [f for f in all_functions() if f.is_implemented or f.name in named or f.oid in supporting]


def _proc_row(function: AnyFunction) -> Row:
    values: dict[str, object] = {
        "oid": function.oid,
        "proname": function.name,
        "pronamespace": SCHEMA_OIDS[function.schema],
        "proowner": BOOTSTRAP_ROLE,
        "prolang": INTERNAL_LANGUAGE,
        "procost": 1.0,
        "provariadic": function.variadic,
        "prokind": "a",
        "proisstrict": False,
        "provolatile": "i",
        "proparallel": "s",
        "pronargs": len(function.arg_types),
        "prorettype": function.return_type,
        "proargtypes": function.arg_types,
        "prosrc": "aggregate_dummy",
    }
    if isinstance(function, Function):
        values.update(_function_values(function))
    return PROC.row(**values)


def _function_values(function: Function) -> dict[str, object]:
    values: dict[str, object] = {
        "prokind": function.kind,
        "proisstrict": function.strict,
        "proretset": function.returns_set,
        "provolatile": function.volatility,
        "pronargdefaults": function.defaults,
        "prorows": 1000.0 if function.returns_set else 0.0,
        "prosrc": function.source or function.name,
    }
    names = function.arg_names
    if function.result_columns:
        columns = function.result_columns
        values["proallargtypes"] = (*function.arg_types, *(type_oid for _, type_oid in columns))
        values["proargmodes"] = ("i",) * len(function.arg_types) + ("o",) * len(columns)
        padded = (*names, *[""] * (len(function.arg_types) - len(names)))
        values["proargnames"] = (*padded, *(name for name, _ in columns))
    elif names:
        values["proargnames"] = names
    return values


@fixed_rows_of("pg_aggregate")
def aggregate_rows() -> list[Row]:
    return [
        AGGREGATE.row(
            aggfnoid=function.oid,
            aggkind=function.kind,
            aggnumdirectargs=function.direct_args,
            aggfinalmodify="r",
            aggmfinalmodify="r",
        )
        for function in listed_functions()
        if isinstance(function, AggregateFunction)
    ]


# --- pg_operator, pg_cast -------------------------------------------------------------------------


@fixed_rows_of("pg_operator")
def operator_rows() -> list[Row]:
    return [_operator_row(operator) for operator in all_operators() if operator.function.is_implemented]


def _operator_row(operator: Operator) -> Row:
    return OPERATOR.row(
        oid=operator.oid,
        oprname=operator.name,
        oprnamespace=PG_CATALOG,
        oprowner=BOOTSTRAP_ROLE,
        oprkind="b" if operator.left else "l",
        oprcanmerge=operator.can_merge,
        oprcanhash=operator.can_hash,
        oprleft=operator.left,
        oprright=operator.right,
        oprresult=operator.result,
        oprcom=_operator_oid(operator.commutator, operator.right, operator.left),
        oprnegate=_operator_oid(operator.negator, operator.left, operator.right),
        oprcode=operator.function.oid,
    )


def _operator_oid(name: str, left: int, right: int) -> int:
    found = find_operator(name, left, right) if name else None
    return 0 if found is None else found.oid


@fixed_rows_of("pg_cast")
def cast_rows() -> list[Row]:
    return [
        CAST.row(
            oid=cast.oid,
            castsource=cast.source,
            casttarget=cast.target,
            castfunc=0 if cast.function is None else cast.function.oid,
            castcontext=cast.context,
            castmethod=cast.method,
        )
        for cast in all_casts()
    ]


# --- index methods and operator classes -----------------------------------------------------------


@fixed_rows_of("pg_am")
def access_method_rows() -> list[Row]:
    methods = [(2, "heap", "heap_tableam_handler", "t")]
    methods += [(403, "btree", "bthandler", "i"), (405, "hash", "hashhandler", "i")]
    return [
        ACCESS_METHOD.row(oid=oid, amname=name, amhandler=function_oid(handler), amtype=kind)
        for oid, name, handler, kind in methods
    ]


@fixed_rows_of("pg_opclass")
def opclass_rows() -> list[Row]:
    return [
        OPCLASS.row(
            oid=c.oid,
            opcmethod=c.method_oid,
            opcname=c.name,
            opcnamespace=PG_CATALOG,
            opcowner=BOOTSTRAP_ROLE,
            opcfamily=c.family_oid,
            opcintype=c.input_type,
            opcdefault=c.is_default,
            opckeytype=c.key_type,
        )
        for c in OPERATOR_CLASSES
    ]


@fixed_rows_of("pg_opfamily")
def opfamily_rows() -> list[Row]:
    return [
        OPFAMILY.row(
            oid=int(oid),
            opfmethod=int(method),
            opfname=name,
            opfnamespace=PG_CATALOG,
            opfowner=BOOTSTRAP_ROLE,
        )
        for oid, method, name in read_facts("opfamilies.tsv")
        if int(oid) in _families()
    ]


def _families() -> set[int]:
    return {c.family_oid for c in OPERATOR_CLASSES}


@fixed_rows_of("pg_amop")
def amop_rows() -> list[Row]:
    families = _families()
    return [
        AMOP.row(
            oid=int(oid),
            amopfamily=int(family),
            amoplefttype=int(left),
            amoprighttype=int(right),
            amopstrategy=int(strategy),
            amoppurpose="s",
            amopopr=int(operator),
            amopmethod=int(method),
        )
        for oid, family, left, right, strategy, operator, method in read_facts("amops.tsv")
        if int(family) in families and operator_by_oid(int(operator)) is not None
    ]


@fixed_rows_of("pg_amproc")
def amproc_rows() -> list[Row]:
    families = _families()
    known = {function.oid for function in all_functions()}
    return [
        AMPROC.row(
            oid=int(oid),
            amprocfamily=int(family),
            amproclefttype=int(left),
            amprocrighttype=int(right),
            amprocnum=int(number),
            amproc=int(procedure),
        )
        for oid, family, left, right, number, procedure in read_facts("amprocs.tsv")
        if int(family) in families and int(procedure) in known
    ]


@fixed_rows_of("pg_language")
def language_rows() -> list[Row]:
    languages = ((12, "internal", False), (13, "c", False), (14, "sql", True))
    return [
        LANGUAGE.row(oid=oid, lanname=name, lanowner=BOOTSTRAP_ROLE, lanpltrusted=trusted)
        for oid, name, trusted in languages
    ]
