//! The dashboards as Grafana's own components draw them, by `grafana/panels`, on what a real Prometheus has scraped.
//! The pictures are written to `tmp/screenshots` in the target folder; `docs/images/dashboard-*` are copies of them in 256 colours.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use backend::Backend;
use reqwest::Url;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::chromium::Chromium;
use crate::pair::{Pair, Setting, settings};
use crate::parts::dashboards::{self, Dashboard, elements, text};
use crate::parts::within;
use crate::process::Process;
use crate::program::repository;
use crate::prometheus::Prometheus;

/// How long anything is waited for. An alert takes half a minute to fire.
const PATIENCE: Duration = Duration::from_secs(180);

/// Panels that show how many there are of what their title names.
const COUNTS: [&str; 9] = [
    "Active requests",
    "Series",
    "Series overflow",
    "Services up",
    "Targets up",
    "Tasks alive",
    "Tasks waiting",
    "Threads and open files",
    "Total Requests",
];

/// Callers of ping, until this is dropped.
fn callers(ping: &str) -> JoinSet<()> {
    let caller = |name: &'static str, path: &'static str, pause: Duration| {
        let http = reqwest::Client::builder().user_agent(name).no_proxy();
        let http = http.build().unwrap();
        let url = format!("{ping}{path}");
        async move {
            loop {
                let _ = http.get(&url).send().await;
                tokio::time::sleep(pause).await;
            }
        }
    };
    let mut callers = JoinSet::new();
    for _ in 0..3 {
        callers.spawn(caller("web/1.0", "/ping", Duration::from_millis(100)));
        callers.spawn(caller("app/2.1", "/ping", Duration::from_millis(250)));
    }
    callers.spawn(caller("bot/0.1", "/nothing", Duration::from_millis(500)));
    callers
}

/// So that lines are no straight ones.
const WELL: Setting<'_> = ("PONG_LATENCY", "2ms..30ms");

