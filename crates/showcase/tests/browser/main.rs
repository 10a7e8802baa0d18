//! The page in a real browser, in front of the real showcase: chromium, driven by chromedriver.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod accessible;
#[path = "../parts/chromium.rs"]
mod chromium;
mod flame;
mod hostile;
mod keyboard;
mod logs;
mod look;
mod lost;
mod many;
mod metrics;
mod model;
mod page;
#[path = "../parts/ports.rs"]
mod ports;
mod recorded;
mod services;
mod showcase;
mod spans;
mod sql;
mod story;
mod views;
mod why;
#[path = "../parts/within.rs"]
mod within;
