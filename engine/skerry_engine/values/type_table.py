"""The facts of pg_type for the types that Skerry knows, as one table.

Columns: oid, name, len (bytes; -1 varying, -2 zero-terminated), val (passed by value), kind (typtype), cat
(typcategory), pref (preferred in its category), elem (element type), array (array type), align, store, coll
(collation), io (prefix of its input and output functions: `int4` makes int4in and int4out), fn (which more
functions it has: r receive, s send, m type modifier).  Names with a dot are Skerry's own types, in that schema.
"""

from __future__ import annotations

TYPE_TABLE = """\
 oid  name                     len  val  kind  cat  pref  elem  array  align  store  coll  io                        fn
  16  bool                       1  t    b     B    t        0   1000  c      p         0  bool                      rs-
  17  bytea                     -1  f    b     U    f        0   1001  i      x         0  bytea                     rs-
  18  char                       1  t    b     Z    f        0   1002  c      p         0  char                      rs-
  19  name                      64  f    b     S    f       18   1003  c      p       950  name                      rs-
  20  int8                       8  t    b     N    f        0   1016  d      p         0  int8                      rs-
  21  int2                       2  t    b     N    f        0   1005  s      p         0  int2                      rs-
  22  int2vector                -1  f    b     A    f       21   1006  i      p         0  int2vector                rs-
  23  int4                       4  t    b     N    f        0   1007  i      p         0  int4                      rs-
  24  regproc                    4  t    b     N    f        0   1008  i      p         0  regproc                   rs-
  25  text                      -1  f    b     S    t        0   1009  i      x       100  text                      rs-
  26  oid                        4  t    b     N    t        0   1028  i      p         0  oid                       rs-
  27  tid                        6  f    b     U    f        0   1010  s      p         0  tid                       rs-
  28  xid                        4  t    b     U    f        0   1011  i      p         0  xid                       rs-
  29  cid                        4  t    b     U    f        0   1012  i      p         0  cid                       rs-
  30  oidvector                 -1  f    b     A    f       26   1013  i      p         0  oidvector                 rs-
  32  pg_ddl_command             8  t    p     P    f        0      0  d      p         0  pg_ddl_command_           rs-
 114  json                      -1  f    b     U    f        0    199  i      x         0  json_                     rs-
 194  pg_node_tree              -1  f    b     Z    f        0      0  i      x       100  pg_node_tree_             rs-
 199  _json                     -1  f    b     A    f      114      0  i      x         0  array_                    rs-
 269  table_am_handler           4  t    p     P    f        0      0  i      p         0  table_am_handler_         ---
 271  _xid8                     -1  f    b     A    f     5069      0  d      x         0  array_                    rs-
 325  index_am_handler           4  t    p     P    f        0      0  i      p         0  index_am_handler_         ---
650   cidr                      -1  f    b     I    f        0    651  i      m         0  cidr_                     rs-
651   _cidr                     -1  f    b     A    f      650      0  i      x         0  array_                    rs-
 700  float4                     4  t    b     N    f        0   1021  i      p         0  float4                    rs-
 701  float8                     8  t    b     N    t        0   1022  d      p         0  float8                    rs-
 705  unknown                   -2  f    p     X    f        0      0  c      p         0  unknown                   rs-
774   macaddr8                   8  f    b     U    f        0    775  i      p         0  macaddr8_                 rs-
775   _macaddr8                 -1  f    b     A    f      774      0  i      x         0  array_                    rs-
790   money                      8  t    b     N    f        0    791  d      p         0  cash_                     rs-
791   _money                    -1  f    b     A    f      790      0  d      x         0  array_                    rs-
829   macaddr                    6  f    b     U    f        0   1040  i      p         0  macaddr_                  rs-
869   inet                      -1  f    b     I    t        0   1041  i      m         0  inet_                     rs-
1000  _bool                     -1  f    b     A    f       16      0  i      x         0  array_                    rs-
1001  _bytea                    -1  f    b     A    f       17      0  i      x         0  array_                    rs-
1002  _char                     -1  f    b     A    f       18      0  i      x         0  array_                    rs-
1003  _name                     -1  f    b     A    f       19      0  i      x       950  array_                    rs-
1005  _int2                     -1  f    b     A    f       21      0  i      x         0  array_                    rs-
1006  _int2vector               -1  f    b     A    f       22      0  i      x         0  array_                    rs-
1007  _int4                     -1  f    b     A    f       23      0  i      x         0  array_                    rs-
1008  _regproc                  -1  f    b     A    f       24      0  i      x         0  array_                    rs-
1009  _text                     -1  f    b     A    f       25      0  i      x       100  array_                    rs-
1010  _tid                      -1  f    b     A    f       27      0  i      x         0  array_                    rs-
1011  _xid                      -1  f    b     A    f       28      0  i      x         0  array_                    rs-
1012  _cid                      -1  f    b     A    f       29      0  i      x         0  array_                    rs-
1013  _oidvector                -1  f    b     A    f       30      0  i      x         0  array_                    rs-
1014  _bpchar                   -1  f    b     A    f     1042      0  i      x       100  array_                    rsm
1015  _varchar                  -1  f    b     A    f     1043      0  i      x       100  array_                    rsm
1016  _int8                     -1  f    b     A    f       20      0  d      x         0  array_                    rs-
1021  _float4                   -1  f    b     A    f      700      0  i      x         0  array_                    rs-
1022  _float8                   -1  f    b     A    f      701      0  d      x         0  array_                    rs-
1028  _oid                      -1  f    b     A    f       26      0  i      x         0  array_                    rs-
1033  aclitem                   12  f    b     U    f        0   1034  i      p         0  aclitem                   ---
1034  _aclitem                  -1  f    b     A    f     1033      0  i      x         0  array_                    rs-
1040  _macaddr                  -1  f    b     A    f      829      0  i      x         0  array_                    rs-
1041  _inet                     -1  f    b     A    f      869      0  i      x         0  array_                    rs-
1042  bpchar                    -1  f    b     S    f        0   1014  i      x       100  bpchar                    rsm
1043  varchar                   -1  f    b     S    f        0   1015  i      x       100  varchar                   rsm
1082  date                       4  t    b     D    f        0   1182  i      p         0  date_                     rs-
1083  time                       8  t    b     D    f        0   1183  d      p         0  time_                     rsm
1114  timestamp                  8  t    b     D    f        0   1115  d      p         0  timestamp_                rsm
1115  _timestamp                -1  f    b     A    f     1114      0  d      x         0  array_                    rsm
1182  _date                     -1  f    b     A    f     1082      0  i      x         0  array_                    rs-
1183  _time                     -1  f    b     A    f     1083      0  d      x         0  array_                    rsm
1184  timestamptz                8  t    b     D    t        0   1185  d      p         0  timestamptz_              rsm
1185  _timestamptz              -1  f    b     A    f     1184      0  d      x         0  array_                    rsm
1186  interval                  16  f    b     T    t        0   1187  d      p         0  interval_                 rsm
1187  _interval                 -1  f    b     A    f     1186      0  d      x         0  array_                    rsm
1231  _numeric                  -1  f    b     A    f     1700      0  i      x         0  array_                    rsm
1263  _cstring                  -1  f    b     A    f     2275      0  i      x         0  array_                    rs-
1266  timetz                    12  f    b     D    f        0   1270  d      p         0  timetz_                   rsm
1270  _timetz                   -1  f    b     A    f     1266      0  d      x         0  array_                    rsm
1560  bit                       -1  f    b     V    f        0   1561  i      x         0  bit_                      rsm
1561  _bit                      -1  f    b     A    f     1560      0  i      x         0  array_                    rsm
1562  varbit                    -1  f    b     V    t        0   1563  i      x         0  varbit_                   rsm
1563  _varbit                   -1  f    b     A    f     1562      0  i      x         0  array_                    rsm
1700  numeric                   -1  f    b     N    f        0   1231  i      m         0  numeric_                  rsm
1790  refcursor                 -1  f    b     U    f        0   2201  i      x         0  text                      rs-
2201  _refcursor                -1  f    b     A    f     1790      0  i      x         0  array_                    rs-
2202  regprocedure               4  t    b     N    f        0   2207  i      p         0  regprocedure              rs-
2203  regoper                    4  t    b     N    f        0   2208  i      p         0  regoper                   rs-
2204  regoperator                4  t    b     N    f        0   2209  i      p         0  regoperator               rs-
2205  regclass                   4  t    b     N    f        0   2210  i      p         0  regclass                  rs-
2206  regtype                    4  t    b     N    f        0   2211  i      p         0  regtype                   rs-
2207  _regprocedure             -1  f    b     A    f     2202      0  i      x         0  array_                    rs-
2208  _regoper                  -1  f    b     A    f     2203      0  i      x         0  array_                    rs-
2209  _regoperator              -1  f    b     A    f     2204      0  i      x         0  array_                    rs-
2210  _regclass                 -1  f    b     A    f     2205      0  i      x         0  array_                    rs-
2211  _regtype                  -1  f    b     A    f     2206      0  i      x         0  array_                    rs-
2249  record                    -1  f    p     P    f        0   2287  d      x         0  record_                   rs-
2275  cstring                   -2  f    p     P    f        0   1263  c      p         0  cstring_                  rs-
2276  any                        4  t    p     P    f        0      0  i      p         0  any_                      ---
2277  anyarray                  -1  f    p     P    f        0      0  d      x         0  anyarray_                 rs-
2278  void                       4  t    p     P    f        0      0  i      p         0  void_                     rs-
2279  trigger                    4  t    p     P    f        0      0  i      p         0  trigger_                  ---
2280  language_handler           4  t    p     P    f        0      0  i      p         0  language_handler_         ---
2281  internal                   8  t    p     P    f        0      0  d      p         0  internal_                 ---
2283  anyelement                 4  t    p     P    f        0      0  i      p         0  anyelement_               ---
2287  _record                   -1  f    p     P    f     2249      0  d      x         0  array_                    rs-
2776  anynonarray                4  t    p     P    f        0      0  i      p         0  anynonarray_              ---
2950  uuid                      16  f    b     U    f        0   2951  c      p         0  uuid_                     rs-
2951  _uuid                     -1  f    b     A    f     2950      0  i      x         0  array_                    rs-
3115  fdw_handler                4  t    p     P    f        0      0  i      p         0  fdw_handler_              ---
3220  pg_lsn                     8  t    b     U    f        0   3221  d      p         0  pg_lsn_                   rs-
3221  _pg_lsn                   -1  f    b     A    f     3220      0  d      x         0  array_                    rs-
3310  tsm_handler                4  t    p     P    f        0      0  i      p         0  tsm_handler_              ---
3500  anyenum                    4  t    p     P    f        0      0  i      p         0  anyenum_                  ---
3802  jsonb                     -1  f    b     U    f        0   3807  i      x         0  jsonb_                    rs-
3807  _jsonb                    -1  f    b     A    f     3802      0  i      x         0  array_                    rs-
3831  anyrange                  -1  f    p     P    f        0      0  d      x         0  anyrange_                 ---
3838  event_trigger              4  t    p     P    f        0      0  i      p         0  event_trigger_            ---
3904  int4range                 -1  f    r     R    f        0   3905  i      x         0  range_                    rs-
3905  _int4range                -1  f    b     A    f     3904      0  i      x         0  array_                    rs-
3906  numrange                  -1  f    r     R    f        0   3907  i      x         0  range_                    rs-
3907  _numrange                 -1  f    b     A    f     3906      0  i      x         0  array_                    rs-
3908  tsrange                   -1  f    r     R    f        0   3909  d      x         0  range_                    rs-
3909  _tsrange                  -1  f    b     A    f     3908      0  d      x         0  array_                    rs-
3910  tstzrange                 -1  f    r     R    f        0   3911  d      x         0  range_                    rs-
3911  _tstzrange                -1  f    b     A    f     3910      0  d      x         0  array_                    rs-
3912  daterange                 -1  f    r     R    f        0   3913  i      x         0  range_                    rs-
3913  _daterange                -1  f    b     A    f     3912      0  i      x         0  array_                    rs-
3926  int8range                 -1  f    r     R    f        0   3927  d      x         0  range_                    rs-
3927  _int8range                -1  f    b     A    f     3926      0  d      x         0  array_                    rs-
4089  regnamespace               4  t    b     N    f        0   4090  i      p         0  regnamespace              rs-
4090  _regnamespace             -1  f    b     A    f     4089      0  i      x         0  array_                    rs-
4096  regrole                    4  t    b     N    f        0   4097  i      p         0  regrole                   rs-
4097  _regrole                  -1  f    b     A    f     4096      0  i      x         0  array_                    rs-
4191  regcollation               4  t    b     N    f        0   4192  i      p         0  regcollation              rs-
4192  _regcollation             -1  f    b     A    f     4191      0  i      x         0  array_                    rs-
4451  int4multirange            -1  f    m     R    f        0   6150  i      x         0  multirange_               rs-
4532  nummultirange             -1  f    m     R    f        0   6151  i      x         0  multirange_               rs-
4533  tsmultirange              -1  f    m     R    f        0   6152  d      x         0  multirange_               rs-
4534  tstzmultirange            -1  f    m     R    f        0   6153  d      x         0  multirange_               rs-
4535  datemultirange            -1  f    m     R    f        0   6155  i      x         0  multirange_               rs-
4536  int8multirange            -1  f    m     R    f        0   6157  d      x         0  multirange_               rs-
4537  anymultirange             -1  f    p     P    f        0      0  d      x         0  anymultirange_            ---
4538  anycompatiblemultirange   -1  f    p     P    f        0      0  d      x         0  anycompatiblemultirange_  ---
5069  xid8                       8  t    b     U    f        0    271  d      p         0  xid8                      rs-
5077  anycompatible              4  t    p     P    f        0      0  i      p         0  anycompatible_            ---
5078  anycompatiblearray        -1  f    p     P    f        0      0  d      x         0  anycompatiblearray_       rs-
5079  anycompatiblenonarray      4  t    p     P    f        0      0  i      p         0  anycompatiblenonarray_    ---
5080  anycompatiblerange        -1  f    p     P    f        0      0  d      x         0  anycompatiblerange_       ---
6150  _int4multirange           -1  f    b     A    f     4451      0  i      x         0  array_                    rs-
6151  _nummultirange            -1  f    b     A    f     4532      0  i      x         0  array_                    rs-
6152  _tsmultirange             -1  f    b     A    f     4533      0  d      x         0  array_                    rs-
6153  _tstzmultirange           -1  f    b     A    f     4534      0  d      x         0  array_                    rs-
6155  _datemultirange           -1  f    b     A    f     4535      0  i      x         0  array_                    rs-
6157  _int8multirange           -1  f    b     A    f     4536      0  d      x         0  array_                    rs-
9100  skerry.node               -1  f    b     U    f        0   9101  d      x         0  node_                     ---
9101  skerry._node              -1  f    b     A    f     9100      0  d      x         0  array_                    rs-
9102  skerry.edge               -1  f    b     U    f        0   9103  d      x         0  edge_                     ---
9103  skerry._edge              -1  f    b     A    f     9102      0  d      x         0  array_                    rs-
9104  skerry.graphpath          -1  f    b     U    f        0   9105  d      x         0  graphpath_                ---
9105  skerry._graphpath         -1  f    b     A    f     9104      0  d      x         0  array_                    rs-
9106  skerry.anyvalue           -1  f    b     U    f        0   9107  d      x         0  anyvalue_                 ---
9107  skerry._anyvalue          -1  f    b     A    f     9106      0  d      x         0  array_                    rs-
9108  skerry.graphrecord        -1  f    b     U    f        0   9109  d      x         0  graphrecord_              ---
9109  skerry._graphrecord       -1  f    b     A    f     9108      0  d      x         0  array_                    rs-
"""

REFUSED_TYPES = frozenset(
    """
    xml point lseg path box polygon line circle txid_snapshot pg_snapshot
    tsvector tsquery gtsvector regconfig regdictionary jsonpath
    """.split()
)
"""Types of PostgreSQL that Skerry refuses by name."""
