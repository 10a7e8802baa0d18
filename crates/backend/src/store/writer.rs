//! The one connection that writes, a transaction at a time.

use std::{
    collections::HashMap,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;
use prost::Message;
use rusqlite::{Connection, OptionalExtension, Result, params};

use super::{
    blocks::{ANY, Blocks},
    numbers::{Numbers, Table},
    place::PATIENCE,
    points::{Point, take_points},
    reader::{Known, SPAN},
    row::{self, Columns},
    schema::{PAGE, PLACE},
};
use crate::model::{
    decode,
    id::TraceId,
    log::LogRecord,
    message,
    resource::{Resource, Scope},
    span::Span,
};

/// Spans of a trace from which on they are found by indexes, and not by looking at each.
pub(super) const MANY: i64 = 512;

/// What a row takes besides its body, with its part of the indexes.
const ROW: usize = 150;

pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) numbers: Numbers,
    pub(super) blocks: Blocks,
    pub(super) contents: Contents,
    pub(super) bounds: Bounds,
    /// Pages of the journal, as the last commit left it.
    journal: Arc<AtomicU64>,
    known: Known,
    next_trace: i64,
    next_log: i64,
    next_point: i64,
}

/// How much is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Contents {
    pub(super) traces: i64,
    pub(super) spans: i64,
    pub(super) logs: i64,
    pub(super) points: i64,
}

/// What the rows may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Pages of the file, without its journal.
    pub(super) pages: u64,
    /// Nanoseconds.
    pub(super) age: i64,
}

/// A span that is to be inserted.
struct New {
    trace: TraceId,
    columns: Columns,
    name: String,
    kind: i32,
    /// Its place among the makers.
    maker: usize,
    body: Range<usize>,
}

/// What spans share, encoded.
struct Maker {
    resource: Arc<Resource>,
    scope: Arc<Scope>,
    messages: [Vec<u8>; 2],
}

/// The makers of a batch.
#[derive(Default)]
struct Makers(Vec<Maker>);

impl Makers {
    /// The place of a maker. What a batch holds comes in runs of one.
    fn place(&mut self, resource: &Arc<Resource>, scope: &Arc<Scope>) -> usize {
        if self.0.last().is_none_or(|last| !last.is(resource, scope)) {
            self.0.push(Maker::new(resource, scope));
        }
        self.0.len() - 1
    }

    /// Bytes that they take in the store. They are indexed, too.
    fn stored(&self) -> usize {
        self.0.iter().map(|maker| ROW + 2 * maker.bytes()).sum()
    }
}

impl Maker {
    fn new(resource: &Arc<Resource>, scope: &Arc<Scope>) -> Self {
        Self {
            messages: [row::encode_resource(resource), row::encode_scope(scope)],
            resource: resource.clone(),
            scope: scope.clone(),
        }
    }

    fn is(&self, resource: &Arc<Resource>, scope: &Arc<Scope>) -> bool {
        Arc::ptr_eq(&self.resource, resource) && Arc::ptr_eq(&self.scope, scope)
    }

    fn bytes(&self) -> usize {
        self.messages.iter().map(Vec::len).sum()
    }
}

/// A trace that is growing.
struct Growing {
    id: TraceId,
    number: i64,
    is_new: bool,
    has_changed: bool,
    /// The spans before this transaction.
    before: i64,
    spans: i64,
    earliest: i64,
    latest: i64,
    longest: i64,
    errors: i64,
    /// Places of the spans by id, unless there are many.
    places: HashMap<i64, i64>,
}

/// Where a span comes from: numbers.
#[derive(Clone, Copy)]
struct Origin {
    service: i64,
    resource: i64,
    scope: i64,
}

