//! What the page says under *Connect* works as it stands: its settings and its command, with a program of these in place of
//! the service.

use std::path::Path;

use backend::Backend;

use crate::{
    order::{Metrics, assert_arrived},
    program::{self, Program},
};

const SNIPPETS: &str = "../showcase/web/model/snippets.js";

/// The page's text between these two.
fn between<'a>(page: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = page
        .split_once(before)
        .unwrap_or_else(|| panic!("{before}"));
    rest.split_once(after)
        .unwrap_or_else(|| panic!("{after}"))
        .0
}

/// Runs what the page says for the language, with `program` for the name of the service's own.
async fn works(language: &str, app: &str, program: &str, start: fn(&str) -> Program) {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join(SNIPPETS);
    let page = std::fs::read_to_string(page).unwrap();
    let backend = Backend::start(backend::Settings::on_free_ports()).unwrap();
    let settings = between(&page, "const SETTINGS = `", "`;");
    let settings = settings
        .replace("ADDRESS", &backend.otlp_http().to_string())
        .replace("my-service", "shop");
    let of_language = between(&page, &format!("  {language}: {{\n"), "\n  },");
    let run = between(of_language, "run: \"", "\"");
    assert!(run.contains(app), "{run}");
    let run = run.replace(app, program);
    start(&format!("{settings}\n{run}")).run().await;
    assert_arrived(&backend, Metrics::Usual);
    backend.stop().await;
}

#[tokio::test]
#[ignore = "needs python3, and packages in target/programs/sender-python"]
async fn a_service_in_python_is_connected_as_the_page_says() {
    works("Python", "app.py", "sender.py", program::python_shell).await;
}

#[tokio::test]
#[ignore = "needs node, and packages in tests/senders/javascript"]
async fn a_service_in_node_is_connected_as_the_page_says() {
    let start = |script: &str| program::shell("javascript", script);
    works("Node", "app.js", "order.js", start).await;
}

#[tokio::test]
#[ignore = "needs go"]
async fn a_service_in_go_is_connected_as_the_page_says() {
    works("Go", "go run .", "go run .", |script| {
        program::shell("go", script)
    })
    .await;
}

#[tokio::test]
#[ignore = "needs java, and packages in target/programs/sender-java"]
async fn a_service_in_java_is_connected_as_the_page_says() {
    works(
        "Java",
        "java -jar app.jar",
        "java -cp \"$CLASSES\" Sender.java",
        program::java_shell,
    )
    .await;
}