/// What happens to pong while the callers call: it is well, slow, gone until an alert fires, and well again.
async fn story(mut pair: Pair, prometheus: &Prometheus) -> Pair {
    let address = pair.pong_url.trim_start_matches("http://").to_owned();
    let start = |backend: &Backend, latency| {
        let settings = settings(backend, &[("ADDRESS", &address), latency]);
        let mut pong = Process::start("pong", settings);
        pong.url();
        pong
    };
    let seen = async |query: &str| drop(prometheus.api.results(query, 1, PATIENCE).await);

    seen(r#"count_over_time(up{job="Pong"}[1h]) >= 15"#).await;

    pair.pong.stop();
    pair.pong = start(&pair.backend, ("PONG_LATENCY", "200ms..600ms"));
    let latency = r#"histogram_quantile(0.95, sum by (le) (rate(http_server_request_duration_seconds_bucket{job="Pong"}[5s])))"#;
    let slow = format!("count_over_time(({latency} > 0.25)[1h:1s]) >= 15");
    seen(&slow).await;

    pair.pong.stop();
    seen(r#"ALERTS{alertname="TargetDown", job="Pong", alertstate="firing"}"#).await;

    pair.pong = start(&pair.backend, WELL);
    seen(r#"sum_over_time(up{job="Pong"}[25s]) >= 18"#).await;
    pair
}

/// A time at which both services have just been scraped. What came in the last second may still turn out to be a
/// scrape that fails, after which a gauge has no value.
async fn scraped(prometheus: &Prometheus) -> u64 {
    let both = "min(min_over_time(up[4s])) == 1 and count(up) == 2";
    let found = prometheus.api.results(both, 1, PATIENCE).await;
    found[0]["value"][0].as_f64().unwrap() as u64 - 2
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap().as_secs()
}

/// Where the page with the panels is built.
fn built() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("panels")
}

/// Begins to build the page. That takes less time than there is until it is wanted.
fn build() -> Child {
    Command::new("npm")
        .args(["run", "build", "--", "--outDir"])
        .arg(built())
        .current_dir(repository("grafana/panels"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("npm is on PATH")
}

/// Serves the page that was built until the test ends, and says where.
async fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/build/", listener.local_addr().unwrap());
    let files = Router::new().route("/build/", get(|| file("index.html".to_owned())));
    let files = files.route(
        "/build/{*path}",
        get(|path: axum::extract::Path<String>| file(path.0)),
    );
    tokio::spawn(async { axum::serve(listener, files).await });
    url
}

async fn file(path: String) -> Result<impl IntoResponse, StatusCode> {
    let kind = match Path::new(&path).extension().and_then(OsStr::to_str) {
        Some("css") => "text/css",
        Some("html") => "text/html",
        Some("js") => "text/javascript",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    };
    let content = std::fs::read(built().join(path));
    let content = content.map_err(|_| StatusCode::NOT_FOUND)?;
    Ok(([(CONTENT_TYPE, kind)], content))
}

/// Waits until the script returns something that is neither null nor false.
async fn until(browser: &Chromium, script: &str) -> Value {
    let found = within(PATIENCE, async || {
        let found = browser.client.execute(script, vec![]).await.unwrap();
        Some(found).filter(|found| !matches!(found, Value::Null | Value::Bool(false)))
    });
    found.await.unwrap_or_else(|| panic!("never: {script}"))
}

/// What in the texts that it shows is the unit of a panel; `None` if nothing is.
fn symbols(unit: &str) -> Option<Vec<&str>> {
    let symbols = match unit {
        "bytes" => vec![" KiB", " MiB"],
        "ms" => vec![" µs", " ms", " s"],
        "percentunit" => vec!["%"],
        "reqps" => vec![" req/s"],
        "s" => vec![" µs", " ms", " s", " min", " mins"],
        other => vec![
            other
                .strip_prefix("suffix:")
                .or(other.strip_prefix("count:"))?,
        ],
    };
    Some(symbols)
}

/// All but the rows.
fn panels(dashboard: &Dashboard) -> Vec<&Value> {
    let panels = dashboard.panels().into_iter();
    panels.filter(|panel| panel["type"] != "row").collect()
}

/// What is wrong with how a dashboard is drawn.
async fn faults(browser: &Chromium, dashboard: &Dashboard) -> Vec<String> {
    let drawn = until(browser, "return window.drawn").await;
    let mut faults = browser.errors().await;
    if let Some(error) = drawn["error"].as_str() {
        return vec![error.to_owned()];
    }
    let expected = panels(dashboard);
    let lines = expected.iter().filter(|it| it["type"] == "timeseries");
    let lines = lines.count();
    let canvases = "document.querySelectorAll('[data-type=timeseries] .u-over').length";
    let errors = "document.querySelectorAll('.error, .nothing').length";
    until(browser, &format!("return {canvases} + {errors} >= {lines}")).await;
    let icons = "[...document.querySelectorAll('[data-panel]')].every((panel) => panel.querySelector('svg'))";
    until(browser, &format!("return {icons}")).await;
    // Exemplars are drawn after the lines.
    if elements(&drawn["panels"]).any(|panel| panel["exemplars"].as_u64() > Some(0)) {
        until(browser, "return document.querySelector('.exemplar')").await;
    }

    let titles: Vec<_> = elements(&drawn["panels"])
        .map(|it| text(&it["title"]))
        .collect();
    let wanted: Vec<_> = expected.iter().map(|it| text(&it["title"])).collect();
    assert_eq!(titles, wanted);
    let shown = "return [...document.querySelectorAll('[data-panel]:not([data-type=row])')].map((panel) => ({
        text: panel.innerText + '\\n' + (panel.querySelector('[data-labels]')?.dataset.labels ?? ''),
        error: panel.querySelector('.error')?.textContent,
        exemplars: panel.querySelectorAll('.exemplar').length,
    }))";
    let shown = browser.client.execute(shown, vec![]).await.unwrap();
    for ((panel, drawn), shown) in expected
        .iter()
        .zip(elements(&drawn["panels"]))
        .zip(elements(&shown))
    {
        let title = text(&panel["title"]);
        let mut fault = |what: String| faults.push(format!("{title}: {what}"));
        if let Some(error) = shown["error"].as_str() {
            fault(error.to_owned());
        }
        if drawn["points"] == 0 {
            fault("no data".to_owned());
        }
        let unit = text(&panel["fieldConfig"]["defaults"]["unit"]);
        let says = text(&shown["text"]);
        match symbols(unit) {
            Some(symbols) if !symbols.iter().any(|symbol| says.contains(symbol)) => {
                fault(format!("none of {symbols:?} in {says:?}"));
            }
            None if !COUNTS.contains(&title) => fault(format!("{unit:?} is no unit")),
            _ => {}
        }
        let has_exemplars = elements(&panel["targets"]).any(|it| it["exemplar"] == true);
        if has_exemplars != (shown["exemplars"].as_u64() > Some(0)) {
            fault(format!("{} exemplars", shown["exemplars"]));
        }
    }
    faults
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs prometheus, npm, chromium and chromedriver on PATH, and the packages of grafana/panels"]
async fn every_panel_is_drawn_with_data_and_a_unit() {
    let build = build();
    let pair = Pair::start_with(&[], &[WELL]);
    let prometheus = Prometheus::start(&pair).await;
    let callers = callers(&pair.ping_url);
    let from = now();
    let pair = story(pair, &prometheus).await;
    let to = scraped(&prometheus).await;
    let build = build.wait_with_output().unwrap();
    assert!(build.status.success(), "{build:#?}");

    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
    std::fs::create_dir_all(&folder).unwrap();
    let (page, browser) = tokio::join!(serve(), Chromium::start());
    let mut faults_of_all = Vec::new();
    let mut alerts = BTreeSet::new();
    for dashboard in dashboards::all() {
        let uid = text(&dashboard.json["uid"]);
        for theme in ["light", "dark"] {
            let (from, to) = (from.to_string(), to.to_string());
            let parameters = [
                ("prometheus", prometheus.url.as_str()),
                ("dashboard", uid),
                ("theme", theme),
                ("from", from.as_str()),
                ("to", to.as_str()),
                ("scrape", "1"),
            ];
            let address = Url::parse_with_params(&page, parameters).unwrap();
            // Sharp where the picture is shown at 830 pixels.
            let size = |height: u64| json!({"width": 1000, "height": height, "deviceScaleFactor": 1.25, "mobile": false});
            let resize = "Emulation.setDeviceMetricsOverride";
            browser.devtools(resize, size(3000)).await; // without a scrollbar
            browser.client.goto(address.as_str()).await.unwrap();
            let faults = faults(&browser, &dashboard).await;
            faults_of_all.extend(
                faults
                    .iter()
                    .map(|fault| format!("{uid}, {theme}: {fault}")),
            );
            let fired = until(&browser, "return window.drawn.alerts ?? []").await;
            alerts.extend(elements(&fired).map(|name| text(name).to_owned()));

            let height = "return Math.ceil(document.querySelector('main').getBoundingClientRect().bottom) + 8";
            let height = until(&browser, height).await;
            browser
                .devtools(resize, size(height.as_u64().unwrap()))
                .await;
            let picture = browser.client.screenshot().await.unwrap();
            let file = folder.join(format!("dashboard-{uid}-{theme}.png"));
            std::fs::write(file, picture).unwrap();
        }
    }
    browser.close().await;
    drop((callers, pair));
    println!("screenshots: {}", folder.display());
    assert!(faults_of_all.is_empty(), "{faults_of_all:#?}");
    assert!(alerts.contains("TargetDown"), "{alerts:?}");
}
