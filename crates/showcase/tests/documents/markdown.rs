//! The documents, as far as these tests look into them.

use crate::{read, root};

pub(crate) struct Document {
    pub(crate) name: String,
    text: String,
}

/// A fenced block.
pub(crate) struct Fence {
    /// Document and line, for messages.
    pub(crate) place: String,
    /// The comment right above it.
    pub(crate) comment: Option<String>,
    pub(crate) language: String,
    pub(crate) lines: Vec<String>,
}

/// Those that a reader starts with, that of kubernetes/, and all of docs/.
pub(crate) fn documents() -> Vec<Document> {
    let mut names = ["README.md", "CONTRIBUTING.md", "kubernetes/README.md"]
        .map(str::to_owned)
        .to_vec();
    let docs = std::fs::read_dir(root().join("docs")).unwrap();
    let docs = docs.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.extend(
        docs.filter(|name| name.ends_with(".md"))
            .map(|name| format!("docs/{name}")),
    );
    let documents = names.into_iter().map(|name| Document {
        text: read(&name),
        name,
    });
    documents.collect()
}

pub(crate) fn fences() -> Vec<Fence> {
    documents()
        .iter()
        .flat_map(|document| document.split().0)
        .collect()
}

impl Document {
    /// What stands between backticks, with line breaks as blanks.
    pub(crate) fn code(&self) -> Vec<String> {
        let (_, prose) = self.split();
        let paragraphs = prose.split("\n\n");
        paragraphs
            .flat_map(|paragraph| {
                let pieces: Vec<_> = paragraph.split('`').collect();
                assert!(
                    pieces.len() % 2 == 1,
                    "{}: a backtick is alone in\n{paragraph}",
                    self.name
                );
                let code = pieces.into_iter().skip(1).step_by(2);
                code.map(|code| code.split_whitespace().collect::<Vec<_>>().join(" "))
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    /// Fences, and everything else without comments.
    fn split(&self) -> (Vec<Fence>, String) {
        let (mut fences, mut prose) = (Vec::new(), String::new());
        let mut comment = None;
        let mut open: Option<Fence> = None;
        for (number, line) in self.text.lines().enumerate() {
            let language = line.strip_prefix("```");
            match (&mut open, language) {
                (Some(_), Some(_)) => fences.extend(open.take()),
                (Some(fence), None) => fence.lines.push(line.to_owned()),
                (None, Some(language)) => {
                    open = Some(Fence {
                        place: format!("{}:{}", self.name, number + 1),
                        comment: comment.take(),
                        language: language.to_owned(),
                        lines: Vec::new(),
                    });
                }
                (None, None) => {
                    let inner = line
                        .strip_prefix("<!-- ")
                        .and_then(|line| line.strip_suffix(" -->"));
                    comment = inner.map(str::to_owned);
                    if comment.is_none() {
                        prose.push_str(line);
                    }
                    prose.push('\n');
                }
            }
        }
        assert!(open.is_none(), "{}: a fence does not end", self.name);
        (fences, prose)
    }
}
