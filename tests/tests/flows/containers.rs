//! What docs/packaging.md says of Docker and systemd, its commands as they stand there, with the packed program in real containers: podman under the
//! name of Docker, and a machine that systemd runs.
//!
//! `cargo xtask test` runs these apart, and says so where a machine cannot start containers.

use super::fixture::{WORKERS, eventually, parts, project};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use xtask::containers::{self, Containers, Engine};
use xtask::package::{Inputs, pack};
use xtask::project::Project;
use xtask::run;
use xtask::stack::api::CreatedKey;
use xtask::stack::{Api, Client, ControlPlane, Envoy, EnvoySettings, Ports, Stack, Upstream};

const GUIDE: &str = include_str!("../../../docs/packaging.md");
const UPGRADING: &str = include_str!("../../../docs/upgrading.md");
/// How long a container may take to answer. Far above what it takes.
const PATIENCE: Duration = Duration::from_mins(1);
/// Every file and folder that whoever asks may write to.
const WRITABLE: &str =
    r"find / \( -path /proc -o -path /sys \) -prune -o \( -type f -o -type d \) -writable -print 2> /dev/null || true";

/// The block with this heading.
fn block(heading: &str) -> &'static str {
    let start = format!("```sh {heading}\n");
    let guide = if UPGRADING.contains(&start) { UPGRADING } else { GUIDE };
    guide.split_once(&start).and_then(|(_, rest)| rest.split_once("```")).unwrap_or_else(|| panic!("no {heading}")).0
}

/// An engine, and the folder of a reader, who has packed.
struct Place {
    engine: Engine,
    folder: TempDir,
}

impl Place {
    fn new(engine: Engine) -> Self {
        let (made, folder) = (parts(), tempfile::tempdir().unwrap());
        std::fs::create_dir(folder.path().join("target")).unwrap();
        let sources = Project::locate().unwrap().root().join("package");
        pack(&Inputs { keyplane: made.keyplane, wasm: made.wasm, sources }, &folder.path().join("target/package"))
            .unwrap();
        Self { engine, folder }
    }

    /// What a script prints that a reader runs in that folder.
    #[track_caller]
    fn run(&self, script: &str) -> String {
        let path = format!("{}:{}", self.engine.programs().display(), std::env::var("PATH").unwrap());
        let mut bash = Command::new("bash");
        bash.args(["-euo", "pipefail", "-c", script]).current_dir(self.folder.path()).env("PATH", path);
        shown(script, &bash.output().unwrap())
    }

    /// What a command in a container prints.
    #[track_caller]
    fn exec(&self, arguments: &[&str]) -> String {
        let output = self.engine.docker().arg("exec").args(arguments).output().unwrap();
        shown(&arguments.join(" "), &output)
    }
}

#[track_caller]
fn shown(what: &str, output: &Output) -> String {
    let (printed, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{what}\n{printed}\n{said}");
    printed.into_owned()
}

/// What the flows here stand on; where that is not to be had, they fail.
fn containers() -> &'static Containers {
    static CONTAINERS: OnceLock<Containers> = OnceLock::new();
    CONTAINERS.get_or_init(|| {
        let found = containers::obtain(&Project::locate().unwrap()).unwrap();
        found.unwrap_or_else(|why| panic!("this machine cannot run these tests: {why}"))
    })
}

/// What the guide's commands for Docker started.
struct Started {
    api: Api,
    admin_key: SecretString,
    proxy_token: SecretString,
}

/// The guide's commands for Docker, on free ports.
fn docker(at: Ports) -> String {
    let mut script = block("docker").to_owned();
    for (usual, free) in [("127.0.0.1:8080:", at.api), ("127.0.0.1:8081:", at.sync)] {
        assert_eq!(script.matches(usual).count(), 1, "{script}");
        script = script.replace(usual, &format!("127.0.0.1:{free}:"));
    }
    script
}

fn start(place: &Place, at: Ports) -> Started {
    let mut script = docker(at);
    if place.engine.base() != "debian:bookworm-slim" {
        // The program was built on another release than the guide's.
        script = script.replace("docker build", &format!("docker build --build-arg BASE={}", place.engine.base()));
    }
    let printed = place.run(&format!("{script}\nprintenv KEYPLANE_ADMIN_KEY KEYPLANE_PROXY_TOKEN"));
    let [.., admin_key, proxy_token] = printed.lines().collect::<Vec<_>>()[..] else { panic!("{printed}") };
    is_ready(place, at.api);
    let admin_key = SecretString::from(admin_key);
    let api = Api::new(Client::new(at.api).bearer(admin_key.clone()));
    Started { api, admin_key, proxy_token: proxy_token.into() }
}

