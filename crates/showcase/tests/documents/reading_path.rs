//! The reading path of the README leads through files that exist, and stays as short as it says.

use crate::read;

/// Files on the path.
const FILES: usize = 10;

/// Lines of all of them together that a reader still reads.
const LINES: usize = 1_700;

#[test]
fn reading_path_is_ten_files_of_a_bearable_length() {
    let readme = read("README.md");
    let (_, section) = readme.split_once("\n## Reading path\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| "));
    let files: Vec<_> = rows
        .filter_map(|row| Some(row.split_once("](")?.1.split_once(')')?.0))
        .collect();
    assert_eq!(files.len(), FILES, "{files:?}");
    let lines: usize = files.iter().map(|file| read(file).lines().count()).sum();
    let said = section.split_once("about ").unwrap().1;
    let said: String = said.chars().take_while(|char| *char != ' ').collect();
    let said: usize = said.replace(',', "").parse().unwrap();
    assert!(lines <= LINES, "{lines} lines");
    assert!(
        said.abs_diff(lines) < 150,
        "{lines} lines, not about {said}"
    );
}
