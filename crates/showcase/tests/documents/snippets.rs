//! Code in the documents is code of the repository.

use crate::markdown::fences;
use crate::read;

fn trimmed<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    lines.into_iter().map(str::trim).collect()
}

#[test]
fn snippets_stand_in_the_files_they_name() {
    let mut snippets = 0;
    for fence in fences() {
        let Some(path) = fence
            .comment
            .as_deref()
            .and_then(|comment| comment.strip_prefix("from "))
        else {
            continue;
        };
        let file = read(path);
        let (file, snippet) = (
            trimmed(file.lines()),
            trimmed(fence.lines.iter().map(String::as_str)),
        );
        assert!(
            file.windows(snippet.len()).any(|lines| lines == snippet),
            "{}: not in {path}:\n{}",
            fence.place,
            fence.lines.join("\n")
        );
        snippets += 1;
    }
    assert!(
        snippets > 15,
        "{snippets} snippets: the comments above them are not found"
    );
}

#[test]
fn code_and_output_say_where_they_come_from() {
    for fence in fences() {
        let comment = fence.comment.as_deref().unwrap_or_default();
        let is_right = match fence.language.as_str() {
            "rust" => comment.starts_with("from crates/") && comment.ends_with(".rs"),
            "diff" => comment.starts_with("diff of "),
            "toml" if comment == "built by crates/showcase/tests/taken.rs" => true,
            // Commands; and drawings, which come from nowhere.
            "sh" | "text" | "mermaid" | "" => true,
            _ => comment.starts_with("from "),
        };
        assert!(
            is_right,
            "{}: {:?} above {:?}",
            fence.place, comment, fence.language
        );
    }
}

#[test]
fn diff_of_the_hello_worlds_is_their_difference() {
    let program = |path: &str| -> Vec<String> {
        let text = read(path);
        text.lines()
            .skip_while(|line| !line.starts_with("use "))
            .map(str::to_owned)
            .collect()
    };
    let all = fences();
    let diff = all.iter().find(|fence| fence.language == "diff").unwrap();
    let (before, after) = diff
        .comment
        .as_deref()
        .unwrap()
        .strip_prefix("diff of ")
        .unwrap()
        .split_once(" and ")
        .unwrap();

    let lines = |mark: char| -> Vec<String> {
        let marked = diff
            .lines
            .iter()
            .filter(|line| line.starts_with([' ', mark]));
        marked
            .map(|line| line.get(1..).unwrap_or_default().to_owned())
            .collect()
    };
    let only = |mark: char| -> Vec<&str> {
        diff.lines
            .iter()
            .filter_map(|line| line.strip_prefix(mark))
            .collect()
    };
    assert_eq!(lines('-'), program(before));
    assert_eq!(lines('+'), program(after));
    let added = only('+');
    assert!(
        only('-').iter().all(|line| !added.contains(line)),
        "a line is taken away and added again"
    );
    let more = added.len() - only('-').len();
    assert!(more <= 10, "telemetry takes {more} lines more");
}
