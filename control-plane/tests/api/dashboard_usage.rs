//! The dashboard: usage as plots and tables of the same numbers.

use crate::dashboard::{Browser, person};
use crate::support::{ControlPlane, START, text};
use crate::usage::{Counts, WORKER, batch, send};
use axum::http::StatusCode;
use keyplane_contract::code::Reason;
use keyplane_contract::id::Id;

const NOW: u64 = START.unsigned_abs();
const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;

struct World {
    plane: ControlPlane,
    account: String,
    path: String,
    /// A live and a test key of one project, and a live one of another.
    keys: [String; 3],
    second: String,
}

impl World {
    async fn new() -> Self {
        let plane = ControlPlane::start().await;
        let (account, project) = plane.project().await;
        let prefixes = serde_json::json!({ "live": "b_live", "test": "b_test" });
        let body = serde_json::json!({ "account_id": account, "name": "<b>Second</b>", "prefixes": prefixes });
        let second = text(&plane.post("/v1/projects", body).await.json(), "id");
        let key = async |project: &str, environment: &str, name: &str| {
            text(&plane.key(project, environment, name).await, "id")
        };
        let keys = [
            key(&project, "live", "<script>Server").await,
            key(&project, "test", "Laptop").await,
            key(&second, "live", "Batch").await,
        ];
        let path = format!("/accounts/{account}/usage");
        Self { plane, account, path, keys, second }
    }

    async fn used(&self) {
        let id = |key: usize| Id::parse(self.keys[key].as_bytes()).unwrap();
        let many: Counts = &[(Reason::Allowed, 12_345)];
        let mixed: Counts = &[(Reason::Allowed, 5), (Reason::Expired, 20), (Reason::Network, 1)];
        let early: Counts = &[(Reason::Allowed, 777)];
        let records = [
            (id(0), NOW - 2 * DAY, many),
            (id(0), NOW - HOUR, mixed),
            (id(1), NOW - HOUR, mixed),
            (id(2), NOW - 40 * DAY, early),
        ];
        assert_eq!(send(&self.plane, batch(WORKER, 1, &records)).await.status, StatusCode::NO_CONTENT);
    }

    async fn page(&self, query: &str) -> String {
        let browser = Browser::signed_in(&self.plane, self.plane.admin.expose()).await;
        browser.get(&format!("{}?{query}", self.path)).await.page(200)
    }
}

/// The numbers of the table over time: by row, what it is called, allowed and refused.
fn figures(page: &str) -> Vec<(String, String, String)> {
    let table = page.split("<table class=\"figures\">").nth(1).unwrap_or_else(|| panic!("no table: {page}"));
    let table = table.split("</table>").next().unwrap();
    let body = table.split("<tbody>").nth(1).unwrap();
    let words = |row: &str| -> Vec<String> {
        let texts = row.split('<').filter_map(|part| part.split_once('>').map(|(_, text)| text.trim().to_owned()));
        texts.filter(|text| !text.is_empty()).collect()
    };
    let rows = body.split("<tr>").skip(1).map(words);
    rows.map(|row| (row[0].clone(), row[1].clone(), row[2].clone())).collect()
}

fn row(name: &str, allowed: &str, refused: &str) -> (String, String, String) {
    (name.to_owned(), allowed.to_owned(), refused.to_owned())
}

#[tokio::test]
async fn each_day_is_in_the_plots_and_in_the_table_beside_them() {
    let world = World::new().await;
    world.used().await;
    let page = world.page("").await;
    let figures_ = figures(&page);
    assert_eq!(figures_.len(), 30, "each day of the range");
    assert_eq!(figures_[0], row("1 Jan", "0", "0"), "the running day comes first");
    assert_eq!(figures_[1], row("31 Dec", "10", "42"));
    assert_eq!(figures_[2], row("30 Dec", "12,345", "0"));
    // The same in the pictures: a bar for each day with requests, and words for who does not see them.
    assert_eq!(page.matches("<rect").count(), 3, "{page}");
    assert!(page.contains("<title>31 Dec: 42</title>") && page.contains("<title>30 Dec: 12,345</title>"), "{page}");
    assert!(page.contains("12,355 from 3 Dec to 1 Jan, the most, 12,345, at 30 Dec."), "{page}");
    assert!(page.contains("role=\"img\" aria-labelledby=\"allowed-title allowed-desc\""), "{page}");
    assert!(page.contains("Requests each day, UTC") && page.contains("<span>20,000</span>"), "axes and units: {page}");
    assert!(!page.contains(" style="), "{page}");
    // And why.
    assert!(
        page.contains("Expired") && page.contains("Edit its end") && page.contains("Address not allowed"),
        "{page}"
    );
}

