//! Chromium, and the chromedriver that drives it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Stdio;
use std::time::Duration;

use axum::http::Method;
use fantoccini::{Client, ClientBuilder, wd::WebDriverCompatibleCommand};
use hyper_util::client::legacy::connect::HttpConnector;
use reqwest::Url;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

/// How long the driver may take to start; far more than it takes.
const LIMIT: Duration = Duration::from_secs(60);

/// A browser. Dropped, it ends.
pub(crate) struct Chromium {
    pub(crate) client: Client,
    driver: Child,
}

/// A test that fails closes no session: chromedriver would be gone and leave its browser behind.
impl Drop for Chromium {
    fn drop(&mut self) {
        let driver = self
            .driver
            .id()
            .and_then(|id| Pid::from_raw(id.try_into().ok()?));
        if let Some(driver) = driver {
            let _ = kill_process_group(driver, Signal::KILL);
        }
    }
}

impl Chromium {
    /// Without a window to be seen, as wide and high as a laptop's.
    pub(crate) async fn start() -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .expect("chromedriver is on PATH");
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if let Some((_, port)) = line.split_once("successfully on port ") {
                    return port.trim_end_matches('.').parse::<u16>().unwrap();
                }
            }
            panic!("chromedriver ended");
        };
        let port = timeout(LIMIT, port).await.expect("chromedriver starts");
        let options = json!({
            "browserName": "chrome",
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {"args": [
                "--headless=new",
                "--no-sandbox", // the tests may be root
                "--disable-dev-shm-usage",
                "--window-size=1440,900",
            ]},
        });
        let Value::Object(options) = options else {
            unreachable!()
        };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(options)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("chromium is on PATH");
        Self { client, driver }
    }

    /// A command of the DevTools protocol.
    pub(crate) async fn devtools(&self, command: &str, parameters: Value) {
        let body = json!({"cmd": command, "params": parameters});
        self.own("goog/cdp/execute", body).await;
    }

    /// Errors on the console since the last call.
    pub(crate) async fn errors(&self) -> Vec<String> {
        let entries = self.own("se/log", json!({"type": "browser"})).await;
        let entries = entries.as_array().unwrap().iter();
        entries
            .filter(|entry| entry["level"] == "SEVERE")
            .map(|entry| entry["message"].as_str().unwrap().to_owned())
            .collect()
    }

    async fn own(&self, path: &'static str, body: Value) -> Value {
        self.client.issue_cmd(Own { path, body }).await.unwrap()
    }

    /// Ends the session, and with it the browser's processes.
    pub(crate) async fn close(self) {
        self.client.clone().close().await.unwrap();
    }
}

/// A command that only chromedriver has.
#[derive(Debug)]
struct Own {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Own {
    fn endpoint(
        &self,
        base: &Url,
        session: Option<&str>,
    ) -> Result<Url, <Url as std::str::FromStr>::Err> {
        let session = session.unwrap_or_default();
        base.join(&format!("session/{session}/{}", self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}
