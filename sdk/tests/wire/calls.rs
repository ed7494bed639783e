//! Every call of the client, each with everything that can be said in it.

use super::{ID, VERSION};
use keyplane_sdk::{
    Access, AccountStatus, Client, CreateAccount, CreateKey, CreatePersonalToken, CreateProject, CreateUser,
    Environment, Error, Identity, ListAccounts, ListAdminKeys, ListAudit, ListKeys, ListPersonalTokens, ListProjects,
    ListProxyTokens, ListUsage, ListUsers, Metadata, Prefixes, RevokeKey, Role, RotateKey, UpdateAccount, UpdateKey,
    UpdateProject, UpdateUser, Version, Versioned,
};
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt::Debug;
use std::time::Duration;

/// What a call gave.
pub struct Told {
    /// The operation that it should have been.
    pub operation: &'static str,
    /// The answer, written as JSON again; `None` after an error.
    pub json: Option<Value>,
    /// What `Debug` shows of the answer or the error, and `Display` of the error.
    pub shown: String,
}

fn told<T: Debug>(operation: &'static str, result: Result<T, Error>, json: impl FnOnce(&T) -> Value) -> Told {
    match result {
        Ok(answer) => Told { operation, json: Some(json(&answer)), shown: format!("{answer:?} {answer:#?}") },
        Err(error) => Told { operation, json: None, shown: format!("{error} {error:?} {error:#?}") },
    }
}

fn plain(answer: &impl Serialize) -> Value {
    serde_json::to_value(answer).unwrap()
}

/// What was read with its version, which is the one that the server told.
fn versioned<T: Serialize>(read: &Versioned<T>) -> Value {
    assert_eq!(read.version.as_str(), VERSION);
    plain(&read.object)
}

/// What was created is never written as JSON by itself, because of the secret.
fn with_secret(object: &impl Serialize, secret: &keyplane_sdk::ApiKey) -> Value {
    let mut json = plain(object);
    json["key"] = secret.expose().into();
    json
}

fn id<T: std::str::FromStr<Err: Debug>>() -> T {
    ID.parse().unwrap()
}

