//! Commands in the documents name packages, examples, tests and profiles that there are.

use crate::markdown::{documents, fences};
use crate::{read, root};

#[test]
fn commands_name_what_exists() {
    let fences = fences();
    let shell = fences
        .iter()
        .filter(|fence| fence.language == "sh")
        .flat_map(|fence| fence.lines.clone());
    let commands: Vec<_> = shell
        .chain(documents().iter().flat_map(|document| document.code()))
        .collect();
    let compose = read("docker-compose.yml");
    let bench = read("bench/Cargo.toml"); // nowhere else are profiles of our own
    let examples: Vec<_> = std::fs::read_dir(root().join("crates"))
        .unwrap()
        .flat_map(|folder| {
            std::fs::read_dir(folder.unwrap().path().join("examples"))
                .into_iter()
                .flatten()
        })
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();

    let packages: Vec<_> = std::fs::read_dir(root().join("crates"))
        .unwrap()
        .map(|folder| {
            let manifest = folder.unwrap().path().join("Cargo.toml");
            let manifest = std::fs::read_to_string(manifest).unwrap();
            let name = manifest.lines().find_map(|line| {
                let name = line.strip_prefix("name = \"")?.strip_suffix('"')?;
                Some(name.to_owned())
            });
            name.unwrap()
        })
        .collect();

    let mut checked = 0;
    for command in &commands {
        let words: Vec<_> = command.split_whitespace().collect();
        for pair in words.windows(2) {
            let (flag, value) = (pair[0], pair[1]);
            let exists = match flag {
                "-p" if words.contains(&"cargo") => packages.iter().any(|name| name == value),
                "--example" => examples.contains(&format!("{value}.rs")),
                "--profile" if words.contains(&"cargo") => {
                    bench.contains(&format!("[profile.{value}]"))
                }
                "--profile" => compose.contains(&format!("profiles: [{value}]")),
                _ => continue,
            };
            assert!(exists, "{flag} {value} in {command:?}");
            checked += 1;
        }
    }
    assert!(checked > 10, "{checked} commands: they are not found");
}
