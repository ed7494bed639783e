//! A real Chromium, driven through `ChromeDriver` by what flows do in it (W3C `WebDriver`): a few of its commands, each a request.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use xtask::browser::obtain;
use xtask::project::Project;
use xtask::stack::process::Process;
use xtask::stack::{Client, Ports};

/// What names an element in answers (W3C `WebDriver`, section 12).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// How long a page may take before it counts as never.
const PATIENCE: Duration = Duration::from_secs(20);

/// Keys that have no character (W3C `WebDriver`, section 17.4.2).
pub const ENTER: &str = "\u{e007}";
pub const TAB: &str = "\u{e004}";
pub const ESCAPE: &str = "\u{e00c}";
/// Control and V.
const PASTE: &str = "\u{e009}v";

/// A window of a browser with a profile of its own.
pub struct Browser {
    driver: Client,
    session: String,
    axe: String,
    _server: Process,
    _profile: TempDir,
}

/// How a window looks.
#[derive(Clone, Copy)]
pub struct Look {
    pub name: &'static str,
    pub dark: bool,
    pub width: u32,
    pub height: u32,
}

/// Those in which each page is looked at.
pub const LOOKS: [Look; 3] = [
    Look { name: "light", dark: false, width: 1280, height: 900 },
    Look { name: "dark", dark: true, width: 1280, height: 900 },
    Look { name: "phone", dark: false, width: 390, height: 844 },
];