#[tokio::test]
async fn it_goes_by_the_hour_where_hours_can_be_told_apart() {
    let world = World::new().await;
    world.used().await;
    let page = world.page("range=24h").await;
    let hours = figures(&page);
    assert_eq!(hours.len(), 24);
    assert_eq!((&hours[0], &hours[1]), (&row("1 Jan, 00:00", "0", "0"), &row("31 Dec, 23:00", "10", "42")));
    assert!(!page.contains("12,345"), "{page}");
    assert_eq!(figures(&world.page("range=7d&by=hour").await).len(), 7 * 24);
    assert_eq!(figures(&world.page("range=7d").await).len(), 7);
    assert_eq!(figures(&world.page("range=90d&by=hour").await).len(), 90);
    assert_eq!(figures(&world.page("range=no&by=no&group=no&project=no&key=no&environment=no").await).len(), 30);
}

#[tokio::test]
async fn it_narrows_to_a_key_a_project_and_an_environment_and_tells_them_apart() {
    let world = World::new().await;
    world.used().await;
    let sums = |page: &str| -> Vec<_> {
        page.split("class=\"total\">").skip(1).map(|part| part.split('<').next().unwrap().to_owned()).collect()
    };
    assert_eq!(sums(&world.page("").await), ["12,355", "42"]);
    assert_eq!(sums(&world.page("range=90d").await), ["13,132", "42"]);
    assert_eq!(sums(&world.page(&format!("key={}", world.keys[1])).await), ["5", "21"]);
    assert_eq!(sums(&world.page(&format!("range=90d&project={}", world.second)).await), ["777", "0"]);
    assert_eq!(sums(&world.page("environment=test").await), ["5", "21"]);
    let page = world.page("group=key").await;
    let (server, laptop) = (page.find("&lt;script&gt;Server").unwrap(), page.find("Laptop").unwrap());
    assert!(server < laptop && !page.contains("Batch"), "the most first: {page}");
    assert!(page.contains(&format!("{}?key={}&amp;group=key", world.path, world.keys[1])), "{page}");
    assert!(world.page("range=90d&group=project").await.contains("&lt;b&gt;Second&lt;/b&gt;"));
    let page = world.page("group=environment").await;
    assert!(page.contains("Live") && page.contains("Test"), "{page}");
    // By key hours are not told apart, and the page says what it adds up instead.
    assert!(
        world.page("range=24h&group=key").await.contains("whole days are added up, here since the begin of 31 Dec")
    );
    assert!(world.page(&format!("key={}", world.keys[2])).await.contains("No requests like that"));
}

#[tokio::test]
async fn without_requests_it_says_where_they_come_from_and_others_stay_unseen() {
    let world = World::new().await;
    assert!(world.page("").await.contains("No requests yet"));
    world.used().await;
    let (other, project) = world.plane.project().await;
    let foreign = text(&world.plane.key(&project, "live", "Foreign").await, "id");
    let (token, _) = person(&world.plane, &world.account, "ada", "member").await;
    let ada = Browser::signed_in(&world.plane, &token).await;
    assert!(ada.get(&world.path).await.page(200).contains("12,345"));
    ada.get(&format!("/accounts/{other}/usage")).await.page(404);
    ada.get(&format!("{}?key={foreign}", world.path)).await.page(404);
    ada.get(&format!("{}?project={project}", world.path)).await.page(404);
    // The operator sees both, each on its own account's page.
    let browser = Browser::signed_in(&world.plane, world.plane.admin.expose()).await;
    browser.get(&format!("{}?key={foreign}", world.path)).await.page(404);
    assert!(browser.get(&format!("/accounts/{other}/usage")).await.page(200).contains("No requests yet"));
}
