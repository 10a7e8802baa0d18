//! The release profile: what pong's binary gains by each setting, and what that costs to build.

use std::path::Path;
use std::process::Command;

use crate::child::Program;
use crate::{Error, cpu, instructions, machine};

const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");

/// A profile by what it adds to cargo's own for releases.
const PROFILES: [(&str, &[(&str, &str)]); 6] = [
    ("cargo's own", &[]),
    ("`codegen-units = 1`", &[("CODEGEN_UNITS", "1")]),
    ("`lto = \"thin\"`", &[("LTO", "thin")]),
    (
        "`lto = \"thin\"`, `codegen-units = 1`",
        &[("LTO", "thin"), ("CODEGEN_UNITS", "1")],
    ),
    (
        "`lto = \"fat\"`, `codegen-units = 1`",
        &[("LTO", "fat"), ("CODEGEN_UNITS", "1")],
    ),
    (
        "the same, `panic = \"abort\"`",
        &[("LTO", "fat"), ("CODEGEN_UNITS", "1"), ("PANIC", "abort")],
    ),
];

/// Allocators that take the place of the C library's in the last of those but one, by the shared library that brings
/// them: as a crate they would be compiled in, and cost a little less.
const ALLOCATORS: [(&str, &str); 2] = [
    ("jemalloc", "libjemalloc.so.2"),
    ("mimalloc", "libmimalloc.so.2"),
];

/// The profile that the allocators are measured with.
const OF_ALLOCATORS: usize = 4;

/// Builds and measures all of them.
pub fn text() -> Result<String, Error> {
    let directory = std::env::temp_dir().join(format!("bench-profiles-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let text = text_by(&directory);
    std::fs::remove_dir_all(&directory)?;
    text
}

fn text_by(directory: &Path) -> Result<String, Error> {
    let (mut names, mut programs, mut builds) = (Vec::new(), Vec::new(), Vec::new());
    for (number, (name, settings)) in PROFILES.iter().enumerate() {
        let path = directory.join(format!("pong-{number}"));
        builds.push(format!("{:.0} s", build(settings, directory, &path)?));
        names.push((*name).to_owned());
        programs.push(Program {
            path,
            allocator: None,
        });
    }
    for (name, library) in ALLOCATORS {
        builds.push(String::new());
        names.push(format!("{} and {name}", PROFILES[OF_ALLOCATORS].0));
        programs.push(Program {
            path: programs[OF_ALLOCATORS].path.clone(),
            allocator: Some(library),
        });
    }

    let times = cpu::of_programs(&programs)?;
    let mut text = format!(
        "{}\n\n| `[profile.release]` | to build, CPU | binary | instructions a request | CPU a request | resident |\n\
         | --- | ---: | ---: | ---: | ---: | ---: |\n",
        machine::description()?
    );
    for (((name, build), program), cpu) in names.iter().zip(builds).zip(&programs).zip(times) {
        text += &format!(
            "| {name} | {build} | {:.1} MiB | {:.1}k | {:.1} µs | {:.1} MiB |\n",
            std::fs::metadata(&program.path)?.len() as f64 / 1024.0 / 1024.0,
            instructions::of_program(program)?.total / 1e3,
            cpu.microseconds,
            cpu.memory.now,
        );
    }
    Ok(text)
}

/// Builds pong from nothing and puts it there. Seconds of CPU time.
fn build(settings: &[(&str, &str)], directory: &Path, there: &Path) -> Result<f64, Error> {
    let target = directory.join("target");
    let settings = settings
        .iter()
        .map(|(name, value)| (format!("CARGO_PROFILE_RELEASE_{name}"), value));
    let before = machine::children_cpu_time()?;
    let status = Command::new("cargo")
        .args([
            "build",
            "--quiet",
            "--release",
            "--locked",
            "--package",
            "pong",
            "--manifest-path",
            MANIFEST,
        ])
        // Cargo's own where nothing else is said, whatever the manifest has.
        .env("CARGO_PROFILE_RELEASE_LTO", "false")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        .env("CARGO_PROFILE_RELEASE_PANIC", "unwind")
        .env("CARGO_TARGET_DIR", &target)
        .envs(settings)
        .status()?;
    if !status.success() {
        return Err(format!("cargo ended with {status}").into());
    }
    let seconds = (machine::children_cpu_time()? - before).as_secs_f64();
    std::fs::copy(target.join("release/pong"), there)?;
    std::fs::remove_dir_all(&target)?;
    Ok(seconds)
}
