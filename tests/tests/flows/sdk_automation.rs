//! All that an automator does with the SDK, against the real control plane: what the wire tests hold against the API's
//! document is done here, and what is said to be done is so.

use super::fixture::{Flow, PATH, eventually};
use futures_util::TryStreamExt as _;
use keyplane_sdk::{
    Access, AccountStatus, ApiKey, Client, CreateAccount, CreateKey, CreatePersonalToken, CreateProject, CreateUser,
    Environment, Error, Identity, Key, KeyStatus, ListAccounts, ListAdminKeys, ListAudit, ListKeys, ListPersonalTokens,
    ListProjects, ListProxyTokens, ListUsage, ListUsers, Me, Metadata, Prefixes, Project, RevokeKey, Role, RotateKey,
    UpdateAccount, UpdateKey, UpdateProject, UpdateUser, Versioned,
};
use secrecy::ExposeSecret;
use std::time::Duration;

/// Far above what a proxy takes; nothing here measures speed.
const WAIT: Duration = Duration::from_secs(20);
/// Enough requests, each on a connection of its own, to meet both workers.
const MANY: usize = 12;

/// A flow, a client with its admin key, and a project of the client's own.
async fn start() -> (Flow, Client, Project) {
    let flow = tokio::task::spawn_blocking(Flow::start).await.unwrap();
    let admin = ApiKey::parse(flow.stack.control_plane.admin_key().expose_secret()).unwrap();
    let client = with_key(&flow, admin);
    let account = client.accounts().create(&CreateAccount::new("Automated")).await.unwrap();
    let prefixes = Prefixes::new("au_live", "au_test");
    let project = client.projects().create(&CreateProject::new(account.id, "Robots", prefixes)).await.unwrap();
    (flow, client, project)
}

fn with_key(flow: &Flow, key: ApiKey) -> Client {
    Client::builder().base_url(flow.stack.control_plane.client().base()).credential(key).build().unwrap()
}

fn statuses(flow: &Flow, key: &ApiKey) -> Vec<u16> {
    let ask = |_| flow.proxy().get(PATH, &[("x-api-key", key.expose())]).unwrap().status;
    tokio::task::block_in_place(|| (0..MANY).map(ask).collect())
}

