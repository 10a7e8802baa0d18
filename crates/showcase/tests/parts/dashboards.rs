//! The dashboards in `grafana/dashboards`.

use std::path::Path;

use serde_json::Value;

/// A dashboard as it is in its file.
pub(crate) struct Dashboard {
    pub(crate) json: Value,
}

/// All of them.
pub(crate) fn all() -> Vec<Dashboard> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../grafana/dashboards");
    let files = std::fs::read_dir(folder).expect("there is a folder of dashboards");
    let mut files: Vec<_> = files.flatten().map(|file| file.path()).collect();
    files.sort();
    let dashboards: Vec<_> = files
        .into_iter()
        .map(|file| {
            let text = std::fs::read_to_string(&file).expect("a dashboard can be read");
            let json = serde_json::from_str(&text)
                .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            Dashboard { json }
        })
        .collect();
    assert!(!dashboards.is_empty(), "there is a dashboard");
    dashboards
}

impl Dashboard {
    /// All panels: rows, and what is folded into them, too.
    pub(crate) fn panels(&self) -> Vec<&Value> {
        let mut panels = Vec::new();
        for panel in elements(&self.json["panels"]) {
            panels.push(panel);
            panels.extend(elements(&panel["panels"]));
        }
        panels
    }

    pub(crate) fn variables(&self) -> impl Iterator<Item = &Value> {
        elements(&self.json["templating"]["list"])
    }
}

/// Elements of an array; none of anything else.
pub(crate) fn elements(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The string; empty if it is none.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
