//! The page as somebody sees and uses it.

use std::{path::Path, time::Duration};

use fantoccini::{Locator, actions, elements::Element, key::Key};
use serde_json::{Value, json};

use crate::{chromium::Chromium, showcase::Showcase, within::within};

/// For whatever has to happen; far more than it takes.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A browser at the address that the showcase has printed.
pub(crate) struct Page {
    pub(crate) browser: Chromium,
    pub(crate) showcase: Showcase,
}

impl Page {
    pub(crate) async fn open() -> Self {
        let (browser, showcase) = tokio::join!(Chromium::start(), Showcase::start());
        browser.client.goto(&showcase.address).await.unwrap();
        let page = Self { browser, showcase };
        page.see(".connection", "Live").await;
        page
    }

    /// To one of its views, such as `traces`.
    pub(crate) async fn go(&self, view: &str) {
        let address = format!("{}/#/{view}", self.showcase.address);
        self.browser.client.goto(&address).await.unwrap();
    }

    /// Runs a script in the page; `arguments[0]` is `argument`.
    pub(crate) async fn run(&self, script: &str, argument: Value) -> Value {
        let answer = self.browser.client.execute(script, vec![argument]).await;
        answer.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// Waits until the script returns something that is neither null nor false.
    pub(crate) async fn until(&self, what: &str, script: &str) -> Value {
        let found = within(LIMIT, async || {
            let found = self.run(script, Value::Null).await;
            Some(found).filter(|found| !matches!(found, Value::Null | Value::Bool(false)))
        });
        match found.await {
            Some(found) => found,
            None => panic!("not {what}, but\n{}", self.text("body").await),
        }
    }

    /// Waits until an element that `selector` finds contains the text.
    pub(crate) async fn see(&self, selector: &str, text: &str) {
        let script = format!(
            "return [...document.querySelectorAll({})].some((one) => one.textContent.includes({}))",
            json!(selector),
            json!(text),
        );
        self.until(&format!("{text:?} in {selector}"), &script)
            .await;
    }

    /// Waits until there is no such element.
    pub(crate) async fn see_no(&self, selector: &str) {
        let script = format!("return !document.querySelector({})", json!(selector));
        self.until(&format!("without {selector}"), &script).await;
    }

    /// Waits while so many rounds of figures come, between which the page asks for what is not sent to it.
    pub(crate) async fn rounds(&self, rounds: u64) {
        const POINTS: &str = "return fetch('api/figures').then((answer) => answer.json())
            .then(({ services }) => services[0].points.length";
        let before = self.run(&format!("{POINTS})"), Value::Null).await;
        let enough = before.as_u64().unwrap() + rounds;
        self.until(
            &format!("{rounds} rounds of figures"),
            &format!("{POINTS} >= {enough})"),
        )
        .await;
    }

    /// Text of the first such element, as it is shown.
    pub(crate) async fn text(&self, selector: &str) -> String {
        let script = "return document.querySelector(arguments[0])?.innerText ?? ''";
        let text = self.run(script, json!(selector)).await;
        text.as_str().unwrap().to_owned()
    }

    pub(crate) async fn count(&self, selector: &str) -> usize {
        let script = "return document.querySelectorAll(arguments[0]).length";
        let count = self.run(script, json!(selector)).await;
        usize::try_from(count.as_u64().unwrap()).unwrap()
    }

    /// Waits for the element, then clicks it as a mouse does.
    pub(crate) async fn click(&self, selector: &str) {
        self.click_on(Locator::Css(selector)).await;
    }

    /// The button that says so.
    pub(crate) async fn press(&self, label: &str) {
        let path = format!("//button[normalize-space()='{label}']");
        self.click_on(Locator::XPath(&path)).await;
    }

    /// The link that says so.
    pub(crate) async fn press_link(&self, label: &str) {
        let path = format!("//main//a[normalize-space()='{label}']");
        self.click_on(Locator::XPath(&path)).await;
    }

    /// Expects that nothing of the view is wider than the screen.
    pub(crate) async fn assert_fits(&self, view: &str) {
        let over = "return document.documentElement.scrollWidth - innerWidth";
        let over = self.run(over, Value::Null).await;
        assert!(over.as_i64().unwrap() <= 0, "{view}: {over} pixels");
    }

    /// Writes a picture of what is shown to `tmp/screenshots` in the target folder.
    pub(crate) async fn picture(&self, name: &str) {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        let picture = self.browser.client.screenshot().await.unwrap();
        std::fs::write(folder.join(format!("{name}.png")), picture).unwrap();
    }

    async fn click_on(&self, locator: Locator<'_>) {
        // Between finding and clicking the list may have been drawn anew: then the one in its place is meant.
        loop {
            match self.find(locator).await.click().await {
                Err(error) if error.is_stale_element_reference() => {}
                clicked => return clicked.unwrap(),
            }
        }
    }

    async fn find(&self, locator: Locator<'_>) -> Element {
        let wait = self.browser.client.wait().at_most(LIMIT);
        wait.for_element(locator)
            .await
            .unwrap_or_else(|error| panic!("{locator:?}: {error}"))
    }

    /// Keys of the keyboard, one after the other.
    pub(crate) async fn keys(&self, keys: &[Key]) {
        self.type_text(&keys.iter().copied().map(char::from).collect::<String>())
            .await;
    }

    pub(crate) async fn type_text(&self, text: &str) {
        use actions::{InputSource, KeyAction, KeyActions};
        let mut keys = KeyActions::new("keyboard".to_owned());
        for value in text.chars() {
            keys = keys.then(KeyAction::Down { value });
            keys = keys.then(KeyAction::Up { value });
        }
        self.browser.client.perform_actions(keys).await.unwrap();
    }

    /// A window of this size.
    pub(crate) async fn size(&self, width: u32, height: u32) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500});
        self.browser
            .devtools("Emulation.setDeviceMetricsOverride", metrics)
            .await;
        let script = format!("return innerWidth === {width}");
        self.until("that wide", &script).await;
    }

    /// As if the system were dark, or light.
    pub(crate) async fn system_is(&self, theme: &str) {
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": theme}]});
        self.browser
            .devtools("Emulation.setEmulatedMedia", features)
            .await;
        let script = format!(
            "return document.documentElement.dataset.theme === {}",
            json!(theme)
        );
        self.until(theme, &script).await;
    }

    /// Closes the browser; the console must have stayed without an error.
    pub(crate) async fn close(self) {
        let errors = self.browser.errors().await;
        self.browser.close().await;
        assert!(errors.is_empty(), "{errors:#?}");
    }

    /// Closes the browser; on the console are errors of questions that were asked wrongly on purpose, and no others.
    pub(crate) async fn close_after_wrong_questions(self) {
        let errors = self.browser.errors().await;
        self.browser.close().await;
        let is_expected = |error: &String| error.contains("/api/sql") && error.contains("400");
        assert!(
            !errors.is_empty() && errors.iter().all(is_expected),
            "{errors:#?}"
        );
    }
}
