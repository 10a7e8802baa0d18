//! Keeps what was reached: our instructions a request as a multiple of the bare service's, both measured here and now
//! with the same compiler, may not exceed the committed ratios.

use std::process::ExitCode;

use crate::Error;
use crate::instructions;
use crate::serve::Variant;
use crate::setup::Setup;

/// Ours / bare. Lower them with whatever lowers the cost.
const COMMITTED: [(Variant, Setup, f64); 6] = [
    (Variant::Ours, Setup::All, 1.95),
    (Variant::OursTracing, Setup::All, 2.23),
    (Variant::Ours, Setup::NewBaggage, 2.13),
    (Variant::Ours, Setup::Tenth, 1.45),
    (Variant::Ours, Setup::Off, 1.40),
    (Variant::Ours, Setup::Disabled, 1.06),
];

/// By so much a ratio may be exceeded: the compiler's moods, not ours.
const TOLERANCE: f64 = 1.03;

/// Fails if one of them is exceeded.
pub fn guard() -> Result<ExitCode, Error> {
    let bare = instructions::of_service(Variant::Bare, Setup::All)?.total;
    println!("bare: {bare:.0} instructions a request");
    let mut code = ExitCode::SUCCESS;
    for (variant, setup, committed) in COMMITTED {
        let ours = instructions::of_service(variant, setup)?.total;
        let ratio = ours / bare;
        let (way, setup) = (variant.way(), setup.name());
        println!(
            "{way}, {setup}: {ours:.0} instructions a request, {ratio:.2} × bare; committed {committed:.2}"
        );
        if ratio > committed * TOLERANCE {
            eprintln!(
                "{way}, {setup}: telemetry has become dearer; `cargo run --release -- instructions ours ours-tracing` says where"
            );
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}
