//! The SDK against the real control plane, and its keys through the real Envoy.

use super::fixture::{Flow, PATH, eventually};
use keyplane_sdk::{
    ApiKey, Client, CreateAccount, CreateKey, CreateProject, Environment, Error, KeyStatus, ListKeys, Prefixes,
};
use secrecy::ExposeSecret;

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_created_listed_renamed_and_revoked_from_rust() {
    let flow = tokio::task::spawn_blocking(Flow::start).await.unwrap();
    let api = flow.stack.control_plane.client();
    let admin = ApiKey::parse(flow.stack.control_plane.admin_key().expose_secret()).unwrap();
    let client = Client::builder().base_url(api.base()).credential(admin).build().unwrap();

    let account = client.accounts().create(&CreateAccount::new("Rust")).await.unwrap();
    let prefixes = Prefixes::new("rs_live", "rs_test");
    let project = client.projects().create(&CreateProject::new(account.id, "SDK", prefixes)).await.unwrap();
    let mut created = Vec::new();
    for number in 0..5 {
        let key = CreateKey::new(project.id, Environment::Live, format!("key {number}"));
        created.push(client.keys().create(&key).await.unwrap());
    }
    // Pages of two: the pager goes on over three of them, newest first.
    let mut pager = client.keys().all(ListKeys::new().project(project.id).limit(2));
    let mut names = Vec::new();
    while let Some(key) = pager.next().await.unwrap() {
        names.push(key.name);
    }
    assert_eq!(names, ["key 4", "key 3", "key 2", "key 1", "key 0"]);

    let first = created.remove(0);
    let secret = ApiKey::parse(first.secret.expose()).unwrap().expect_prefix("rs_live").unwrap();
    assert_eq!(secret.mask(), first.key.key_prefix);
    let call = || flow.proxy().get(PATH, &[("x-api-key", secret.expose())]).unwrap().status;
    tokio::task::block_in_place(|| eventually("the key works", || call() == 200));

    assert_eq!(client.keys().rename(first.key.id, "renamed").await.unwrap().name, "renamed");
    let revoked = client.keys().revoke(first.key.id).await.unwrap();
    assert_eq!((revoked.name.as_str(), revoked.status), ("renamed", KeyStatus::Revoked));
    assert_eq!(client.keys().get(first.key.id).await.unwrap().status, KeyStatus::Revoked);
    tokio::task::block_in_place(|| eventually("the revoked key is refused", || (0..12).all(|_| call() == 401)));

    let unknown = client.keys().get("01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap()).await.unwrap_err();
    assert!(matches!(&unknown, Error::Api(_)) && unknown.status() == Some(404), "{unknown}");
    tokio::task::block_in_place(|| drop(flow));
}
