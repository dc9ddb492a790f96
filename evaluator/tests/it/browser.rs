//! A headless Chromium, driven by its `WebDriver`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Keys that `WebDriver` names by code points.
pub(crate) const ENTER: &str = "\u{e007}";
pub(crate) const ESCAPE: &str = "\u{e00c}";
pub(crate) const DOWN: &str = "\u{e015}";
pub(crate) const RIGHT: &str = "\u{e014}";

/// A browser with one empty window; closed at the end.
pub(crate) struct Browser {
    driver: Child,
    address: String,
    session: String,
    profile: TempDir,
}

impl Browser {
    /// Starts a browser of this width, without a network. `None`, with a message, where there is none.
    ///
    /// # Panics
    /// There is none although `REQUIRE_BROWSER` is set, or it does not start.
    pub(crate) fn start(width: u32, runs_scripts: bool) -> Option<Self> {
        let driver = Command::new("chromedriver")
            .args(["--port=0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut driver) = driver else {
            assert!(
                std::env::var_os("REQUIRE_BROWSER").is_none(),
                "REQUIRE_BROWSER is set, but there is no chromedriver"
            );
            let _ = writeln!(
                std::io::stderr(),
                "SKIPPED: no chromedriver; install the packages chromium and chromium-driver"
            );
            return None;
        };
        let out = BufReader::new(driver.stdout.take().expect("piped"));
        let port = out.lines().map_while(Result::ok).find_map(|line| {
            let (_, port) = line.split_once("was started successfully on port ")?;
            Some(port.trim_end_matches('.').to_owned())
        });
        let address = format!("http://127.0.0.1:{}", port.expect("a port"));
        let profile = tempfile::tempdir().expect("a temporary folder");
        let mut browser = Self {
            driver,
            address,
            session: String::new(),
            profile,
        };
        let folder = browser.profile.path().display().to_string();
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            &format!("--user-data-dir={folder}"),
        ]
        .map(str::to_owned);
        let scripts = if runs_scripts { 1 } else { 2 };
        let capabilities = json!({"capabilities": {"alwaysMatch": {
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
            "goog:chromeOptions": {
                "args": arguments,
                "prefs": {"profile.managed_default_content_settings.javascript": scripts},
            },
        }}});
        let answer = browser.ask("POST", "/session", Some(&capabilities));
        browser.session = format!("/session/{}", answer["sessionId"].as_str().expect("an id"));
        browser.devtools(
            "Emulation.setDeviceMetricsOverride",
            &json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false}),
        );
        browser.devtools("Network.enable", &json!({}));
        browser.devtools(
            "Network.emulateNetworkConditions",
            &json!({"offline": true, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}),
        );
        // Away from the browser's own first page, and what it asked for.
        browser.of_session("/url", &json!({"url": "about:blank"}));
        browser.console();
        browser.requests();
        Some(browser)
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let url = format!("{}{path}", self.address);
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_mins(2)))
            .build()
            .new_agent();
        let answer = match (method, body) {
            ("GET", _) => agent.get(&url).call(),
            ("DELETE", _) => agent.delete(&url).call(),
            (_, body) => agent
                .post(&url)
                .send(body.unwrap_or(&json!({})).to_string()),
        };
        let text = answer
            .expect("an answer")
            .body_mut()
            .with_config()
            .limit(1 << 28)
            .read_to_string();
        let answer: Value = serde_json::from_str(&text.expect("a text")).expect("JSON");
        let value = answer["value"].clone();
        assert!(value.get("error").is_none(), "{method} {path}: {value}");
        value
    }

    fn of_session(&self, path: &str, body: &Value) -> Value {
        self.ask("POST", &format!("{}{path}", self.session), Some(body))
    }

    /// Calls the browser's own protocol.
    pub(crate) fn devtools(&self, command: &str, parameters: &Value) {
        self.of_session(
            "/goog/cdp/execute",
            &json!({"cmd": command, "params": parameters}),
        );
    }

    /// Opens a file, with an address part after `#`.
    pub(crate) fn open(&self, file: &Path, part: &str) {
        // Another part alone would load nothing.
        self.of_session("/url", &json!({"url": "about:blank"}));
        let url = format!("file://{}{part}", file.display());
        self.of_session("/url", &json!({"url": url}));
    }

    /// Opens a file, and waits until its script has started.
    pub(crate) fn open_page(&self, file: &Path, part: &str) {
        self.open(file, part);
        self.wait("document.documentElement.dataset.ready !== undefined");
    }

    /// Evaluates an expression.
    pub(crate) fn value(&self, expression: &str) -> Value {
        let script = format!("return ({expression})");
        self.of_session("/execute/sync", &json!({"script": script, "args": []}))
    }

    pub(crate) fn text(&self, expression: &str) -> String {
        self.value(expression)
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    pub(crate) fn number(&self, expression: &str) -> f64 {
        self.value(expression).as_f64().unwrap_or(f64::NAN)
    }

    /// Waits until an expression is true.
    ///
    /// # Panics
    /// It is not after half a minute.
    pub(crate) fn wait(&self, expression: &str) {
        let end = Instant::now() + Duration::from_secs(30);
        while self.value(expression) != Value::Bool(true) {
            assert!(Instant::now() < end, "never true: {expression}");
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// Presses keys, as a person does.
    pub(crate) fn press(&self, keys: &str) {
        let actions: Vec<Value> = keys
            .chars()
            .flat_map(|key| {
                [
                    json!({"type": "keyDown", "value": key}),
                    json!({"type": "keyUp", "value": key}),
                ]
            })
            .collect();
        let body = json!({"actions": [{"type": "key", "id": "keyboard", "actions": actions}]});
        self.of_session("/actions", &body);
    }

    /// Chooses an option of a select.
    pub(crate) fn choose(&self, id: &str, value: &str) {
        self.value(&format!(
            "(() => {{ const select = document.getElementById({id:?}); select.value = {value:?}; \
             select.dispatchEvent(new Event('change', {{bubbles: true}})); return select.value; }})()"
        ));
    }

    /// Asks for the dark or the light scheme.
    pub(crate) fn scheme(&self, name: &str) {
        self.devtools(
            "Emulation.setEmulatedMedia",
            &json!({"features": [{"name": "prefers-color-scheme", "value": name}]}),
        );
    }

    fn log(&self, kind: &str) -> Vec<Value> {
        let log = self.of_session("/se/log", &json!({"type": kind}));
        log.as_array().cloned().unwrap_or_default()
    }

    /// Returns the errors and warnings of the console since the last call.
    pub(crate) fn console(&self) -> Vec<String> {
        let log = self.log("browser").into_iter();
        let bad = log.filter(|line| line["level"] != "INFO" && line["level"] != "DEBUG");
        bad.map(|line| line["message"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// Returns the addresses of all requests since the last call, but those of pages.
    pub(crate) fn requests(&self) -> Vec<String> {
        let messages = self
            .log("performance")
            .into_iter()
            .filter_map(|line| serde_json::from_str::<Value>(line["message"].as_str()?).ok());
        let sent = messages
            .map(|message| message["message"].clone())
            .filter(|message| message["method"] == "Network.requestWillBeSent")
            .filter(|message| message["params"]["type"] != "Document");
        sent.map(|message| {
            message["params"]["request"]["url"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        })
        .collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() && !std::thread::panicking() {
            self.ask("DELETE", &self.session, None);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
