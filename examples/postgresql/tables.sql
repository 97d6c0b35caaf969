select coalesce(json_agg(found order by found.bytes desc, found.schema, found.table), '[]')
from (
  select
    namespace.nspname as schema,
    class.relname as table,
    pg_total_relation_size(class.oid) as bytes,
    -- As of the last analyze; -1 before the first.
    class.reltuples::bigint as rows
  from pg_class class join pg_namespace namespace on namespace.oid = class.relnamespace
  where class.relkind = 'r' and namespace.nspname not in ('pg_catalog', 'information_schema')
) found;
