-- What the catalogs say of indexes: expressions, collations, storage options.
create table o (id int, x int, "CAP" int, y text, aa int[], jb jsonb);
create index i1 on o ((id+2));
create index i2 on o ((x > 5));
create index i3 on o (lower(y) desc nulls last);
create index i4 on o ((x + id), (id - x), x);
create index i5 on o (("CAP" + 1));
create index i6 on o (coalesce(y, 'a'), (x::text));
create index i8 on o ((y||'b')) ;
create index i9 on o (abs(x), lower(y || 'b'), (y collate "C"));
create index i10 on o (x) include (id) with (fillfactor = 50);
select i.relname, pg_get_indexdef(i.oid), pg_get_indexdef(i.oid,1,true), pg_get_indexdef(i.oid,1,false), pg_get_expr(x.indexprs, x.indrelid), i.reloptions from pg_class i join pg_index x on x.indexrelid=i.oid where relname ~ '^i[0-9]' order by i.oid;
alter index i10 set (fillfactor = 60);
select reloptions from pg_class where relname='i10';
alter index i10 reset (fillfactor);
select reloptions from pg_class where relname='i10';
