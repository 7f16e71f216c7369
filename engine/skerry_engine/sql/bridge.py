"""From the text of a query to its syntax tree: sqlglot's node classes, PostgreSQL's grammar.

The nodes are sqlglot's (`sqlglot.expressions`), so whatever prints or walks sqlglot trees works on them.  The grammar
is our own (`expression_syntax` to `dml_syntax`): sqlglot's parser is lenient (it takes `'a' 'b'`, `LIMIT 1, 2`,
`x -> y` as a lambda, groups `a IS DISTINCT FROM b = c` wrongly) and reports neither PostgreSQL's messages nor
positions.  A grammar that follows PostgreSQL's rule by rule has nothing to regroup or to undo.

    text -> lexer.Tokens -> normalise.Normalised (literals lifted, long lists taken out) -> parse_query -> tree

What comes out, exactly.  Arguments that are not listed are absent (None or []), never silently dropped:
syntax that has no place here raises NotSupportedError by name, anything else SyntaxError.
`position_of(node)` gives the 1-based offset of nearly every node in the statement's text,
as PostgreSQL's errors report it.

Names
    Identifier(this=str, quoted=bool)         `this` is already folded to lower case unless it was quoted
    Column(this=Identifier | Star, table=Identifier, db=Identifier, catalog=Identifier)      a, t.a, s.t.a, t.*
    Star()                                    a lone * in a target list or in count(*)-like places: see calls
    Dot(this=expr, expression=Identifier | Star)      (x).field, (x).*; also a.b.c.d.e beyond four parts
    Alias(this=expr, alias=Identifier)        target list only

Constants and parameters
    Literal(this=text, is_string=bool)        `literal_index(node)`: its slot in Normalised.literals, None when it was
                                              not lifted; `template_slot(node)`: its slot in a row template;
                                              `list_index(node)`: it stands for Normalised.lists[i] (IN only)
    Null(), Boolean(this=bool), BitString(this=digits), HexString(this=digits)
    Parameter(this=Literal number)            $1            Placeholder(this=name)    $name (native interface)
    Var(this="DEFAULT")                       DEFAULT in VALUES, INSERT and UPDATE

Operators.  AND, OR, NOT are And/Or(this, expression) and Not(this).  Every other operator, unary minus, LIKE and
SIMILAR TO included, is
    Operator(this=left | None, operator=str, expression=right, schema=str | None)
    with PostgreSQL's name: '=', '<>' (also for !=), '+', '||', '->>', '~~' LIKE, '!~~' NOT LIKE, '~~*' ILIKE, '!~~*';
    a LIKE b ESCAPE c is a ~~ like_escape(b, c); SIMILAR TO is a ~ similar_to_escape(b[, c]), NOT of it '!~'.
    `left` is None for a prefix operator (-x, @x, ~x); `schema` is set by OPERATOR(schema.op).
    Right side Any(this=x) / All(this=x): x is a Subquery or an array expression (a = ANY (...), a LIKE ANY (...)).
    -1 is Operator(None, '-', Literal 1), as in PostgreSQL's raw parse tree.
    Is(this, expression=Null() | Boolean | Var('UNKNOWN'), negate=bool)       IS [NOT] NULL/TRUE/FALSE/UNKNOWN, ISNULL
    NullSafeNEQ(this, expression) IS DISTINCT FROM; NullSafeEQ(this, expression) IS NOT DISTINCT FROM
    Between(this, low, high, symmetric=bool, negate=bool)
    In(this, expressions=[...], negate=bool)  or In(this, query=Subquery, negate=bool).  A list of more than 8
        literals is one Literal with `list_index`.
    Parentheses leave no node.  AT TIME ZONE is the call timezone(zone, x); (a, b) OVERLAPS (c, d) the call
    overlaps(a, b, c, d).

Calls
    Anonymous(this=name, schema=str | None, expressions=[args], star=bool (count(*)), distinct=bool, all=bool,
              variadic=bool (the last argument), order=Order | None (inside the parentheses),
              within_group=Order | None, filter=expr | None, over=Window | None, bare=bool)
        Arguments may be Kwarg(this=Identifier, expression=expr) for name => value.
        `bare`: the SQL-standard words that are no catalog functions: current_date, current_time, current_timestamp,
        localtime, localtimestamp (expressions=[Literal precision] or []), current_role, current_user, session_user,
        user, current_catalog, current_schema, grouping(...).
        Special syntaxes become the calls PostgreSQL makes of them: EXTRACT(f FROM x) extract('f', x) [the field a
        Literal never lifted], POSITION(a IN b) position(b, a), SUBSTRING(x FROM a FOR b) substring(x, a, b),
        SUBSTRING(x FOR n) substring(x, 1, n), SUBSTRING(x SIMILAR p ESCAPE e) substring(x, p, e),
        TRIM([BOTH|LEADING|TRAILING] c FROM x) btrim/ltrim/rtrim(x, c), OVERLAY(a PLACING b FROM c FOR d)
        overlay(a, b, c, d), NORMALIZE(x, form), COLLATION FOR (x) pg_collation_for(x).  These carry
        schema='pg_catalog' and syntax=the keyword in lower case ('extract', 'at time zone', ...), for deparsing.
    Coalesce(this, expressions=[rest]), Greatest(this, expressions), Least(this, expressions), Nullif(this, expression)
    Case(this=operand | None, ifs=[If(this=condition, true=value)], default=expr | None)
    Exists(this=query)           Subquery(this=query): a scalar subquery
    Cast(this, to=DataType, typed_literal=bool)   x::t, CAST(x AS t); typed_literal for date '2020-01-01' and kin.
        `type_name_of(cast.args['to'])` is the types_syntax.TypeName (names as written, canonical for SQL-standard
        spellings, modifiers, array dimensions); INTERVAL '1' DAY is such a cast with TypeName.interval_fields.
    Collate(this, expression=Identifier, schema=Identifier | None)
    Array(expressions=[...]) ARRAY[...] (inner [..] are Array too); Array(query=Subquery) ARRAY(SELECT ...)
    Bracket(this, expressions=[index | Slice(this=low | None, expression=high | None)])    all subscripts of one chain,
        numbers as written
    Tuple(expressions=[...], row=bool)        (a, b) or ROW(a, b); `row` when the word ROW was written

Queries
    Select(with_, distinct=Distinct(on=[exprs] | None) | None, expressions=[targets], from_=From | None, where=Where,
           group=Group, having=Having, windows=[Window], order=Order, limit=Limit, offset=Offset, locks=[Lock],
           into=Table)
    Union / Except / Intersect(this, expression, distinct=bool, with_, order, limit, offset, locks)
    Values(expressions=[Tuple, ...], row_list=int | None, with_, order, limit, offset)
        With `row_list` = i the tuples are the row templates and Normalised.row_lists[i] holds the data.
    TABLE t is Select(*) FROM t.  Parentheses around a query leave no node.
    From(expressions=[item, ...]): items separated by commas.  An item is one of
        Table(this=Identifier, db, catalog, alias=TableAlias | None, only=bool)
        Subquery(this=query, alias=TableAlias | None, lateral=bool)
        Lateral(expressions=[call, ...], alias=TableAlias | None, ordinality=bool, lateral=bool, rows_from=bool,
                columns=[ColumnDef(this=Identifier, kind=DataType)])      functions in FROM; several: ROWS FROM
        TableFromRows(this=Literal, alias=TableAlias | None)     GRAPH_TABLE; `graph_table_of(node)` is what GQL reads
        Join(left=item, this=item, side='LEFT' | 'RIGHT' | 'FULL' | None, kind='CROSS' | 'INNER', natural=bool,
             on=expr | None, using=[Identifier] , using_alias=Identifier | None, alias=TableAlias | None)
    TableAlias(this=Identifier, columns=[Identifier])
    Where(this), Having(this), Order(expressions=[Ordered(this, desc=bool, nulls_first=bool | None, using=str | None)])
    Group(expressions=[expr | Rollup(expressions) | Cube(expressions) | GroupingSets(expressions)], distinct=bool); the
        empty set is Tuple(expressions=[])
    Limit(expression, with_ties=bool) for LIMIT and FETCH FIRST (LIMIT ALL: absent), Offset(expression)
    Window(this=Identifier | None (WINDOW w AS, or OVER w), base=Identifier | None, partition_by=[...],
           order=Order | None, spec=WindowSpec | None, named=bool (OVER w));
        WindowSpec(kind='ROWS'|'RANGE'|'GROUPS', start, start_side, end, end_side, exclude): start and end are
        'UNBOUNDED', 'CURRENT ROW' or an expression; sides 'PRECEDING' | 'FOLLOWING' | None
    Lock(strength='UPDATE'|'NO KEY UPDATE'|'SHARE'|'KEY SHARE', expressions=[Table], wait='NOWAIT'|'SKIP LOCKED'|None)
    With(expressions=[CTE(this=query or DML, alias=TableAlias, materialized=bool | None)], recursive=bool)

Changes
    Insert(with_, this=Table, columns=[Column (or Bracket/Dot on one)], expression=query | None,
           default=bool (DEFAULT VALUES), overriding='SYSTEM' | 'USER' | None,
           conflict=OnConflict | None, returning=Returning | None)
    OnConflict(action='NOTHING' | 'UPDATE', conflict_keys=[expr (Collate for a collation)],
    index_predicate=expr | None,
           constraint=Identifier | None, expressions=[assignments], where=Where | None)
    Update(with_, this=Table, expressions=[EQ(this=Column, expression=value)], from_=From | None, where,
    returning);
        several columns at once: EQ(this=Tuple([Column...]), expression=Tuple | Subquery)
    Delete(with_, this=Table, using=From | None, where, returning)
    Merge(with_, this=Table, using=item, on=expr, whens=[When(matched=bool, condition=expr | None,
           then=Update | Insert | Delete | Var('DO NOTHING'))]);
           WHEN ... INSERT has columns and expression=Values of one row
    Returning(expressions=[targets])
"""