impl Browser {
    /// Starts it. Without `script`, pages run no JavaScript.
    pub fn start(script: bool) -> Self {
        let parts = obtain(&Project::locate().unwrap()).unwrap();
        let profile = tempfile::tempdir().unwrap();
        let port = Ports::any().unwrap().api;
        let mut command = std::process::Command::new(&parts.driver);
        command.arg(format!("--port={port}"));
        let log = profile.path().join("driver.log");
        let server = Process::start("ChromeDriver", command, &log).unwrap();
        let driver = Client::new(port);
        let started = Instant::now();
        while !driver.get("/status", &[]).is_ok_and(|answer| answer.json()["value"]["ready"] == true) {
            assert!(started.elapsed() < PATIENCE, "ChromeDriver does not start:\n{}", server.logged());
            std::thread::sleep(Duration::from_millis(20));
        }
        let data = format!("--user-data-dir={}", profile.path().join("data").display());
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--no-proxy-server",
            // Names of tests lead to this machine.
            "--host-resolver-rules=MAP *.example 127.0.0.1",
            "--force-device-scale-factor=1",
            &data,
        ];
        let preferences = json!({ "profile.managed_default_content_settings.javascript": if script { 1 } else { 2 } });
        let options = json!({ "binary": parts.chromium, "args": arguments, "prefs": preferences });
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            // Certificates of tests are nobody's.
            "acceptInsecureCerts": true,
            "goog:loggingPrefs": { "browser": "ALL" },
            "goog:chromeOptions": options,
        } } });
        let answer = driver.post("/session", &wanted).unwrap();
        let session =
            answer.json()["value"]["sessionId"].as_str().unwrap_or_else(|| panic!("{}", answer.text())).to_owned();
        let axe = std::fs::read_to_string(&parts.axe).unwrap();
        let browser = Self { driver, session, axe, _server: server, _profile: profile };
        browser.look(LOOKS[0]);
        browser
    }

    fn command(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let path = format!("/session/{}{path}", self.session);
        let answer = self.driver.send(method, &path, &[("content-type", "application/json")], body.as_bytes()).unwrap();
        let value = answer.json()["value"].clone();
        if answer.status == 200 { Ok(value) } else { Err(value["message"].as_str().unwrap_or_default().to_owned()) }
    }

    #[track_caller]
    fn done(&self, method: &str, path: &str, body: &Value) -> Value {
        self.command(method, path, body).unwrap_or_else(|error| panic!("{method} {path}: {error}\n{}", self.text()))
    }

    /// Goes to an address.
    #[track_caller]
    pub fn open(&self, address: &str) {
        self.done("POST", "/url", &json!({ "url": address }));
    }

    /// Where it is.
    pub fn address(&self) -> String {
        self.done("GET", "/url", &Value::Null).as_str().unwrap().to_owned()
    }

    /// The element that a CSS selector finds first; waits until it is there.
    #[track_caller]
    pub fn find(&self, selector: &str) -> String {
        let started = Instant::now();
        loop {
            match self.command("POST", "/element", &json!({ "using": "css selector", "value": selector })) {
                Ok(found) => return found[ELEMENT].as_str().unwrap().to_owned(),
                Err(error) if started.elapsed() > PATIENCE => {
                    panic!("no {selector} at {}: {error}\n{}", self.address(), self.text())
                }
                Err(_) => std::thread::sleep(Duration::from_millis(30)),
            }
        }
    }

    /// How many elements a CSS selector finds now.
    pub fn count(&self, selector: &str) -> usize {
        let found = self.done("POST", "/elements", &json!({ "using": "css selector", "value": selector }));
        found.as_array().map_or(0, Vec::len)
    }

    /// Presses what a CSS selector finds.
    #[track_caller]
    pub fn click(&self, selector: &str) {
        let element = self.find(selector);
        self.done("POST", &format!("/element/{element}/click"), &json!({}));
    }

    /// Types into what a CSS selector finds.
    #[track_caller]
    pub fn type_into(&self, selector: &str, text: &str) {
        let element = self.find(selector);
        self.done("POST", &format!("/element/{element}/value"), &json!({ "text": text }));
    }

    /// Presses keys, on whatever has the focus.
    #[track_caller]
    pub fn press(&self, keys: &str) {
        let actions: Vec<_> = keys
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key.to_string() })))
            .collect();
        self.done("POST", "/actions", &json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": actions }] }));
    }

    /// Presses Tab until what has the focus matches a CSS selector.
    #[track_caller]
    pub fn tab_to(&self, selector: &str) {
        for _ in 0..80 {
            if self.run(&format!("return document.activeElement.matches({})", json!(selector))) == true {
                return;
            }
            self.press(TAB);
        }
        panic!("Tab does not lead to {selector} at {}\n{}", self.address(), self.text());
    }

    /// Text of what a CSS selector finds first.
    #[track_caller]
    pub fn text_of(&self, selector: &str) -> String {
        let element = self.find(selector);
        self.done("GET", &format!("/element/{element}/text"), &Value::Null).as_str().unwrap().to_owned()
    }

    /// All text that is to be seen.
    pub fn text(&self) -> String {
        let found = self.command("POST", "/element", &json!({ "using": "css selector", "value": "body" }));
        let Ok(body) = found else { return String::new() };
        let path = format!("/element/{}/text", body[ELEMENT].as_str().unwrap_or_default());
        self.command("GET", &path, &Value::Null)
            .ok()
            .and_then(|text| Some(text.as_str()?.to_owned()))
            .unwrap_or_default()
    }

    /// Waits until a text is to be seen.
    #[track_caller]
    pub fn wait_for(&self, text: &str) {
        let started = Instant::now();
        while !self.text().contains(text) {
            assert!(started.elapsed() < PATIENCE, "no {text:?} at {}:\n{}", self.address(), self.text());
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// Runs a function's body in the page.
    #[track_caller]
    pub fn run(&self, script: &str) -> Value {
        self.done("POST", "/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Runs a function's body in the page, which ends when it calls `done` with a value.
    #[track_caller]
    pub fn run_until_done(&self, script: &str) -> Value {
        let script = format!("const done = arguments[arguments.length - 1]; {script}");
        self.done("POST", "/execute/async", &json!({ "script": script, "args": [] }))
    }

    /// What was copied last.
    #[track_caller]
    pub fn clipboard(&self) -> String {
        self.devtools("Browser.grantPermissions", &json!({ "permissions": ["clipboardReadWrite"] }));
        let text = self.run_until_done("navigator.clipboard.readText().then(done, error => done('no: ' + error))");
        text.as_str().unwrap().to_owned()
    }

    /// Pastes a text into what a CSS selector finds, as people do: from the clipboard, with the keyboard.
    #[track_caller]
    pub fn paste(&self, selector: &str, text: &str) {
        self.devtools("Browser.grantPermissions", &json!({ "permissions": ["clipboardSanitizedWrite"] }));
        // Only who looks at a page has it write there.
        self.devtools("Page.bringToFront", &json!({}));
        self.click(selector);
        let write = format!("navigator.clipboard.writeText({}).then(done, error => done('no: ' + error))", json!(text));
        assert_eq!(self.run_until_done(&write), Value::Null);
        self.type_into(selector, PASTE);
    }

    /// What the page has asked for since [`Self::forget_requests`], as the browser knows it: addresses, one a line.
    #[track_caller]
    pub fn requests(&self) -> String {
        let names = "return performance.getEntriesByType('resource').map(entry => entry.name).join('\\n')";
        self.run(names).as_str().unwrap().to_owned()
    }

    /// Forgets what the page has asked for.
    pub fn forget_requests(&self) {
        self.run("performance.clearResourceTimings()");
    }

    /// The status that the page came with.
    #[track_caller]
    pub fn status(&self) -> u64 {
        self.run("return performance.getEntriesByType('navigation')[0].responseStatus").as_u64().unwrap()
    }

    /// What the page and all that it loaded took on the wire, in bytes, when nothing of it was there before.
    #[track_caller]
    pub fn weight(&self) -> u64 {
        let script = "return [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')] \
            .reduce((sum, entry) => sum + entry.transferSize, 0)";
        self.run(script).as_u64().unwrap()
    }

    /// Forgets style sheets, scripts and all else that it keeps of pages.
    pub fn forget_files(&self) {
        self.devtools("Network.clearBrowserCache", &json!({}));
    }

    /// How much of the page has moved after it was first to be seen: Chromium's layout shift score.
    #[track_caller]
    pub fn jumps(&self) -> f64 {
        let script = "let sum = 0; \
            const add = list => { for (const entry of list.getEntries()) if (!entry.hadRecentInput) sum += entry.value }; \
            new PerformanceObserver(add).observe({ type: 'layout-shift', buffered: true }); \
            setTimeout(() => done(sum), 50)";
        self.run_until_done(script).as_f64().unwrap()
    }

    /// What browsers warned of in the console since this was asked last, and what failed: a line for each. Advice is left out.
    pub fn console(&self) -> Vec<String> {
        let entries = self.done("POST", "/se/log", &json!({ "type": "browser" }));
        let line = |entry: &Value| format!("{} {}", entry["level"], entry["message"]);
        let is_trouble = |entry: &&Value| matches!(entry["level"].as_str(), Some("WARNING" | "SEVERE"));
        entries.as_array().unwrap().iter().filter(is_trouble).map(line).collect()
    }

    /// The cookies that it would send to where it is.
    pub fn cookies(&self) -> Vec<Value> {
        self.done("GET", "/cookie", &Value::Null).as_array().unwrap().clone()
    }

    /// The tab that it is in.
    pub fn tab(&self) -> String {
        self.done("GET", "/window", &Value::Null).as_str().unwrap().to_owned()
    }

    /// Opens another tab, of the same profile, and goes there.
    pub fn new_tab(&self) -> String {
        let tab = self.done("POST", "/window/new", &json!({ "type": "tab" }))["handle"].as_str().unwrap().to_owned();
        self.go_to_tab(&tab);
        tab
    }

    /// Goes to a tab.
    pub fn go_to_tab(&self, tab: &str) {
        self.done("POST", "/window", &json!({ "handle": tab }));
        self.look(LOOKS[0]);
    }

    /// Goes into the first frame of the page.
    pub fn go_into_frame(&self) {
        self.done("POST", "/frame", &json!({ "id": 0 }));
    }

    /// Whether the page asked to alert, which none of ours does: a script of somebody else ran.
    pub fn alerts(&self) -> bool {
        self.command("GET", "/alert/text", &Value::Null).is_ok()
    }

    /// Light or dark, and how large.
    pub fn look(&self, look: Look) {
        let scheme = if look.dark { "dark" } else { "light" };
        // Without motion, so that a picture shows no colour that is halfway to another.
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.devtools("Emulation.setEmulatedMedia", &json!({ "features": features }));
        self.resize(look.width, look.height);
    }

    /// How large the window is.
    pub fn resize(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.devtools("Emulation.setDeviceMetricsOverride", &size);
        // As on machines that show them only while one scrolls.
        self.devtools("Emulation.setScrollbarsHidden", &json!({ "hidden": true }));
    }

    fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.done("POST", "/goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    /// Keeps a picture of the whole page, in a window of this look; of a dialog, what is to be seen.
    pub fn screenshot(&self, look: Look, file: &Path) {
        if self.count("dialog[open]") == 0 {
            let height = self.run("return document.documentElement.scrollHeight").as_u64().unwrap();
            self.resize(look.width, u32::try_from(height).unwrap().max(look.height));
        }
        self.picture(file);
        self.resize(look.width, look.height);
    }

    /// Keeps a picture of what is to be seen.
    pub fn picture(&self, file: &Path) {
        let picture = self.devtools("Page.captureScreenshot", &json!({ "format": "png" }));
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, STANDARD.decode(picture["data"].as_str().unwrap()).unwrap()).unwrap();
    }

    /// What axe-core finds wrong with the page, by all of its rules or by these: a line for each.
    #[track_caller]
    pub fn violations(&self, rules: Option<&[&str]>) -> Vec<String> {
        if self.run("return typeof window.axe") == "undefined" {
            self.run(&format!("{}; return true", self.axe));
        }
        let mut options = json!({ "resultTypes": ["violations"] });
        if let Some(rules) = rules {
            options["runOnly"] = json!(rules);
        }
        let found = self.run_until_done(&format!(
            "axe.run(document, {options}).then(found => done(found), error => done({{ violations: [{{ id: String(error), nodes: [] }}] }}))"
        ));
        // It looked: a page on which no rule applied would have none broken either.
        let count = |what: &str| found[what].as_array().map_or(0, Vec::len);
        assert!(count("violations") + count("passes") > 0, "axe-core looked at nothing");
        let line = |violation: &Value| {
            let nodes: Vec<_> =
                violation["nodes"].as_array().unwrap().iter().map(|node| node["html"].to_string()).collect();
            format!("{}: {} {}", violation["id"], violation["help"], nodes.join(" "))
        };
        found["violations"].as_array().unwrap().iter().map(line).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.command("DELETE", "", &Value::Null);
    }
}