/// Waits until the container takes requests, or fails with its log.
fn is_ready(place: &Place, port: u16) {
    let started = Instant::now();
    while !Client::new(port).get("/readyz", &[]).is_ok_and(|answer| answer.status == 200) {
        assert!(
            started.elapsed() < PATIENCE,
            "the container is not ready:\n{}",
            place.run("docker logs keyplane 2>&1")
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// An Envoy that syncs with the container; the key works there.
fn envoy(place: &Path, at: Ports, proxy_token: SecretString, key: &CreatedKey) -> (Upstream, Envoy) {
    let made = parts();
    let upstream = Upstream::start(&made.echo, place, at.upstream).unwrap();
    let settings = EnvoySettings {
        binary: made.envoy,
        wasm: made.wasm,
        proxy_token,
        plugin: Stack::usual_plugin(),
        workers: WORKERS,
        trusted_hops: 0,
        proxy_port: at.proxy,
        admin_port: at.admin,
        sync_port: at.sync,
        upstream_port: at.upstream,
    };
    let envoy = Envoy::start(settings, place, "envoy").unwrap();
    let secret = key.secret.expose_secret();
    eventually("the key works", || {
        envoy.client().get("/v1/hello", &[("x-api-key", secret)]).is_ok_and(|answer| answer.status == 200)
    });
    (upstream, envoy)
}

#[test]
fn the_image_runs_unprivileged_as_the_guide_says_and_its_database_outlives_the_container() {
    let place = Place::new(containers().engine().unwrap());
    let (folder, at) = (place.folder.path(), Ports::any().unwrap());
    let Started { api, admin_key, proxy_token } = start(&place, at);
    let project = project(&api);
    let key = api.create_key(&project, "in a container").unwrap();
    let packed = std::fs::read(folder.join("target/package/keyplane.wasm")).unwrap();
    assert!(Client::new(at.sync).get("/filter/keyplane.wasm", &[]).unwrap().body == packed, "another filter is served");
    let (_upstream, _envoy) = envoy(folder, at, proxy_token, &key);
    is_confined(&place);

    place.run(block("docker-backup"));
    let later = api.create_key(&project, "after the backup").unwrap();
    let ask = |what: &str| place.run(&format!("docker inspect --format '{{{{.State.{what}}}}}' keyplane"));
    place.run("docker stop keyplane");
    assert_eq!(ask("ExitCode").trim(), "0");
    place.run("docker start keyplane");
    is_ready(&place, at.api);
    let before = ask("Pid");
    place.run(&format!("kill -KILL {before}"));
    eventually("it comes back by itself", || !["0", before.trim()].contains(&ask("Pid").trim()));
    is_ready(&place, at.api);
    assert_eq!(api.key(&key.id).unwrap()["status"], "active");
    // Another container on the same volume; the credentials are in the database.
    let run = docker(at)
        .split_once("docker run ")
        .unwrap()
        .1
        .replace("--env KEYPLANE_ADMIN_KEY --env KEYPLANE_PROXY_TOKEN", "");
    assert!(!run.contains("KEYPLANE_"), "{run}");
    place.run(&format!("docker stop keyplane\ndocker rm keyplane\ndocker run {run}"));
    is_ready(&place, at.api);
    assert_eq!(api.key(&later.id).unwrap()["status"], "active");

    let other = restored(folder, &folder.join("keyplane-backup.db"));
    let api = Api::new(other.client().bearer(admin_key));
    assert_eq!(api.key(&key.id).unwrap()["name"], "in a container");
    assert!(api.key(&later.id).is_err());
}

/// Who the container runs as, and what it may.
fn is_confined(place: &Place) {
    let status = place.exec(&["keyplane", "cat", "/proc/1/status"]);
    let mut expected = vec!["Uid:\t65532\t65532\t65532\t65532", "Gid:\t65532\t65532\t65532\t65532", "NoNewPrivs:\t1"];
    expected.extend(["CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000"]);
    for line in expected {
        assert!(status.lines().any(|found| found == line), "no {line} in {status}");
    }
    let writable = place.exec(&["keyplane", "sh", "-c", WRITABLE]);
    // Shared memory is what any container has.
    writes_only_to(&writable, &["/var/lib/keyplane", "/dev/shm", "/dev/mqueue"]);
}

/// The list is of these folders, and of the first for sure.
#[track_caller]
fn writes_only_to(writable: &str, folders: &[&str]) {
    let inside = |path: &str, folder: &str| Path::new(path).starts_with(folder);
    assert!(writable.lines().any(|path| inside(path, folders[0])), "{writable}");
    let elsewhere = writable.lines().filter(|path| !folders.iter().any(|folder| inside(path, folder)));
    assert_eq!(elsewhere.take(20).collect::<Vec<_>>(), Vec::<&str>::new());
}

/// A control plane that serves this backup.
fn restored(folder: &Path, backup: &Path) -> ControlPlane {
    let (folder, at, keyplane) = (folder.join("restored"), Ports::any().unwrap(), parts().keyplane);
    std::fs::create_dir(&folder).unwrap();
    let mut control_plane = ControlPlane::create(&keyplane, &folder, at.api, at.sync).unwrap();
    control_plane.stop().unwrap();
    let mut restore = Command::new(&keyplane);
    restore.args(["restore", "--replace", "--from"]).arg(backup).arg("--data-dir").arg(control_plane.data());
    run::read(restore).unwrap();
    control_plane.start().unwrap();
    control_plane
}

/// A machine that systemd runs, with the reader's folder.
struct Machine(Place);

impl Machine {
    fn start() -> Self {
        let place = Place::new(containers().engine_with_machine().unwrap());
        place.run(&format!(
            "docker run --detach --name machine --privileged --systemd always --network none \
             --volume \"$PWD:/root/keyplane\" --workdir /root/keyplane {} /sbin/init",
            Engine::MACHINE
        ));
        let machine = Self(place);
        eventually("systemd has started the machine", || {
            let state = machine.0.engine.docker().args(["exec", "machine", "systemctl", "is-system-running"]).output();
            ["running", "degraded"].contains(&String::from_utf8_lossy(&state.unwrap().stdout).trim())
        });
        machine
    }

    /// What a script prints that root runs on it.
    #[track_caller]
    fn run(&self, script: &str) -> String {
        self.0.exec(&["machine", "bash", "-euo", "pipefail", "-c", script])
    }

    /// A property of the service.
    fn service(&self, property: &str) -> String {
        self.run(&format!("systemctl show --property {property} --value keyplane")).trim().to_owned()
    }

    fn is_ready(&self) {
        let probe =
            "exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' >&3 && head --lines 1 <&3";
        eventually("the service is ready", || {
            let answer = self.0.engine.docker().args(["exec", "machine", "bash", "-c", probe]).output().unwrap();
            String::from_utf8_lossy(&answer.stdout).contains(" 200 ")
        });
    }
}

/// The command line on the machine, with this admin key; it prints JSON.
fn keyplane(machine: &Machine, admin_key: &SecretString, arguments: &str) -> Value {
    let key = admin_key.expose_secret();
    let printed = machine.run(&format!("KEYPLANE_API_KEY={key} /opt/keyplane/keyplane {arguments} --json"));
    serde_json::from_str(&printed).unwrap()
}

#[test]
fn the_service_of_the_guide_runs_confined_and_comes_back_when_it_is_killed() {
    let machine = Machine::start();
    machine.run(block("systemd"));
    machine.is_ready();
    assert_eq!(
        machine.run("stat --format '%a %U' /etc/keyplane/keyplane.env /var/lib/keyplane"),
        "600 root\n700 keyplane\n"
    );
    let admin_key: SecretString = machine.run(". /etc/keyplane/keyplane.env && printf %s $KEYPLANE_ADMIN_KEY").into();

    let looked = machine.run(block("systemd-look"));
    assert!(looked.starts_with("active\n"), "{looked}");
    assert!(!looked.contains(admin_key.expose_secret()), "the log tells the admin key");
    let (_, exposure) = looked.split_once("Overall exposure level for keyplane.service: ").expect("no exposure");
    let exposure: f64 = exposure.split(' ').next().unwrap().parse().unwrap();
    assert!(exposure <= 1.5, "{looked}");
    assert!(looked.contains("database") && !looked.contains("FAIL"), "{looked}");

    // Not even root could write elsewhere where the service runs.
    let writable = format!("nsenter --target {} --mount sh -c '{WRITABLE}'", machine.service("MainPID"));
    let places = ["/var/lib/keyplane", "/tmp", "/var/tmp", "/dev/pts", "/dev/hugepages"];
    writes_only_to(&machine.run(&writable), &places);

    let account = keyplane(&machine, &admin_key, "accounts create Acme");
    let account = account["id"].as_str().unwrap();
    let create = format!("projects create --account {account} --live sd_live --test sd_test Service");
    let project = keyplane(&machine, &admin_key, &create);
    let key =
        keyplane(&machine, &admin_key, &format!("keys create --project {} nightly", project["id"].as_str().unwrap()));
    let is_there = || {
        let found = keyplane(&machine, &admin_key, &format!("keys get {}", key["id"].as_str().unwrap()));
        assert_eq!(found["status"], "active");
    };
    let before = machine.service("MainPID");
    machine.run(&format!("kill -KILL {before}"));
    eventually("systemd starts it again", || machine.service("NRestarts") == "1" && machine.service("MainPID") != "0");
    machine.is_ready();
    is_there();
    machine.run(block("systemd-forget"));
    machine.is_ready();
    is_there();
    machine.run(block("systemd-upgrade"));
    machine.is_ready();
    is_there();
    machine.run("systemctl stop keyplane");
    assert_eq!(machine.service("Result"), "success");
}