#[expect(clippy::too_many_lines, reason = "one line or two per operation; apart they would say no more")]
pub async fn all(client: &Client) -> Vec<Told> {
    let time = "2030-01-02T03:04:05.678Z".parse().unwrap();
    let metadata: Metadata = json!({"team": "delivery"}).as_object().unwrap().clone();
    let (wait, prefixes) = (Duration::from_millis(1500), Prefixes::new("uk_live", "uk_test"));
    let identity = Identity::new("https://issuer.example", "user_1");
    let version: Version = VERSION.parse().unwrap();
    let change = UpdateKey::new()
        .name("ci")
        .enabled(true)
        .scopes(["a"])
        .allowed_cidrs(["10.0.0.0/8"])
        .expires_at(time)
        .metadata(metadata)
        .if_version(&version)
        .wait(wait);
    let end = RevokeKey::new().reason("lost").if_version(&version).wait(wait);
    let (accounts, projects, keys) = (client.accounts(), client.projects(), client.keys());
    let (users, tokens) = (client.users(), client.personal_access_tokens());
    let (admin_keys, proxy_tokens) = (client.admin_keys(), client.proxy_tokens());

    let new_account = CreateAccount::new("Example").plan("pro").external_id("org_1");
    let account = UpdateAccount::new()
        .name("Example")
        .plan("pro")
        .status(AccountStatus::Active)
        .external_id("org_1")
        .if_version(&version)
        .wait(wait);
    let new_project = CreateProject::new(id(), "Uploads", prefixes.clone());
    let project = UpdateProject::new().name("Uploads").prefixes(prefixes).if_version(&version);
    let new_key = CreateKey::new(id(), Environment::Live, "ci")
        .scope("a")
        .allowed_cidrs(["10.0.0.0/8"])
        .expires_at(time)
        .metadata("team", "delivery");
    let new_user = CreateUser::new(id(), "ada@example.com", "Ada").role(Role::Admin).identity(identity.clone());
    let user = UpdateUser::new().email("ada@example.com").name("Ada").role(Role::Admin).identity(identity);
    let user = user.if_version(&version);
    let new_token = CreatePersonalToken::new("laptop")
        .user(id())
        .scopes(["a"])
        .allowed_cidrs(["10.0.0.0/8"])
        .expires_at(time)
        .metadata("team", "delivery");
    let audit = ListAudit::new()
        .object(ID)
        .object_kind("key")
        .actor(ID)
        .actor_kind("user")
        .action("key.revoke")
        .account(id())
        .from(time)
        .to(time)
        .limit(7)
        .cursor("c");
    let usage = ListUsage::new()
        .group_by(["key"])
        .from(time)
        .to(time)
        .account(id())
        .project(id())
        .key(id())
        .environment(Environment::Test)
        .limit(7)
        .cursor("c");

    // Both cannot be asked of a real server at once; what is held here is that each can be said.
    let rotation = RotateKey::new().grace_seconds(60).retire_when_idle_hours(48).wait(wait);
    vec![
        told("list_accounts", accounts.list(ListAccounts::new().limit(7).cursor("c")).await, plain),
        told("create_account", accounts.create(&new_account).await, plain),
        told("get_account", accounts.get(id()).await, plain),
        told("get_account", accounts.get_versioned(id()).await, versioned),
        told("update_account", accounts.update(id(), &account).await, plain),
        told("list_projects", projects.list(ListProjects::new().account(id()).limit(7).cursor("c")).await, plain),
        told("create_project", projects.create(&new_project).await, plain),
        told("get_project", projects.get(id()).await, plain),
        told("get_project", projects.get_versioned(id()).await, versioned),
        told("update_project", projects.update(id(), &project).await, plain),
        told(
            "list_keys",
            keys.list(ListKeys::new().project(id()).environment(Environment::Live).limit(7).cursor("c")).await,
            plain,
        ),
        told("create_key", keys.create(&new_key).await, |made| with_secret(&made.key, &made.secret)),
        told("get_key", keys.get(id()).await, plain),
        told("get_key", keys.get_versioned(id()).await, versioned),
        told("update_key", keys.update(id(), &change).await, plain),
        told("rotate_key", keys.rotate(id(), &rotation).await, |made| {
            let mut json = with_secret(&made.key, &made.secret);
            json["replaces"] = plain(&made.replaces);
            json["grace_ends_at"] = plain(&made.grace_ends_at);
            json
        }),
        told("list_key_sources", keys.sources(id()).await, |sources| json!({ "data": sources })),
        told("revoke_key", keys.revoke_with(id(), &end).await, plain),
        told("list_users", users.list(ListUsers::new().account(id()).limit(7).cursor("c")).await, plain),
        told("create_user", users.create(&new_user).await, plain),
        told("get_user", users.get(id()).await, plain),
        told("get_user", users.get_versioned(id()).await, versioned),
        told("update_user", users.update(id(), &user).await, plain),
        told("remove_user", users.remove_and_wait(id(), wait).await, plain),
        told(
            "list_personal_access_tokens",
            tokens.list(ListPersonalTokens::new().user(id()).limit(7).cursor("c")).await,
            plain,
        ),
        told("create_personal_access_token", tokens.create(&new_token).await, |made| {
            with_secret(&made.token, &made.secret)
        }),
        told("get_personal_access_token", tokens.get(id()).await, plain),
        told("get_personal_access_token", tokens.get_versioned(id()).await, versioned),
        told("update_personal_access_token", tokens.update(id(), &change).await, plain),
        told("revoke_personal_access_token", tokens.revoke_with(id(), &end).await, plain),
        told("list_admin_keys", admin_keys.list(ListAdminKeys::new().limit(7).cursor("c")).await, plain),
        told("create_admin_key", admin_keys.create("ops", Access::Read).await, |made| {
            with_secret(&made.key, &made.secret)
        }),
        told("get_admin_key", admin_keys.get(id()).await, plain),
        told("get_admin_key", admin_keys.get_versioned(id()).await, versioned),
        told("update_admin_key", admin_keys.rename_if(id(), "ops", &version).await, plain),
        told("revoke_admin_key", admin_keys.revoke_if(id(), &version).await, plain),
        told("list_proxy_tokens", proxy_tokens.list(ListProxyTokens::new().limit(7).cursor("c")).await, plain),
        told("create_proxy_token", proxy_tokens.create("edge").await, |made| with_secret(&made.token, &made.secret)),
        told("get_proxy_token", proxy_tokens.get(id()).await, plain),
        told("get_proxy_token", proxy_tokens.get_versioned(id()).await, versioned),
        told("update_proxy_token", proxy_tokens.rename_if(id(), "edge", &version).await, plain),
        told("revoke_proxy_token", proxy_tokens.revoke_if(id(), &version).await, plain),
        told("list_proxies", client.proxies().list().await, plain),
        told("get_usage", client.usage().list(usage).await, plain),
        told("list_audit", client.audit().list(audit).await, plain),
        told("me", client.me().await, plain),
    ]
}
