//! The page in a real browser, in front of the real showcase: chromium, driven by chromedriver.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod accessible;
mod by_hand;
#[path = "../parts/chromium.rs"]
mod chromium;
mod hostile;
mod keyboard;
mod layout;
mod look;
mod lost;
mod many;
mod model;
mod overview;
mod page;
#[path = "../parts/ports.rs"]
mod ports;
mod recorded;
mod search;
mod shop;
mod showcase;
mod spans;
mod story;
mod timeline;
mod typing;
#[path = "../parts/within.rs"]
mod within;
