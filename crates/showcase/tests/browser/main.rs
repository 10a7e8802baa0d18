//! The page in a real browser, in front of the real showcase: chromium, driven by chromedriver.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod accessible;
mod by_hand;
#[path = "../parts/chromium.rs"]
mod chromium;
mod flame;
mod hostile;
mod keyboard;
mod layout;
mod load;
mod logs;
mod look;
mod lost;
mod many;
mod metrics;
mod model;
mod overview;
mod page;
#[path = "../parts/ports.rs"]
mod ports;
mod recorded;
mod search;
mod services;
mod shop;
mod showcase;
mod spans;
mod sql;
mod story;
mod timeline;
mod typing;
mod views;
mod why;
#[path = "../parts/within.rs"]
mod within;