from __future__ import annotations

from sqlglot import expressions as exp

from skerry_engine.errors import StatementTooComplex
from skerry_engine.sql.dml_syntax import DataParser
from skerry_engine.sql.graph_table import GraphTableText
from skerry_engine.sql.normalise import Normalised, normalise
from skerry_engine.sql.primary_syntax import LiteralInSyntax
from skerry_engine.sql.types_syntax import TypeName

_BEGIN_WITH_OPERAND = (
    exp.Operator,
    exp.And,
    exp.Or,
    exp.Is,
    exp.NullSafeEQ,
    exp.NullSafeNEQ,
    exp.Between,
    exp.In,
    exp.Cast,
    exp.Collate,
    exp.Bracket,
    exp.Dot,
)
"""The nodes whose first operand stands before the word or sign that they are marked with."""


def parse_query(source: Normalised | str) -> exp.Expression:
    """The syntax tree of a SELECT, VALUES, TABLE, WITH, INSERT, UPDATE, DELETE or MERGE.

    A text is taken as it stands, its literals not lifted.  A trailing semicolon is allowed.  Raises
    SyntaxError with PostgreSQL's words and position, NotSupportedError for syntax that Skerry does not take.
    """
    normalised = normalise(source, lift=False) if isinstance(source, str) else source
    try:
        return _whole_statement(normalised)
    except LiteralInSyntax:
        normalised.unlift()
        return _whole_statement(normalised)
    except RecursionError:
        raise too_complex() from None


