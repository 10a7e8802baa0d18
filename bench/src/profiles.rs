//! The release profile: what pong's binary gains by each setting, and what that costs to build.

use std::path::PathBuf;
use std::process::Command;

use crate::Error;
use crate::cpu::{self, Cpu};
use crate::instructions::{self, Instructions};
use crate::machine;

const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");

/// A profile by what it adds to cargo's own for releases.
const PROFILES: [(&str, &[(&str, &str)]); 5] = [
    ("as it is", &[]),
    ("`codegen-units = 1`", &[("CODEGEN_UNITS", "1")]),
    ("`lto = \"thin\"`", &[("LTO", "thin")]),
    (
        "`lto = \"fat\"`, `codegen-units = 1`",
        &[("LTO", "fat"), ("CODEGEN_UNITS", "1")],
    ),
    (
        "the same, `panic = \"abort\"`",
        &[("LTO", "fat"), ("CODEGEN_UNITS", "1"), ("PANIC", "abort")],
    ),
];

/// Builds and measures all of them.
pub fn text() -> Result<String, Error> {
    let mut built = Vec::new();
    for (number, (_, settings)) in PROFILES.iter().enumerate() {
        built.push(Built::new(number, settings)?);
    }
    let programs: Vec<_> = built.iter().map(|built| built.program.as_path()).collect();
    let times = cpu::of_programs(&programs)?;
    let mut text = format!(
        "{}\n\n| `[profile.release]` | to build, CPU | binary | instructions a request | CPU a request |\n\
         | --- | ---: | ---: | ---: | ---: |\n",
        machine::description()?
    );
    for (((name, _), built), Cpu { microseconds, .. }) in PROFILES.iter().zip(&built).zip(times) {
        text += &format!(
            "| {name} | {:.0} s | {:.1} MiB | {:.1}k | {microseconds:.1} µs |\n",
            built.seconds,
            built.bytes as f64 / 1024.0 / 1024.0,
            built.instructions.total / 1e3,
        );
    }
    Ok(text)
}

struct Built {
    program: PathBuf,
    seconds: f64,
    bytes: u64,
    instructions: Instructions,
}

impl Built {
    fn new(number: usize, settings: &[(&str, &str)]) -> Result<Self, Error> {
        let target = std::env::temp_dir().join(format!("bench-profile-{number}"));
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
            .env("CARGO_TARGET_DIR", &target)
            .envs(settings)
            .status()?;
        if !status.success() {
            return Err(format!("cargo ended with {status}").into());
        }
        let seconds = (machine::children_cpu_time()? - before).as_secs_f64();
        let program = target.join("release/pong");
        let kept = std::env::temp_dir().join(format!("bench-profile-{number}-pong"));
        std::fs::copy(&program, &kept)?;
        std::fs::remove_dir_all(&target)?;
        Ok(Self {
            seconds,
            bytes: std::fs::metadata(&kept)?.len(),
            instructions: instructions::of_program(&kept)?,
            program: kept,
        })
    }
}

impl Drop for Built {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.program);
    }
}
