//! What spans share: strings, resources, scopes.

use std::sync::Arc;

use crate::{
    interner::Interner,
    resource::{Resource, Scope},
    span::Span,
};

pub(crate) struct Tables {
    pub(crate) strings: Interner<str>,
    pub(crate) resources: Interner<Resource>,
    pub(crate) scopes: Interner<Scope>,
}

/// Where a span comes from: numbers in the tables.
#[derive(Clone, Copy)]
pub(crate) struct Origin {
    pub(crate) service: u32, // a string
    pub(crate) resource: u32,
    pub(crate) scope: u32,
}

impl Tables {
    pub(crate) fn new() -> Self {
        Self {
            strings: Interner::new(),
            resources: Interner::new(),
            scopes: Interner::new(),
        }
    }

    /// The number of `text`, with one user more.
    pub(crate) fn string(&mut self, text: &str) -> u32 {
        self.strings.intern(text, || text.into())
    }

    /// The text of a number in use.
    pub(crate) fn text(&self, string: u32) -> &str {
        self.strings.get(string).map_or("", |text| text)
    }

    /// Where `span` comes from, with one user more.
    pub(crate) fn origin(&mut self, span: &Span) -> Origin {
        let Span {
            resource, scope, ..
        } = span;
        Origin {
            service: self.string(resource.service()),
            resource: self.resources.intern(resource, || resource.clone()),
            scope: self.scopes.intern(scope, || scope.clone()),
        }
    }

    /// One user more.
    pub(crate) fn use_again(&mut self, origin: Origin) {
        self.strings.use_again(origin.service);
        self.resources.use_again(origin.resource);
        self.scopes.use_again(origin.scope);
    }

    /// One user less.
    pub(crate) fn release(&mut self, origin: Origin) {
        self.strings.release(origin.service);
        self.resources.release(origin.resource);
        self.scopes.release(origin.scope);
    }

    pub(crate) fn shrink(&mut self) {
        self.strings.shrink();
        self.resources.shrink();
        self.scopes.shrink();
    }

    /// Estimated memory held.
    pub(crate) fn bytes(&self) -> usize {
        self.strings.bytes() + self.resources.bytes() + self.scopes.bytes()
    }
}

/// Spans come in runs of one origin, which then need not be looked up for each.
#[derive(Default)]
pub(crate) struct Run(Option<(Arc<Resource>, Arc<Scope>, Origin)>);

impl Run {
    /// Like [`Tables::origin`]. What the span before gave must still be in use.
    pub(crate) fn origin(&mut self, span: &Span, tables: &mut Tables) -> Origin {
        match &self.0 {
            Some((resource, scope, origin))
                if Arc::ptr_eq(resource, &span.resource) && Arc::ptr_eq(scope, &span.scope) =>
            {
                tables.use_again(*origin);
                *origin
            }
            _ => {
                let origin = tables.origin(span);
                self.0 = Some((span.resource.clone(), span.scope.clone(), origin));
                origin
            }
        }
    }
}