def _whole_statement(normalised: Normalised) -> exp.Expression:
    parser = DataParser(normalised)
    tree = parser.data_statement()
    parser.accept(";")
    parser.expect_end()
    return tree


def too_complex() -> StatementTooComplex:
    """The error for a statement that nests deeper than Python's own stack allows here."""
    return StatementTooComplex("stack depth limit exceeded", hint="Nest the statement less deeply.")


def parse_expression(source: str | Normalised) -> exp.Expression:
    """The syntax tree of a value expression on its own, its literals not lifted: a default, a check,
    an index key."""
    parser = DataParser(normalise(source, lift=False) if isinstance(source, str) else source)
    tree = parser.expression()
    parser.expect_end()
    return tree


def literal_index(node: exp.Expression) -> int | None:
    """The number in `Normalised.literals` of a lifted Literal; None for one that stayed."""
    found = node.meta.get("literal")
    return found if isinstance(found, int) else None


def template_slot(node: exp.Expression) -> int | None:
    """The slot of a Literal in a row template: its class is `RowTemplate.kinds[slot]`,
    its value in the data rows."""
    found = node.meta.get("slot")
    return found if isinstance(found, int) else None


def list_index(node: exp.Expression) -> int | None:
    """The number in `Normalised.lists` of the list that a Literal stands for (in In.expressions only)."""
    found = node.meta.get("list")
    return found if isinstance(found, int) else None


def graph_table_of(node: exp.Expression) -> GraphTableText:
    """What stands in the brackets of GRAPH_TABLE."""
    found = node.meta["graph_table"]
    assert isinstance(found, GraphTableText)
    return found


def position_of(node: exp.Expression) -> int | None:
    """1-based offset in the statement's text at which errors about this node point."""
    found = node.meta.get("position")
    return found if isinstance(found, int) else None


def start_of(node: exp.Expression) -> int | None:
    """1-based offset of an expression's first operand or word, at which errors about it as a whole point."""
    own = position_of(node)
    first = node.args.get("this")
    if isinstance(node, exp.Cast) and isinstance(first, exp.Literal) and first.args["is_string"]:
        return position_of(first)
    if isinstance(node, exp.Kwarg):
        return start_of(node.args["expression"])
    if not isinstance(node, _BEGIN_WITH_OPERAND) or not isinstance(first, exp.Expression):
        return own
    inner = start_of(first)
    return inner if own is None or (inner is not None and inner < own) else own


def type_name_of(node: exp.Expression) -> TypeName:
    """The type's name as written, of a DataType node."""
    found = node.meta["type_name"]
    assert isinstance(found, TypeName)
    return found
