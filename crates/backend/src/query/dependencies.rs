//! Which services call which, as far as the traces kept show it.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use serde::Serialize;

use super::trace::parent;
use crate::model::trace::Trace;

/// The default time back from the end.
pub(crate) const LOOKBACK: Duration = Duration::from_secs(24 * 60 * 60);

/// One service that calls another.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Dependency {
    pub(crate) parent: String,
    pub(crate) child: String,
    /// Spans of the child whose parent is one of the parent.
    pub(crate) call_count: u64,
}

/// The dependencies within `traces`, sorted; only those of `service`, if there is one.
///
/// # Errors
///
/// The first one in `traces`.
pub(crate) fn dependencies<E>(
    traces: impl IntoIterator<Item = Result<Trace, E>>,
    service: Option<&str>,
) -> Result<Vec<Dependency>, E> {
    let mut counts = BTreeMap::new();
    for trace in traces {
        let Trace { spans, .. } = trace?;
        let services: HashMap<_, _> = spans
            .iter()
            .map(|span| (span.span_id, span.service()))
            .collect();
        for span in &spans {
            let caller = parent(span).and_then(|parent| services.get(&parent).copied());
            let call = caller.map(|caller| [caller, span.service()]);
            if let Some(call) = call.filter(|[caller, called]| caller != called) {
                *counts.entry(call.map(str::to_owned)).or_insert(0) += 1;
            }
        }
    }
    let wanted = |call: &[String; 2]| {
        service.is_none_or(|service| call.iter().any(|other| other == service))
    };
    let calls = counts.into_iter().filter(|(call, _)| wanted(call));
    let dependencies = calls.map(|([parent, child], call_count)| Dependency {
        parent,
        child,
        call_count,
    });
    Ok(dependencies.collect())
}
