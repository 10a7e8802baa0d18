//! Keeps what was reached: our instructions a request as a multiple of the bare service's, both measured here and now
//! with the same compiler, may not exceed the committed ratios.

use std::process::ExitCode;

use crate::Error;
use crate::instructions;
use crate::serve::Variant;
use crate::setup::Sampling;

/// Ours / bare. Lower them with whatever lowers the cost.
const COMMITTED: [(Sampling, f64); 2] = [(Sampling::All, 2.63), (Sampling::Off, 1.65)];

/// By so much a ratio may be exceeded: the compiler's moods, not ours.
const TOLERANCE: f64 = 1.03;

/// Fails if one of them is exceeded.
pub fn guard() -> Result<ExitCode, Error> {
    let bare = instructions::of_service(Variant::Bare, Sampling::All)?.total;
    let mut code = ExitCode::SUCCESS;
    for (sampling, committed) in COMMITTED {
        let ours = instructions::of_service(Variant::Ours, sampling)?.total;
        let ratio = ours / bare;
        let sampling = sampling.name();
        println!(
            "{sampling}: {ours:.0} instructions a request, {ratio:.2} × bare; committed {committed:.2}"
        );
        if ratio > committed * TOLERANCE {
            eprintln!(
                "telemetry has become dearer at {sampling}: `cargo run --release -- instructions ours` says where"
            );
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}
