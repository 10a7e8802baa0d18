//! A trace's timeline in the columns of a terminal, with a resolution of half a column.

use backend::Span;

/// Maps moments of a trace to columns. Moments are nanoseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeline {
    start: u64,
    nanos: u64,
    columns: usize,
}

impl Timeline {
    /// `nanos` from `start` on, in `columns`.
    pub(crate) fn new(start: u64, nanos: u64, columns: usize) -> Self {
        Self {
            start,
            nanos: nanos.max(1),
            columns,
        }
    }

    /// When a span was, and how long: `━━╸` with spaces around it. However short it is, there is something to see.
    pub(crate) fn bar(&self, span: &Span) -> String {
        let halves = self.columns * 2;
        let begin = self
            .half(span.start_unix_nanos)
            .min(halves.saturating_sub(1));
        let end = self.half(span.end_unix_nanos).max(begin + 1);
        let covers = |half| (begin..end).contains(&half);
        (0..self.columns)
            .map(
                |column| match (covers(column * 2), covers(column * 2 + 1)) {
                    (true, true) => '━',
                    (true, false) => '╸',
                    (false, true) => '╺',
                    (false, false) => ' ',
                },
            )
            .collect()
    }

    /// A moment: `◆` in its column.
    pub(crate) fn tick(&self, unix_nanos: u64) -> String {
        let tick = (self.half(unix_nanos) / 2).min(self.columns.saturating_sub(1));
        (0..self.columns)
            .map(|column| if column == tick { '◆' } else { ' ' })
            .collect()
    }

    /// Half columns from the start, rounded; a moment outside, as by another machine's clock, is moved to the edge.
    fn half(&self, unix_nanos: u64) -> usize {
        let offset = u128::from(unix_nanos.saturating_sub(self.start).min(self.nanos));
        let nanos = u128::from(self.nanos);
        let halves = (offset * 2 * self.columns as u128 + nanos / 2) / nanos;
        usize::try_from(halves).unwrap_or(usize::MAX)
    }
}
