//! The parameters of a question.

use std::{fmt::Display, str::FromStr};

use axum::extract::Query;

use super::Refused;

/// Names and values, in the order given; a name may be there more than once.
pub(super) struct Parameters(Vec<(String, String)>);

impl From<Query<Vec<(String, String)>>> for Parameters {
    fn from(Query(parameters): Query<Vec<(String, String)>>) -> Self {
        Self(parameters)
    }
}

impl Parameters {
    /// Every value of `name` that is not empty.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(other, value)| other == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// The first value of `name` that is not empty.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.all(name).next().map(str::to_owned)
    }

    /// What `attribute` says, each `key=value`.
    pub(super) fn attributes(&self) -> Result<Vec<(String, String)>, Refused> {
        let attributes = self.all("attribute").map(|attribute| {
            let (key, value) = attribute
                .split_once('=')
                .ok_or_else(|| Refused::wrong("attribute is key=value"))?;
            Ok((key.to_owned(), value.to_owned()))
        });
        attributes.collect()
    }

    /// The first value of `name` that is not empty, understood.
    pub(super) fn parse<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Option<T>, Refused> {
        let Some(value) = self.all(name).next() else {
            return Ok(None);
        };
        let parsed = value.parse().map(Some);
        parsed.map_err(|error| Refused::wrong(format!("{name} is not understood: {error}")))
    }
}
