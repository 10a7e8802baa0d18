// Questions to begin with. Each is a whole statement that somebody can change.

/** @type {{ name: string, sql: string }[]} */
export const QUERIES = [
  {
    name: "Rate and duration by minute",
    sql: `-- With a chart, because the first column is a time.
select start_unix_nanos / 60000000000 * 60 as minute, service,
       count(*) / 60.0 as per_second, avg(duration_ms) as mean_ms
from spans where kind in ('server', 'consumer')
group by minute, service order by minute`,
  },
  {
    name: "Slowest operations",
    sql: `with ranked as (
  select service, name, kind, duration_ms,
         cume_dist() over (partition by service, name, kind order by duration_ms) as share
  from spans
)
select service, name, kind, count(*) as spans,
       min(iif(share >= 0.5, duration_ms, null)) as p50_ms,
       min(iif(share >= 0.95, duration_ms, null)) as p95_ms, max(duration_ms) as longest_ms
from ranked group by service, name, kind order by p95_ms desc limit 50`,
  },
  {
    name: "Failed spans, newest first",
    sql: `select start_unix_nanos, service, name, status_message, trace_id, span_id
from spans where status = 'error'
order by start_unix_nanos desc limit 100`,
  },
  {
    name: "Where failures begin",
    sql: `-- Failed spans of which no child has failed.
with s as materialized (
  select trace_id, span_id, parent_span_id, service, name, status_message from spans where status = 'error'
)
select service, name, status_message, count(*) as failures, max(trace_id) as trace_id
from s where not exists (
  select 1 from s c where c.trace_id = s.trace_id and c.parent_span_id = s.span_id
)
group by service, name, status_message order by failures desc`,
  },
  {
    name: "Who calls whom",
    sql: `with s as materialized (select trace_id, span_id, parent_span_id, service, duration_ms, status from spans)
select p.service as caller, c.service as called, count(*) as calls,
       avg(c.status = 'error') as errors, avg(c.duration_ms) as mean_ms
from s c join s p on p.trace_id = c.trace_id and p.span_id = c.parent_span_id
where p.service <> c.service group by caller, called order by calls desc`,
  },
  {
    name: "Exceptions",
    sql: `select attributes ->> '$."exception.type"' as type, attributes ->> '$."exception.message"' as message,
       count(*) as times, max(time_unix_nanos) as last_unix_nanos, max(trace_id) as trace_id
from events where name = 'exception'
group by type, message order by times desc`,
  },
  {
    name: "Spans by an attribute",
    sql: `-- Any attribute: "db.system.name", "http.route", one of your own. Of 100,000 spans; without the limit: of all.
with s as materialized (
  select attributes ->> '$."http.response.status_code"' as status_code, service, duration_ms from spans limit 100000
)
select status_code, service, count(*) as spans, avg(duration_ms) as mean_ms, max(duration_ms) as longest_ms
from s where status_code is not null
group by status_code, service order by spans desc`,
  },
  {
    name: "Attributes of spans",
    sql: `-- Of 20,000 spans. Without the limit: of all.
with s as materialized (select service, attributes from spans limit 20000)
select service, key, count(*) as spans, count(distinct value) as distinct_values, min(value) as example
from s, json_each(attributes)
group by service, key order by service, spans desc`,
  },
  {
    name: "Log records by severity",
    sql: `select time_unix_nanos / 10000000000 * 10 as time, coalesce(severity_text, 'none') as severity, count(*) as records
from logs group by time, severity order by time`,
  },
  {
    name: "Instruments",
    sql: `select service, scope_name, name, kind, unit, description,
       count(distinct attributes) as series, count(*) as points, max(time_unix_nanos) as last_unix_nanos
from metrics group by service, scope_name, name, kind order by service, scope_name, name`,
  },
];
