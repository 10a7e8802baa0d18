//! What holds for each view of a service's telemetry, whoever has sent it. Pictures are written as in `look`.

use std::path::Path;

use serde_json::{Value, json};

use crate::{accessible, page::Page, recorded};

#[tokio::test]
#[ignore = "needs chromium and chromedriver on PATH, and axe-core in target/programs"]
async fn each_view_of_the_shop_is_accessible_and_fits_in_both_themes_wide_and_narrow() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
    std::fs::create_dir_all(&folder).unwrap();
    let axe = accessible::axe();
    let page = Page::open().await;
    recorded::send(&page.showcase).await;
    let question = "sql?q=select+start_unix_nanos+/+1000000000+as+second,+service,+count(*)+as+spans+from+spans+group+by+1,+2";
    let histogram = "metrics?service=stock&scope=stock&name=http.server.request.duration";
    for (width, height) in [(1440, 900), (360, 780)] {
        page.size(width, height).await;
        for theme in ["light", "dark"] {
            page.system_is(theme).await;
            for (name, view, shown) in [
                ("services", "services", ".service-table a"),
                ("service", "services/stock", ".service-charts .line"),
                ("logs", "logs", "button.log-row"),
                ("metrics", histogram, ".heat canvas"),
                ("sql", question, ".sql-charts .line"),
                ("sql-wrong", "sql?q=select+nothing", "#sql-said.error-text"),
                ("connect", "status", ".snippet"),
                ("logs-empty", "logs?text=nothing-says-this", ".empty"),
            ] {
                page.go(view).await;
                page.see(shown, "").await;
                if name == "logs" {
                    page.click("button.log-row").await;
                    page.see(".details", "").await;
                }
                let found = accessible::violations(&page, &axe).await;
                assert_eq!(found, json!([]), "{view}, {theme}, {width}: {found:#}");
                let over = "return document.documentElement.scrollWidth - innerWidth";
                let over = page.run(over, Value::Null).await;
                assert!(
                    over.as_i64().unwrap() <= 0,
                    "{name} at {width}: {over} pixels"
                );
                let picture = page.browser.client.screenshot().await.unwrap();
                std::fs::write(folder.join(format!("{name}-{theme}-{width}.png")), picture)
                    .unwrap();
            }
        }
    }
    page.close_after_wrong_questions().await;
    println!("screenshots: {}", folder.display());
}