fn all(flow: &Flow, key: &ApiKey, status: u16) -> bool {
    statuses(flow, key).iter().all(|found| *found == status)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_with_a_receipt_holds_at_every_worker_when_it_is_answered() {
    let (flow, client, project) = start().await;
    let created = client.keys().create(&CreateKey::new(project.id, Environment::Live, "robot")).await.unwrap();
    let (id, secret) = (created.key.id, created.secret);
    eventually("the key works", || all(&flow, &secret, 200));

    let change = |change: UpdateKey| {
        let client = client.clone();
        async move { client.keys().update(id, &change.wait(WAIT)).await.unwrap() }
    };
    let off = change(UpdateKey::new().enabled(false)).await;
    assert!(off.receipt.as_ref().is_some_and(|receipt| receipt.is_complete() && receipt.proxies == 1), "{off:?}");
    assert_eq!((off.status, statuses(&flow, &secret)), (KeyStatus::Disabled, vec![401; MANY]));
    let elsewhere = change(UpdateKey::new().enabled(true).allowed_cidrs(["203.0.113.0/24"])).await;
    assert_eq!((elsewhere.status, statuses(&flow, &secret)), (KeyStatus::Active, vec![403; MANY]));
    change(UpdateKey::new().allowed_cidrs([""; 0])).await;
    assert_eq!(statuses(&flow, &secret), vec![200; MANY]);

    // Without a grace the old key ends with the rotation.
    let rotated = client.keys().rotate(id, &RotateKey::new().grace_seconds(0).wait(WAIT)).await.unwrap();
    assert_eq!((rotated.replaces.id, rotated.replaces.replaced_by), (id, Some(rotated.key.id)));
    assert!(rotated.key.receipt.as_ref().is_some_and(keyplane_sdk::Receipt::is_complete), "{rotated:?}");
    assert_eq!((statuses(&flow, &rotated.secret), statuses(&flow, &secret)), (vec![200; MANY], vec![401; MANY]));
    let sources = client.keys().sources(id).await.unwrap();
    assert!(sources.iter().all(|source| source.count > 0), "{sources:?}");

    let receipt = client.keys().revoke_and_wait(rotated.key.id, WAIT).await.unwrap();
    assert!(receipt.is_complete() && receipt.lagging.as_deref() == Some(&[]), "{receipt:?}");
    assert_eq!(statuses(&flow, &rotated.secret), vec![401; MANY]);

    let proxies = client.proxies().list().await.unwrap();
    assert!(proxies.revision >= receipt.revision && proxies.data.len() == 1, "{proxies:?}");
    assert!(proxies.data[0].revision >= Some(receipt.revision) && proxies.data[0].workers.len() >= 2, "{proxies:?}");

    let used = || async {
        let rows =
            client.usage().all(ListUsage::new().key(id).group_by(["key"])).try_collect::<Vec<_>>().await.unwrap();
        rows.first().map_or((0, 0), |row| (row.allowed, row.refused))
    };
    let mut found = used().await;
    for _ in 0..200 {
        if found.0 >= MANY as u64 && found.1 >= 2 * MANY as u64 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        found = used().await;
    }
    assert!(found.0 >= MANY as u64 && found.1 >= 2 * MANY as u64, "not all uses were counted: {found:?}");
    tokio::task::block_in_place(|| drop(flow));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_kept_edited_and_read_back_with_all_that_was_said_of_them() {
    let (flow, client, project) = start().await;
    let end = "2099-01-02T03:04:05.678Z".parse().unwrap();
    let new = CreateKey::new(project.id, Environment::Test, "robot")
        .scopes(["files:read", "files:write"])
        .allowed_cidrs(["10.0.0.0/8", "2001:db8::/32"])
        .expires_at(end)
        .metadata("team", "delivery")
        .metadata("floor", 3);
    let created = client.keys().create(&new).await.unwrap();
    let key = client.keys().get(created.key.id).await.unwrap();
    assert_eq!(key, created.key);
    assert_eq!((key.environment, key.expires_at, key.scopes.len()), (Environment::Test, Some(end), 2));
    assert_eq!(key.allowed_cidrs, ["10.0.0.0/8", "2001:db8::/32"]);
    assert_eq!((key.metadata["team"].as_str(), key.metadata["floor"].as_u64()), (Some("delivery"), Some(3)));

    let change = UpdateKey::new().name("robot 2").never_expires().scopes(["files:read"]).metadata(Metadata::new());
    let edited = client.keys().update(key.id, &change).await.unwrap();
    assert_eq!((edited.name.as_str(), edited.expires_at, edited.metadata.len()), ("robot 2", None, 0));
    assert_eq!((edited.scopes, edited.allowed_cidrs.len()), (vec!["files:read".to_owned()], 2));
    let revoked = client.keys().revoke_because(key.id, "laptop lost").await.unwrap();
    assert!(revoked.revoked_at.is_some() && revoked.revoke_reason.as_deref() == Some("laptop lost"));

    let list = ListKeys::new().project(project.id).environment(Environment::Test);
    let listed: Vec<_> = client.keys().all(list).try_collect().await.unwrap();
    assert_eq!(listed, [revoked]);
    let done: Vec<_> = client.audit().all(ListAudit::new().object(key.id.to_string())).try_collect().await.unwrap();
    let actions: Vec<_> = done.iter().map(|entry| entry.action.as_str()).collect();
    // One entry for each kind of change, also where one call made them.
    assert_eq!((actions[0], actions[actions.len() - 1]), ("key.revoke", "key.create"));
    assert!(actions.contains(&"key.rename") && actions.contains(&"key.update"), "{actions:?}");

    // Two edit at once: the second one is told, and goes on with what the first one made of it.
    let other = client.keys().create(&CreateKey::new(project.id, Environment::Live, "shared")).await.unwrap().key;
    let (ours, theirs) = (client.keys().get_versioned(other.id).await, client.keys().get_versioned(other.id).await);
    let (ours, theirs) = (ours.unwrap(), theirs.unwrap());
    assert_eq!(ours, theirs);
    let adds = |scope: &str, read: &Versioned<Key>| {
        let scopes = read.object.scopes.iter().cloned().chain([scope.to_owned()]);
        UpdateKey::new().scopes(scopes).if_version(&read.version)
    };
    client.keys().update(other.id, &adds("a", &ours)).await.unwrap();
    let error = client.keys().update(other.id, &adds("b", &theirs)).await.unwrap_err();
    assert!(matches!(&error, Error::Changed(_)) && error.code() == Some("precondition_failed"), "{error}");
    let end = RevokeKey::new().if_version(&theirs.version);
    assert!(matches!(client.keys().revoke_with(other.id, &end).await, Err(Error::Changed(_))));
    let again = client.keys().get_versioned(other.id).await.unwrap();
    assert_eq!(client.keys().update(other.id, &adds("b", &again)).await.unwrap().scopes, ["a", "b"]);

    // A refusal says which field, by the code that programs compare.
    let wrong = CreateKey::new(project.id, Environment::Live, "").scope("NO");
    let error = client.keys().create(&wrong).await.unwrap_err();
    let fields: Vec<_> = error.field_errors().iter().map(|error| error.field.as_str()).collect();
    assert!(fields.contains(&"name") && fields.iter().any(|field| field.starts_with("scopes")), "{error}");
    assert!(error.status() == Some(422) && error.code().is_some() && error.request_id().is_some(), "{error}");
    tokio::task::block_in_place(|| drop(flow));
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_projects_people_and_their_tokens_are_kept() {
    let (flow, client, project) = start().await;
    let (accounts, projects, users) = (client.accounts(), client.projects(), client.users());
    let id = project.account_id;
    let account = accounts.update(id, &UpdateAccount::new().name("Robots Ltd").external_id("org_1")).await.unwrap();
    assert_eq!((account.name.as_str(), account.external_id.as_deref()), ("Robots Ltd", Some("org_1")));
    let read = accounts.get_versioned(id).await.unwrap();
    let account = accounts.update(id, &UpdateAccount::new().no_external_id().if_version(&read.version)).await.unwrap();
    let late = UpdateAccount::new().status(AccountStatus::Suspended).if_version(&read.version);
    assert!(matches!(accounts.update(id, &late).await, Err(Error::Changed(_))));
    assert_eq!((account.external_id.as_ref(), accounts.get(id).await.unwrap()), (None, account.clone()));
    let listed: Vec<_> = accounts.all(ListAccounts::new().limit(1)).try_collect().await.unwrap();
    assert!(listed.len() == 2 && listed.contains(&account), "{listed:?}");

    let read = projects.get_versioned(project.id).await.unwrap().version;
    let change = UpdateProject::new().name("Androids").prefixes(Prefixes::new("an_live", "an_test"));
    let edited = projects.update(project.id, &change.if_version(&read)).await.unwrap();
    let late = UpdateProject::new().name("Robots again").if_version(&read);
    assert!(matches!(projects.update(project.id, &late).await, Err(Error::Changed(_))));
    assert_eq!((edited.name.as_str(), edited.prefixes.live.as_str()), ("Androids", "an_live"));
    let listed: Vec<_> = projects.all(ListProjects::new().account(id)).try_collect().await.unwrap();
    assert_eq!(listed, [edited]);

    let identity = Identity::new("https://issuer.example", "user_1");
    let new = CreateUser::new(id, "ada@example.com", "Ada").role(Role::Owner).identity(identity.clone());
    let ada = users.create(&new).await.unwrap();
    assert_eq!((ada.role, ada.identity.as_ref()), (Role::Owner, Some(&identity)));
    let read = users.get_versioned(ada.id).await.unwrap().version;
    let change = UpdateUser::new().name("Ada L.").role(Role::Admin).no_identity();
    let ada = users.update(ada.id, &change.clone().if_version(&read)).await.unwrap();
    assert!(matches!(users.update(ada.id, &change.if_version(&read)).await, Err(Error::Changed(_))));
    assert_eq!((ada.role, ada.identity.as_ref(), ada.name.as_str()), (Role::Admin, None, "Ada L."));
    let listed: Vec<_> = users.all(ListUsers::new().account(id)).try_collect().await.unwrap();
    assert_eq!((&listed[..], users.get(ada.id).await.unwrap()), (&[ada.clone()][..], ada.clone()));

    // A person's token calls as that person, behind the proxy too, until it is revoked everywhere.
    let tokens = client.personal_access_tokens();
    let created =
        tokens.create(&CreatePersonalToken::new("laptop").user(ada.id).metadata("os", "linux")).await.unwrap();
    let own = with_key(&flow, created.secret.clone());
    assert_eq!(own.me().await.unwrap(), Me::User(Box::new(ada.clone())));
    assert!(matches!(client.me().await.unwrap(), Me::AdminKey(key) if key.access == Access::Write));
    eventually("the token works", || all(&flow, &created.secret, 200));
    let read = tokens.get_versioned(created.token.id).await.unwrap().version;
    let change = UpdateKey::new().name("desk").wait(WAIT).if_version(&read);
    let edited = tokens.update(created.token.id, &change).await.unwrap();
    assert!(matches!(tokens.update(created.token.id, &change).await, Err(Error::Changed(_))));
    assert!(edited.name == "desk" && edited.receipt.is_some_and(|receipt| receipt.is_complete()));
    assert_eq!(tokens.get(created.token.id).await.unwrap().metadata["os"], "linux");
    let listed: Vec<_> = tokens.all(ListPersonalTokens::new().user(ada.id)).try_collect().await.unwrap();
    assert_eq!(listed.len(), 1);
    let end = RevokeKey::new().reason("lost").wait(WAIT);
    let revoked = tokens.revoke_with(created.token.id, &end).await.unwrap();
    assert!(revoked.revoke_reason.as_deref() == Some("lost") && revoked.revoked_at.is_some(), "{revoked:?}");
    assert!(revoked.receipt.is_some_and(|receipt| receipt.is_complete()));
    assert_eq!(statuses(&flow, &created.secret), vec![401; MANY]);

    let removed = users.remove_and_wait(ada.id, WAIT).await.unwrap();
    assert!(removed.receipt.is_some_and(|receipt| receipt.is_complete()));
    assert_eq!(users.get(ada.id).await.unwrap_err().status(), Some(404));

    let key = client.keys().create(&CreateKey::new(project.id, Environment::Live, "robot")).await.unwrap();
    eventually("the key works", || all(&flow, &key.secret, 200));
    let close = UpdateAccount::new().status(AccountStatus::Suspended).wait(WAIT);
    let closed = accounts.update(id, &close).await.unwrap();
    assert_eq!(closed.status, AccountStatus::Suspended);
    assert!(closed.receipt.is_some_and(|receipt| receipt.is_complete()));
    assert!(!statuses(&flow, &key.secret).contains(&200));
    tokio::task::block_in_place(|| drop(flow));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_own_credentials_are_issued_and_revoked() {
    let (flow, client, project) = start().await;
    let admin_keys = client.admin_keys();
    let reader = admin_keys.create("dashboard", Access::Read).await.unwrap();
    let read_only = with_key(&flow, reader.secret.clone());
    let key = CreateKey::new(project.id, Environment::Live, "no");
    assert_eq!(read_only.keys().create(&key).await.unwrap_err().status(), Some(403));
    let read = admin_keys.get_versioned(reader.key.id).await.unwrap();
    assert_eq!(admin_keys.rename(reader.key.id, "wall").await.unwrap().name, "wall");
    assert!(matches!(admin_keys.rename_if(reader.key.id, "desk", &read.version).await, Err(Error::Changed(_))));
    assert!(matches!(admin_keys.revoke_if(reader.key.id, &read.version).await, Err(Error::Changed(_))));
    let listed: Vec<_> = admin_keys.all(ListAdminKeys::new()).try_collect().await.unwrap();
    assert!(listed.iter().any(|key| key.id == reader.key.id && key.name == "wall"), "{listed:?}");
    assert!(admin_keys.revoke(reader.key.id).await.unwrap().revoked_at.is_some());
    assert!(admin_keys.get(reader.key.id).await.unwrap().revoked_at.is_some());
    let error = read_only.me().await.unwrap_err();
    assert!(matches!(&error, Error::Api(_)) && error.status() == Some(401), "{error}");

    let proxy_tokens = client.proxy_tokens();
    let next = proxy_tokens.create("edge, next").await.unwrap();
    let read = proxy_tokens.get_versioned(next.token.id).await.unwrap();
    let renamed = proxy_tokens.rename_if(next.token.id, "edge 2", &read.version).await.unwrap();
    assert_eq!(renamed.name, "edge 2");
    assert!(matches!(proxy_tokens.revoke_if(next.token.id, &read.version).await, Err(Error::Changed(_))));
    assert_eq!(proxy_tokens.get(next.token.id).await.unwrap().revoked_at, None);
    assert!(proxy_tokens.revoke(next.token.id).await.unwrap().revoked_at.is_some());
    let listed: Vec<_> = proxy_tokens.all(ListProxyTokens::new()).try_collect().await.unwrap();
    assert!(listed.iter().any(|token| token.id == next.token.id), "{listed:?}");
    tokio::task::block_in_place(|| drop(flow));
}