impl Writer {
    pub(super) fn new(mut connection: Connection, bounds: Bounds) -> Result<Self> {
        connection.set_prepared_statement_cache_capacity(64);
        let journal = Arc::new(AtomicU64::new(0));
        let pages = journal.clone();
        connection.wal_hook(Some(move |_: &mut _, now| {
            pages.store(u64::try_from(now).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))?;
        let mut writer = Self {
            numbers: Numbers::new(&connection)?,
            connection,
            blocks: Blocks::default(),
            contents: Contents::default(),
            bounds,
            journal,
            known: Known::default(),
            next_trace: 0,
            next_log: 0,
            next_point: 0,
        };
        writer.count()?;
        Ok(writer)
    }

    /// Pages that the journal takes.
    pub(super) fn journal(&self) -> u64 {
        self.journal.load(Ordering::Relaxed)
    }

    /// Moves the journal into the file, as far as that is possible at once. `false`: somebody was in the way.
    pub(super) fn checkpoint(&self, mode: &str) -> Result<bool> {
        self.connection.busy_timeout(Duration::ZERO)?;
        let sql = format!("PRAGMA wal_checkpoint({mode})");
        let done = self
            .connection
            .query_row(&sql, [], |row| Ok(row.get::<_, i64>(0)? == 0));
        self.connection.busy_timeout(PATIENCE)?;
        done
    }

    /// Finds out what the file holds.
    fn count(&mut self) -> Result<()> {
        let number = |sql| {
            self.connection
                .query_row(sql, [], |row| row.get::<_, i64>(0))
        };
        self.contents = Contents {
            traces: number("SELECT count(*) FROM trace")?,
            spans: number("SELECT coalesce(sum(spans), 0) FROM trace")?,
            logs: number("SELECT count(*) FROM log")?,
            points: number("SELECT count(*) FROM point")?,
        };
        let last_trace = number("SELECT coalesce(max(number), 0) FROM trace")?;
        let last_of_spans = number("SELECT coalesce(max(number), 0) >> 24 FROM span")?;
        let last_log = number("SELECT coalesce(max(number), 0) FROM log")?;
        let last_point = number("SELECT coalesce(max(number), 0) FROM point")?;
        self.next_trace = self.next_trace.max(last_trace.max(last_of_spans) + 1);
        self.next_log = self.next_log.max(last_log + 1);
        self.next_point = self.next_point.max(last_point + 1);
        Ok(())
    }

    /// Does `work` whole, or not at all.
    fn transaction<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        let done = work(self).and_then(|done| {
            self.blocks.write(&self.connection)?;
            self.numbers.write(&self.connection)?;
            self.connection.execute_batch("COMMIT")?;
            Ok(done)
        });
        if done.is_err() {
            let _ = self.connection.execute_batch("ROLLBACK"); // some errors have done so themselves
            self.blocks.clear();
            self.numbers.reset();
            self.count()?;
        }
        done
    }

    /// Adds spans. Returns the traces that have changed, in the order of their spans, each with its number of spans, and
    /// how many spans were refused because each is too large.
    pub(super) fn insert_spans(
        &mut self,
        spans: Vec<Span>,
    ) -> Result<(Vec<(TraceId, i64)>, usize)> {
        let mut bodies = Vec::new();
        let mut refused = 0;
        let mut news = Vec::with_capacity(spans.len());
        let mut makers = Makers::default();
        for mut span in spans {
            let before = makers.0.len();
            let maker = makers.place(&span.resource, &span.scope);
            let (name, kind) = (std::mem::take(&mut span.name), message::kind(span.kind));
            let first = bodies.len();
            let new = New {
                trace: span.trace_id,
                columns: Columns::of(&span),
                name,
                kind,
                maker,
                body: first..first,
            };
            row::encode_span(span, &new.columns, &mut bodies);
            let body = first..bodies.len();
            if self.is_too_large(body.len() + new.name.len() + makers.0[maker].bytes()) {
                bodies.truncate(first);
                makers.0.truncate(before);
                refused += 1;
            } else {
                news.push(New { body, ..new });
            }
        }
        let rows = news.iter().map(|new| ROW + new.name.len()).sum::<usize>();
        let traces = self.transaction(|writer| {
            writer.make_room(bodies.len() + rows + makers.stored())?;
            writer.insert_rows(&news, &makers.0, &bodies)
        })?;
        let changed = traces.into_iter().filter(|trace| trace.has_changed);
        Ok((
            changed.map(|trace| (trace.id, trace.spans)).collect(),
            refused,
        ))
    }

    /// Whether so many bytes would leave hardly anything else.
    fn is_too_large(&self, bytes: usize) -> bool {
        bytes as u64 > self.bounds.pages * PAGE / 4
    }

    fn insert_rows(
        &mut self,
        news: &[New],
        makers: &[Maker],
        bodies: &[u8],
    ) -> Result<Vec<Growing>> {
        let now = now();
        let origins = makers
            .iter()
            .map(|maker| self.origin(maker))
            .collect::<Result<Vec<_>>>()?;
        let mut traces: Vec<Growing> = Vec::new();
        let mut places: HashMap<TraceId, usize> = HashMap::new();
        let mut order = Vec::with_capacity(news.len());
        for new in news {
            let place = match places.get(&new.trace) {
                Some(place) => *place,
                None => {
                    traces.push(self.growing(new.trace)?);
                    places.insert(new.trace, traces.len() - 1);
                    traces.len() - 1
                }
            };
            order.push((place, new));
        }
        order.sort_by_key(|(place, _)| *place); // rows of a trace lie together: append them together
        for (place, new) in order {
            let body = &bodies[new.body.clone()];
            self.insert_span(
                &mut traces[place],
                new,
                body,
                &makers[new.maker],
                origins[new.maker],
            )?;
        }
        for trace in &traces {
            self.write_trace(trace, now)?;
        }
        Ok(traces)
    }

    /// The trace `id`, or a new one.
    fn growing(&mut self, id: TraceId) -> Result<Growing> {
        let sql =
            "SELECT number, spans, earliest, latest, longest, errors FROM trace WHERE id = ?1";
        let mut find = self.connection.prepare_cached(sql)?;
        let found = find.query_row([id.to_bytes()], |row| {
            let spans = row.get(1)?;
            Ok(Growing {
                id,
                number: row.get(0)?,
                is_new: false,
                has_changed: false,
                before: spans,
                spans,
                earliest: row.get(2)?,
                latest: row.get(3)?,
                longest: row.get(4)?,
                errors: row.get(5)?,
                places: HashMap::new(),
            })
        });
        let Some(mut trace) = found.optional()? else {
            self.next_trace += 1;
            return Ok(Growing {
                id,
                number: self.next_trace - 1,
                is_new: true,
                has_changed: false,
                before: 0,
                spans: 0,
                earliest: i64::MAX,
                latest: 0,
                longest: 0,
                errors: 0,
                places: HashMap::new(),
            });
        };
        if !trace.has_many() {
            let sql = "SELECT id, number FROM span WHERE number BETWEEN ?1 AND ?2";
            let mut find = self.connection.prepare_cached(sql)?;
            let mut rows = find.query([trace.first(), trace.first() + trace.spans])?;
            while let Some(row) = rows.next()? {
                trace.places.insert(row.get(0)?, row.get(1)?);
            }
        }
        Ok(trace)
    }

    fn origin(&mut self, maker: &Maker) -> Result<Origin> {
        let Self {
            connection,
            numbers,
            ..
        } = self;
        let [resource, scope] = &maker.messages;
        let service = maker.resource.service();
        let origin = Origin {
            service: numbers.service(connection, service)?,
            resource: numbers.resource(connection, service, resource)?,
            scope: numbers.scope(connection, scope)?,
        };
        // So that they go if all their spans were there already.
        numbers.use_by(Table::Operation, origin.service, 0);
        numbers.use_by(Table::Resource, origin.resource, 0);
        numbers.use_by(Table::Scope, origin.scope, 0);
        Ok(origin)
    }

    fn insert_span(
        &mut self,
        trace: &mut Growing,
        new: &New,
        body: &[u8],
        maker: &Maker,
        origin: Origin,
    ) -> Result<()> {
        if let Some(number) = self.find_span(trace, new.columns.id)? {
            return self.complete_span(trace, number, new, body, maker);
        }
        if trace.spans >> PLACE != 0 {
            return Ok(()); // sixteen million: there is no number for it
        }
        let number = trace.first() + trace.spans;
        let Self {
            connection,
            numbers,
            ..
        } = self;
        let operation =
            numbers.operation(connection, maker.resource.service(), &new.name, new.kind)?;
        let Columns {
            id,
            parent,
            start,
            duration,
            status,
        } = new.columns;
        let many = trace.has_many();
        let sql = "INSERT INTO span VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
        connection.prepare_cached(sql)?.execute(params![
            number,
            id,
            parent,
            operation,
            origin.resource,
            origin.scope,
            start,
            duration,
            status,
            many,
            body
        ])?;
        numbers.use_by(Table::Resource, origin.resource, 1);
        numbers.use_by(Table::Scope, origin.scope, 1);
        numbers.use_by(Table::Operation, origin.service, 1);
        numbers.use_by(Table::Operation, operation, 1);
        if !many {
            trace.places.insert(id, number);
        }
        trace.spans += 1;
        self.contents.spans += 1;
        self.index(trace, &new.columns, [origin.service, operation]);
        Ok(())
    }

    /// The number of the span `id` of a trace.
    fn find_span(&self, trace: &Growing, id: i64) -> Result<Option<i64>> {
        if !trace.has_many() {
            return Ok(trace.places.get(&id).copied());
        }
        let sql = "SELECT number FROM span WHERE many AND number >> 24 = ?1 AND id = ?2";
        let mut find = self.connection.prepare_cached(sql)?;
        find.query_row([trace.number, id], |row| row.get(0))
            .optional()
    }

    /// Adds what the span's row `number` lacks.
    fn complete_span(
        &mut self,
        trace: &mut Growing,
        number: i64,
        new: &New,
        body: &[u8],
        maker: &Maker,
    ) -> Result<()> {
        let Self {
            connection,
            numbers,
            known,
            ..
        } = self;
        let sql = format!("SELECT {SPAN} FROM span WHERE number = ?1");
        let (old, operation) = connection
            .prepare_cached(&sql)?
            .query_row([number], |row| {
                Ok((
                    known.span(connection, trace.id, row)?,
                    row.get::<_, i64>(5)?,
                ))
            })?;
        let of_new = row::Operation {
            service: String::new(),
            name: new.name.clone(),
            kind: new.kind,
        };
        let new = row::decode_span(
            trace.id,
            &new.columns,
            body,
            &of_new,
            &maker.resource,
            &maker.scope,
        );
        let (Some(old), Some(new)) = (old, new) else {
            return Ok(());
        };
        let mut completed = old.clone();
        completed.complete_by(new);
        if completed == old {
            return Ok(());
        }
        let service = numbers.service(connection, completed.service())?;
        let completed_operation = numbers.operation(
            connection,
            completed.service(),
            &completed.name,
            message::kind(completed.kind),
        )?;
        numbers.use_by(Table::Operation, operation, -1);
        numbers.use_by(Table::Operation, completed_operation, 1);
        let columns = Columns::of(&completed);
        let mut body = Vec::new();
        row::encode_span(completed, &columns, &mut body);
        let Columns {
            parent,
            start,
            duration,
            status,
            ..
        } = columns;
        let sql = "UPDATE span SET parent = ?2, operation = ?3, start = ?4, duration = ?5, status = ?6, body = ?7 WHERE number = ?1";
        let values = params![
            number,
            parent,
            completed_operation,
            start,
            duration,
            status,
            body
        ];
        connection.prepare_cached(sql)?.execute(values)?;
        self.index(trace, &columns, [service, completed_operation]);
        Ok(())
    }

    /// Makes a span of `trace` be found.
    fn index(&mut self, trace: &mut Growing, columns: &Columns, operations: [i64; 2]) {
        trace.has_changed = true;
        trace.earliest = trace.earliest.min(columns.start);
        trace.latest = trace.latest.max(columns.start);
        trace.longest = trace.longest.max(columns.duration);
        trace.errors |= i64::from(columns.is_error());
        for operation in [ANY].into_iter().chain(operations) {
            self.blocks.add(operation, trace.number, columns);
        }
    }

    fn write_trace(&mut self, trace: &Growing, now: i64) -> Result<()> {
        let Growing {
            number,
            spans,
            earliest,
            latest,
            longest,
            errors,
            ..
        } = *trace;
        if trace.is_new {
            let sql = "INSERT INTO trace VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
            let id = trace.id.to_bytes();
            let values = params![number, id, now, earliest, latest, longest, errors, spans];
            self.connection.prepare_cached(sql)?.execute(values)?;
            self.contents.traces += 1;
        } else if trace.has_changed {
            let sql = "UPDATE trace SET earliest = ?2, latest = ?3, longest = ?4, errors = ?5, spans = ?6 WHERE number = ?1";
            let values = params![number, earliest, latest, longest, errors, spans];
            self.connection.prepare_cached(sql)?.execute(values)?;
        }
        if spans > MANY && !trace.has_many() {
            let sql = "UPDATE span SET many = 1 WHERE number BETWEEN ?1 AND ?2";
            self.connection
                .prepare_cached(sql)?
                .execute([trace.first(), trace.first() + spans])?;
        }
        Ok(())
    }

    /// Adds log records. Returns how many were refused because each is too large.
    pub(super) fn insert_logs(&mut self, records: Vec<LogRecord>) -> Result<usize> {
        let all = records.len();
        let mut makers = Makers::default();
        let mut rows = Vec::with_capacity(all);
        for log in records {
            let before = makers.0.len();
            let maker = makers.place(&log.resource, &log.scope);
            let (trace, span) = (
                log.trace_id.map(TraceId::to_bytes),
                log.span_id.map(row::number_of),
            );
            let (time, severity) = (row::clamped(log.time()), log.severity_number);
            let body = row::encode_log(log);
            if self.is_too_large(body.len() + makers.0[maker].bytes()) {
                makers.0.truncate(before);
            } else {
                rows.push((maker, trace, span, time, severity, body));
            }
        }
        let refused = all - rows.len();
        let bytes = makers.stored() + rows.iter().map(|row| row.5.len() + ROW).sum::<usize>();
        self.transaction(|writer| {
            writer.make_room(bytes)?;
            let now = now();
            for (maker, trace, span, time, severity, body) in rows {
                let Self {
                    connection,
                    numbers,
                    ..
                } = writer;
                let Maker {
                    resource,
                    messages: [of_resource, of_scope],
                    ..
                } = &makers.0[maker];
                let resource = numbers.resource(connection, resource.service(), of_resource)?;
                let scope = numbers.scope(connection, of_scope)?;
                numbers.use_by(Table::Resource, resource, 1);
                numbers.use_by(Table::Scope, scope, 1);
                let sql = "INSERT INTO log VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
                let values = params![
                    writer.next_log,
                    now,
                    trace,
                    span,
                    time,
                    severity,
                    resource,
                    scope,
                    body
                ];
                connection.prepare_cached(sql)?.execute(values)?;
                writer.next_log += 1;
                writer.contents.logs += 1;
            }
            Ok(refused)
        })
    }

    /// Adds the points of a resource's metrics. Returns how many were kept, and how many were refused because they are too
    /// large.
    pub(super) fn insert_metrics(&mut self, metrics: ResourceMetrics) -> Result<[usize; 2]> {
        let resource = decode::resource_of(metrics.resource, metrics.schema_url);
        let of_resource = row::encode_resource(&resource);
        let (mut all, mut points) = (Vec::new(), 0);
        let mut bytes = ROW + 2 * of_resource.len(); // what is shared is indexed, too
        for of_scope in metrics.scope_metrics {
            let scope = decode::scope_of(of_scope.scope, of_scope.schema_url);
            let scope = row::encode_scope(&scope);
            bytes += ROW + 2 * scope.len();
            for mut metric in of_scope.metrics {
                let of_metric = take_points(&mut metric);
                let metric = metric.encode_to_vec();
                bytes += ROW + 2 * metric.len();
                bytes += of_metric
                    .iter()
                    .map(|point| ROW + point.body.len())
                    .sum::<usize>();
                points += of_metric.len();
                all.push((scope.clone(), metric, of_metric));
            }
        }
        if self.is_too_large(bytes) {
            return Ok([0, points]);
        }
        self.transaction(|writer| {
            writer.make_room(bytes)?;
            for (scope, metric, of_metric) in all {
                writer.insert_points(
                    resource.service(),
                    [&of_resource, &scope, &metric],
                    of_metric,
                )?;
            }
            Ok([points, 0])
        })
    }

    fn insert_points(
        &mut self,
        service: &str,
        [resource, scope, metric]: [&[u8]; 3],
        points: Vec<Point>,
    ) -> Result<()> {
        let now = now();
        let Self {
            connection,
            numbers,
            ..
        } = self;
        let resource = numbers.resource(connection, service, resource)?;
        let scope = numbers.scope(connection, scope)?;
        let metric = numbers.metric(connection, resource, scope, metric)?;
        let users = i64::try_from(points.len()).unwrap_or(0);
        numbers.use_by(Table::Metric, metric, users);
        numbers.use_by(Table::Resource, resource, users);
        numbers.use_by(Table::Scope, scope, users);
        for Point { time, value, body } in points {
            let sql = "INSERT INTO point VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            let values = params![self.next_point, now, metric, time, value, body];
            connection.prepare_cached(sql)?.execute(values)?;
            self.next_point += 1;
        }
        self.contents.points += users;
        Ok(())
    }
}

impl Growing {
    /// The number of its first span.
    fn first(&self) -> i64 {
        self.number << PLACE
    }

    fn has_many(&self) -> bool {
        self.before > MANY
    }
}

/// Nanoseconds since 1970-01-01 UTC.
pub(super) fn now() -> i64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(now.as_nanos()).unwrap_or(i64::MAX)
}
