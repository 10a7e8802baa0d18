//! Names of spans. The SDK takes a name that is static without a copy, and names are few: a method and a route.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// Whatever a process does, it keeps no more names than these for ever; the rest are copied.
const LIMIT: usize = 1024;

static NAMES: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);

/// The name, static if it was kept. Takes a lock and allocates: once an endpoint, not once a request.
pub(crate) fn kept(name: String) -> Cow<'static, str> {
    // Nothing below can leave the set half changed.
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    let names = names.get_or_insert_default();
    if let Some(known) = names.get(name.as_str()) {
        return Cow::Borrowed(known);
    }
    if names.len() >= LIMIT {
        return Cow::Owned(name);
    }
    let name: &'static str = name.leak();
    names.insert(name);
    Cow::Borrowed(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_once_and_only_so_many_are() {
        for number in 0..2 * LIMIT {
            let name = format!("GET /{number}");
            let (first, second) = (kept(name.clone()), kept(name.clone()));
            assert_eq!((&*first, &*second), (&*name, &*name));
            if let (Cow::Borrowed(first), Cow::Borrowed(second)) = (first, second) {
                assert!(std::ptr::eq(first, second));
            }
        }
        assert_eq!(NAMES.lock().unwrap().as_ref().unwrap().len(), LIMIT);
    }
}
