//! What is packed, read by the programs that operators read it with: skopeo, Helm, the schemas of Kubernetes, systemd, hadolint, OpenSSH.
//!
//! The control plane in these packages is a small file, because nothing here runs it; the flows `package` and `containers` run a real one.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;
use xtask::manifests::{self, Manifests};
use xtask::package::proof::{self, Proof};
use xtask::package::{IMAGE, Inputs, VERSION, pack};
use xtask::project::Project;

const MODULE: &[u8] = b"\0asm\x01\0\0\0\0\x02\x01a";
/// The oldest Kubernetes of the chart, and the newest that the schemas know.
const KUBERNETES: [&str; 2] = ["1.28", "1.37"];

fn project() -> Project {
    Project::locate().unwrap()
}

/// The tools; fetched once, though tests run side by side.
fn tools() -> &'static Proof {
    static TOOLS: OnceLock<Proof> = OnceLock::new();
    TOOLS.get_or_init(|| proof::obtain(&project()).unwrap())
}

/// A package in a folder of its own.
fn packed() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (keyplane, wasm) = (folder.path().join("built"), folder.path().join("built.wasm"));
    fs::write(&keyplane, "#!/bin/sh\n").unwrap();
    fs::write(&wasm, MODULE).unwrap();
    let package = folder.path().join("package");
    pack(&Inputs { keyplane, wasm, sources: project().root().join("package") }, &package).unwrap();
    (folder, package)
}

/// What a program prints; it must succeed.
#[track_caller]
fn read(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stdout).unwrap()
}

/// What a program complains of; it must fail.
#[track_caller]
fn refused(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(!output.status.success(), "{command:?} succeeded");
    String::from_utf8(output.stderr).unwrap()
}

fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let listed = read(Command::new("find").args([".", "-type", "f"]).current_dir(folder));
    listed.lines().map(|name| (name.to_owned(), fs::read(folder.join(name)).unwrap())).collect()
}

#[test]
fn the_same_parts_give_the_same_bytes_and_every_file_is_in_the_sums() {
    let (folder, first) = packed();
    let before = contents(&first);
    // A package is replaced as a whole: what does not belong there is gone.
    fs::write(first.join("left-over"), "").unwrap();
    let (_other, second) = packed();
    assert_eq!(before, contents(&second));
    let inputs = Inputs {
        keyplane: folder.path().join("built"),
        wasm: folder.path().join("built.wasm"),
        sources: project().root().join("package"),
    };
    pack(&inputs, &first).unwrap();
    assert_eq!(before, contents(&first));

    let checked = read(Command::new("sha256sum").args(["--check", "--strict", "SHA256SUMS"]).current_dir(&first));
    assert_eq!(checked.lines().filter(|line| line.ends_with(": OK")).count(), before.len() - 1, "{checked}");
    read(Command::new("sha256sum").args(["--check", "--strict", "keyplane.wasm.sha256"]).current_dir(&first));
    fs::write(first.join("keyplane.wasm"), "another").unwrap();
    refused(Command::new("sha256sum").args(["--check", "--strict", "SHA256SUMS"]).current_dir(&first));
}

/// A block of the guide.
fn block(kind: &str) -> String {
    let guide = fs::read_to_string(project().root().join("docs/packaging.md")).unwrap();
    let (_, rest) = guide.split_once(&format!("```sh {kind}\n")).unwrap_or_else(|| panic!("no block {kind}"));
    rest.split_once("```").unwrap().0.to_owned()
}

/// A script in the folder of a reader, where the package is `target/package`.
fn script(package: &Path, script: &str) -> Command {
    let folder = package.ancestors().nth(2).unwrap();
    assert!(package.ends_with("target/package"));
    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", script]).current_dir(folder);
    bash
}

/// A package where the guide has it.
fn packed_as_in_the_guide() -> (TempDir, PathBuf) {
    let (folder, package) = packed();
    let place = folder.path().join("target/package");
    fs::create_dir(folder.path().join("target")).unwrap();
    fs::rename(package, &place).unwrap();
    (folder, place)
}

#[test]
fn the_commands_of_the_guide_check_and_push_the_package() {
    tools();
    let (folder, package) = packed_as_in_the_guide();
    read(&mut script(&package, &block("check")));
    // There is no registry here, so the image goes to a folder.
    let push = block("push").replace("docker://registry.example/keyplane-filter:0.1.0", "dir:pushed");
    read(&mut script(&package, &push.replace("skopeo ", "skopeo --insecure-policy ")));
    assert!(folder.path().join("pushed/manifest.json").is_file());
}

#[test]
fn the_signature_of_the_guide_holds_and_nothing_else_passes_for_it() {
    tools();
    let (folder, package) = packed_as_in_the_guide();
    // A reader is asked for a passphrase.
    let sign = block("sign").replace("ssh-keygen -t", "ssh-keygen -q -N '' -t");
    let verify = || script(&package, &block("verify"));
    read(&mut script(&package, &sign));
    let said = read(&mut verify());
    assert!(said.starts_with("Good \"keyplane\" signature for releases@example.com"), "{said}");

    let (sums, signature) = (package.join("SHA256SUMS"), package.join("SHA256SUMS.sig"));
    let signed = fs::read(&sums).unwrap();
    fs::write(&sums, [signed.as_slice(), b"\n"].concat()).unwrap();
    refused(&mut verify());
    fs::write(&sums, &signed).unwrap();
    read(&mut verify());

    // The same key for another purpose.
    fs::remove_file(&signature).unwrap();
    read(&mut script(&package, "ssh-keygen -Y sign -f release-key -n another target/package/SHA256SUMS"));
    refused(&mut verify());

    // Somebody else, who did as the guide says: good for those who have that list, and not for the readers.
    fs::remove_file(&signature).unwrap();
    let (key, list) = (folder.path().join("release-key"), folder.path().join("allowed-signers"));
    let readers = fs::read(&list).unwrap();
    fs::rename(&key, folder.path().join("kept-apart")).unwrap();
    read(&mut script(&package, &sign));
    read(&mut verify());
    fs::write(&list, readers).unwrap();
    refused(&mut verify());
}

#[test]
fn the_commands_of_the_guide_for_kubernetes_create_a_secret_and_the_chart_that_reads_it() {
    let (folder, package) = packed_as_in_the_guide();
    let (programs, made) = (folder.path().join("bin"), folder.path().join("made"));
    fs::create_dir(&programs).unwrap();
    fs::create_dir(&made).unwrap();
    // No cluster is at hand: each command tells what it would create, in a file of its own.
    for name in ["kubectl", "helm"] {
        let real = tools().programs().join(name);
        let wrapper = format!(
            "#!/bin/sh\nexport KUBECONFIG=/dev/null HELM_CONFIG_HOME=$PWD HELM_CACHE_HOME=$PWD HELM_DATA_HOME=$PWD\n\
             exec '{}' \"$@\" --dry-run=client --output json > '{}'/{name}-$$.json\n",
            real.display(),
            made.display()
        );
        let path = programs.join(name);
        fs::write(&path, wrapper).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    read(script(&package, &block("kubernetes")).env("PATH", path));

    let mut objects = BTreeMap::new();
    for entry in fs::read_dir(&made).unwrap() {
        let object: Value = serde_json::from_slice(&fs::read(entry.unwrap().path()).unwrap()).unwrap();
        // Helm tells of a release, which has no kind.
        objects.insert(object["kind"].as_str().unwrap_or("release").to_owned(), object);
    }
    let kinds: Vec<_> = objects.keys().map(String::as_str).collect();
    assert_eq!(kinds, ["Namespace", "Secret", "release"]);
    assert_eq!(objects["Namespace"]["metadata"]["name"], "auth");
    let secret = &objects["Secret"];
    assert_eq!(secret["metadata"]["namespace"], "auth");
    for file in ["admin-key", "proxy-token"] {
        let text = fs::read(folder.path().join(file)).unwrap();
        assert_eq!(text.len(), 64, "{file} is no 64 digits");
        assert!(text.iter().all(u8::is_ascii_hexdigit), "{file} ends with a line");
        assert!(secret["data"][file].is_string(), "the secret has no {file}");
    }
    let release = &objects["release"];
    assert_eq!((&release["name"], &release["namespace"]), (&json!("keyplane"), &json!("auth")));

    // What is installed is what the chart makes of the same values, and it reads that secret.
    let values = json!({
        "image": { "repository": "registry.example/keyplane" },
        "credentials": { "existingSecret": "keyplane-credentials" },
    });
    let rendered = render(&package, &values);
    let manifest = release["manifest"].as_str().unwrap();
    assert_eq!(read(&mut template(&package, &values)).trim(), manifest.trim());
    let container = &rendered["Deployment"]["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], format!("registry.example/keyplane:{VERSION}"));
    let read_keys = container["env"].as_array().unwrap().iter().filter_map(|variable| {
        let reference = &variable["valueFrom"]["secretKeyRef"];
        (reference["name"] == secret["metadata"]["name"]).then(|| reference["key"].as_str().unwrap())
    });
    assert_eq!(read_keys.collect::<Vec<_>>(), ["admin-key", "proxy-token"]);
}

#[test]
fn every_value_is_printed_with_what_it_does() {
    let (_folder, package) = packed_as_in_the_guide();
    let guide = fs::read_to_string(project().root().join("docs/packaging.md")).unwrap();
    let (_, rest) = guide.split_once("`helm show values ").unwrap();
    let command = format!("helm show values {}", rest.split_once('`').unwrap().0);
    let path = format!("{}:{}", tools().programs().display(), std::env::var("PATH").unwrap());
    let shown = read(script(&package, &command).env("PATH", path).env("KUBECONFIG", "/dev/null"));
    let values = fs::read_to_string(project().root().join("package/chart/values.yaml")).unwrap();
    assert_eq!(shown.trim(), values.trim());
}

#[test]
fn what_is_no_module_is_not_packed_and_the_package_before_stays() {
    let (folder, package) = packed();
    let before = contents(&package);
    let wasm = folder.path().join("page.html");
    fs::write(&wasm, "<html>").unwrap();
    let inputs = Inputs { keyplane: wasm.clone(), wasm, sources: project().root().join("package") };
    assert!(pack(&inputs, &package).unwrap_err().to_string().contains("page.html"));
    assert_eq!(before, contents(&package));
}

#[test]
fn skopeo_reads_the_image_of_the_filter_in_the_form_that_istio_and_envoy_gateway_take() {
    tools();
    let (folder, package) = packed();
    let image = format!("oci:{}:{VERSION}", package.join(IMAGE).display());
    let inspect = |more: &[&str]| -> Value {
        let mut skopeo = Command::new("skopeo");
        serde_json::from_str(&read(skopeo.args(["inspect"]).args(more).arg(&image))).unwrap()
    };
    let raw = inspect(&["--raw"]);
    assert_eq!(raw["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    let layers: Vec<_> = raw["layers"].as_array().unwrap().iter().map(|layer| layer["mediaType"].clone()).collect();
    assert_eq!(layers, ["application/vnd.oci.image.layer.v1.tar+gzip"]);
    assert_eq!(raw["annotations"]["org.opencontainers.image.version"], VERSION);
    assert_eq!(inspect(&[])["Layers"].as_array().unwrap().len(), 1);

    // The copy checks every digest, that of the unpacked layer included.
    let copy = folder.path().join("copy");
    read(Command::new("skopeo").args(["--insecure-policy", "copy", &image]).arg(format!("dir:{}", copy.display())));
    let layer = raw["layers"][0]["digest"].as_str().unwrap().trim_start_matches("sha256:");
    let unpacked = folder.path().join("unpacked");
    fs::create_dir(&unpacked).unwrap();
    read(Command::new("tar").arg("-xzf").arg(copy.join(layer)).arg("-C").arg(&unpacked));
    assert_eq!(contents(&unpacked), BTreeMap::from([("./plugin.wasm".to_owned(), MODULE.to_vec())]));
}

/// `helm template` of the packed chart with these values.
fn template(package: &Path, values: &Value) -> Command {
    template_named("keyplane", package, values)
}

fn template_named(release: &str, package: &Path, values: &Value) -> Command {
    let file = package.join("values.json");
    fs::write(&file, values.to_string()).unwrap();
    let mut helm = tools().helm();
    helm.args(["template", release]).arg(package.join(format!("keyplane-{VERSION}.tgz")));
    helm.args(["--namespace", "auth", "--values"]).arg(file);
    helm
}

/// The objects that the chart makes, after the schemas of Kubernetes have accepted them: no unknown field passes.
fn render(package: &Path, values: &Value) -> BTreeMap<String, Value> {
    let text = read(&mut template(package, values));
    let mut reader = tools().yaml_to_json().stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    reader.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = reader.wait_with_output().unwrap();
    let objects: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let (monitors, known): (Vec<_>, Vec<_>) = objects.iter().partition(|object| object["kind"] == "ServiceMonitor");
    assert_eq!(wrong_monitors(package, &monitors), [""; 0]);
    // JSON is YAML; a file for each object, because a document knows no lists of objects.
    let mut validate = tools().kubernetes_validate();
    validate.args(["--strict", "--no-warn"]).args(KUBERNETES.iter().flat_map(|version| ["-k", version]));
    for (number, object) in known.iter().enumerate() {
        let file = package.join(format!("object-{number}.yaml"));
        fs::write(&file, object.to_string()).unwrap();
        validate.arg(file);
    }
    read(&mut validate);
    objects.into_iter().map(|object| (object["kind"].as_str().unwrap().to_owned(), object)).collect()
}

/// What the model of the kind says against these objects of Prometheus' operator, which Kubernetes itself does not know.
fn wrong_monitors(package: &Path, monitors: &[&Value]) -> Vec<String> {
    static MODELS: OnceLock<Manifests> = OnceLock::new();
    let models = MODELS.get_or_init(|| manifests::obtain(&project()).unwrap());
    let files = monitors.iter().enumerate().map(|(number, monitor)| {
        let file = package.join(format!("monitor-{number}.yaml"));
        fs::write(&file, monitor.to_string()).unwrap();
        file
    });
    let files = files.collect::<Vec<_>>();
    if files.is_empty() { Vec::new() } else { models.check(&files).unwrap().wrong }
}

fn least() -> Value {
    json!({ "credentials": { "existingSecret": "keyplane-credentials" } })
}

#[test]
fn the_schemas_refuse_a_field_that_kubernetes_does_not_know() {
    let (_folder, package) = packed();
    let mut wrong = render(&package, &least()).remove("Deployment").unwrap();
    wrong["spec"]["replicaz"] = 1.into();
    let file = package.join("wrong.yaml");
    fs::write(&file, wrong.to_string()).unwrap();
    let output = tools().kubernetes_validate().args(["--strict"]).arg(&file).output().unwrap();
    assert!(!output.status.success());

    let mut values = least();
    values["serviceMonitor"] = json!({ "enabled": true, "secret": "metrics" });
    let mut wrong = render(&package, &values).remove("ServiceMonitor").unwrap();
    wrong["spec"]["endpoints"][0]["pathh"] = "/metrics".into();
    let said = wrong_monitors(&package, &[&wrong]);
    assert!(said.iter().any(|line| line.contains("pathh")), "{said:?}");
}

/// Helm asks a cluster before it upgrades, and none is at hand: so its help tells whether the guide's command can be.
#[test]
fn helm_knows_the_options_of_the_guide_for_upgrading() {
    let text = fs::read_to_string(project().root().join("docs/upgrading.md")).unwrap();
    let command = text.split('`').find(|code| code.starts_with("helm upgrade ")).unwrap();
    assert!(command.starts_with(&format!("helm upgrade keyplane target/package/keyplane-{VERSION}.tgz ")), "{command}");
    let help = read(tools().helm().args(["upgrade", "--help"]));
    let known: Vec<_> = help.split_whitespace().collect();
    let options: Vec<_> = command.split(' ').filter(|word| word.starts_with("--")).collect();
    assert_eq!(options.len(), 2, "{command}");
    for option in options {
        assert!(known.contains(&option), "{option}");
    }
}

#[test]
fn the_chart_refuses_a_release_whose_name_a_service_cannot_have() {
    let (_folder, package) = packed();
    // Helm takes both; Kubernetes would refuse the Service after the claim was made.
    for name in ["1keyplane", "key.plane"] {
        let said = refused(&mut template_named(name, &package, &least()));
        assert!(said.contains(&format!("\"{name}\" cannot be the name")), "{said}");
    }
    read(&mut template_named("keyplane-2", &package, &least()));
}

#[test]
fn the_chart_runs_one_unprivileged_pod_on_a_volume_that_outlives_it() {
    let (_folder, package) = packed();
    let linted = package.join("lint.json");
    fs::write(&linted, least().to_string()).unwrap();
    let chart = project().root().join("package/chart");
    read(tools().helm().args(["lint", "--strict"]).arg(chart).arg("--values").arg(linted));
    let objects = render(&package, &least());
    let kinds: Vec<_> = objects.keys().map(String::as_str).collect();
    assert_eq!(kinds, ["Deployment", "NetworkPolicy", "PersistentVolumeClaim", "Service"]);

    let deployment = &objects["Deployment"]["spec"];
    assert_eq!((&deployment["replicas"], &deployment["strategy"]), (&json!(1), &json!({ "type": "Recreate" })));
    let pod = &deployment["template"]["spec"];
    assert_eq!((&pod["automountServiceAccountToken"], &pod["enableServiceLinks"]), (&json!(false), &json!(false)));
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    let [container] = pod["containers"].as_array().unwrap().as_slice() else { panic!("{pod}") };
    let wanted = json!({
        "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": { "drop": ["ALL"] },
    });
    assert_eq!(container["securityContext"], wanted);
    assert_eq!(container["image"], format!("keyplane:{VERSION}"));
    for (probe, path) in [("startupProbe", "/readyz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")] {
        let get = &container[probe]["httpGet"];
        assert_eq!(get, &json!({ "path": path, "port": "management", "scheme": "HTTP" }), "{probe}");
    }
    // No credential is written down; each comes from the operator's Secret.
    for variable in container["env"].as_array().unwrap() {
        let secret = ["KEYPLANE_ADMIN_KEY", "KEYPLANE_PROXY_TOKEN"].contains(&variable["name"].as_str().unwrap());
        assert_eq!(variable["valueFrom"]["secretKeyRef"]["name"] == "keyplane-credentials", secret, "{variable}");
    }

    let claim = &objects["PersistentVolumeClaim"];
    assert_eq!(claim["metadata"]["annotations"]["helm.sh/resource-policy"], "keep");
    assert_eq!(pod["volumes"][0]["persistentVolumeClaim"]["claimName"], claim["metadata"]["name"]);
    // The selector of the policy and of the service find the pod.
    let labels = &deployment["template"]["metadata"]["labels"];
    for selector in
        [&objects["Service"]["spec"]["selector"], &objects["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"]]
    {
        let selector = selector.as_object().unwrap();
        assert!(!selector.is_empty() && selector.iter().all(|(name, value)| labels[name] == *value), "{selector:?}");
    }
    let rules = &objects["NetworkPolicy"]["spec"]["ingress"];
    assert_eq!(rules[0]["ports"][0]["port"], "management");
    assert_eq!(rules[0]["from"], json!([{ "podSelector": {} }]));
    assert_eq!(rules[1]["from"], json!([{ "namespaceSelector": {} }]));
}

#[test]
fn everything_that_the_chart_can_be_told_makes_valid_objects() {
    let (_folder, package) = packed();
    let digest = format!("sha256:{}", "0".repeat(64));
    let objects = render(
        &package,
        &json!({
            "image": { "repository": "images.example/keyplane", "digest": digest, "pullPolicy": "Always" },
            "imagePullSecrets": [{ "name": "pull" }],
            "credentials": { "existingSecret": "first" },
            "settings": "log = \"debug\"\n\n[[jwt.issuers]]\nissuer = \"https://issuer.example\"\n",
            "tls": { "management": { "secret": "m-tls" }, "sync": { "secret": "s-tls", "clientCa": true } },
            "persistence": { "existingClaim": "mine" },
            "service": { "type": "LoadBalancer", "port": 443, "syncPort": 8443, "annotations": { "a": "b" } },
            "networkPolicy": { "management": [], "sync": [{ "ipBlock": { "cidr": "10.0.0.0/8" } }] },
            "serviceMonitor": { "enabled": true, "labels": { "release": "p" }, "secret": "metrics" },
            "podAnnotations": { "a": "b" }, "podLabels": { "team": "auth" },
            "nodeSelector": { "disk": "ssd" },
            "tolerations": [{ "key": "auth", "operator": "Exists" }],
            "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": [
                { "matchExpressions": [{ "key": "disk", "operator": "Exists" }] },
            ] } } },
            "priorityClassName": "high",
        }),
    );
    let kinds: Vec<_> = objects.keys().map(String::as_str).collect();
    assert_eq!(kinds, ["ConfigMap", "Deployment", "NetworkPolicy", "Service", "ServiceMonitor"]);
    let pod = &objects["Deployment"]["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    assert_eq!(container["image"], format!("images.example/keyplane@{digest}"));
    assert_eq!(container["readinessProbe"]["httpGet"]["scheme"], "HTTPS");
    let values: BTreeMap<_, _> = container["env"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|variable| Some((variable["name"].as_str()?, variable["value"].as_str()?)))
        .collect();
    assert_eq!(values["KEYPLANE_SYNC_CLIENT_CA"], "/etc/keyplane/sync-tls/ca.crt");
    // Every file that it is told of is mounted.
    let mounts: Vec<_> =
        container["volumeMounts"].as_array().unwrap().iter().filter_map(|mount| mount["mountPath"].as_str()).collect();
    for (name, path) in values.iter().filter(|(_, value)| value.starts_with("/etc/")) {
        assert!(mounts.iter().any(|mount| path.starts_with(&format!("{mount}/"))), "{name}: {path} of {mounts:?}");
    }
    assert!(objects["ConfigMap"]["data"]["keyplane.toml"].as_str().unwrap().contains("\n\n[[jwt.issuers]]\n"));
    let rules = objects["NetworkPolicy"]["spec"]["ingress"].as_array().unwrap();
    assert_eq!(rules.len(), 1, "a rule without peers lets everybody in: {rules:?}");
    let endpoint = &objects["ServiceMonitor"]["spec"]["endpoints"][0];
    assert_eq!(
        (&endpoint["scheme"], &endpoint["authorization"]["credentials"]["name"]),
        (&json!("https"), &json!("metrics"))
    );
    // Nobody at all, if so told.
    let mut nobody = least();
    nobody["networkPolicy"] = json!({ "management": [], "sync": [] });
    assert_eq!(render(&package, &nobody)["NetworkPolicy"]["spec"]["ingress"], json!([]));
}

#[test]
fn the_chart_refuses_what_could_not_work() {
    let (_folder, package) = packed();
    let with = |name: &str, value: Value| {
        let mut values = least();
        values[name] = value;
        values
    };
    for (values, expected) in [
        (json!({}), "credentials.existingSecret is needed"),
        (with("replicas", json!(2)), "replicas"),
        (with("tls", json!({ "sync": { "clientCa": true } })), "tls.sync.clientCa needs tls.sync.secret"),
        (with("serviceMonitor", json!({ "enabled": true })), "serviceMonitor.secret is needed"),
        (with("persistence", json!({ "size": "ten" })), "size"),
    ] {
        let said = refused(&mut template(&package, &values));
        assert!(said.contains(expected), "{values}: {said}");
    }
}

#[test]
fn systemd_accepts_the_unit_and_finds_it_little_exposed() {
    tools();
    let (_folder, package) = packed();
    // The program must be there for the check, so it is looked for where it lies now.
    let unit = fs::read_to_string(package.join("keyplane.service")).unwrap();
    assert!(unit.contains("ExecStart=/opt/keyplane/keyplane serve\n"));
    let checked = package.join("checked");
    fs::create_dir(&checked).unwrap();
    let file = checked.join("keyplane.service");
    fs::write(&file, unit.replace("/opt/keyplane/", &format!("{}/", package.display()))).unwrap();
    let verify = |file: &Path| {
        let mut verify = Command::new("systemd-analyze");
        verify.args(["verify", "--man=no"]).arg(file);
        verify.output().unwrap()
    };
    let output = verify(&file);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("keyplane.service"), "{said}");
    read(Command::new("systemd-analyze").args(["security", "--offline=true", "--threshold=15"]).arg(&file));
    // The check can fail.
    fs::write(&file, unit.replace("/opt/keyplane/", "/nowhere/").replace("ProtectHome=", "ProtectHom=")).unwrap();
    assert!(String::from_utf8_lossy(&verify(&file).stderr).contains("ProtectHom"));
}

#[test]
fn the_dockerfile_is_sound_and_copies_what_is_packed() {
    let (_folder, package) = packed();
    let file = package.join("Dockerfile");
    read(tools().hadolint().arg(&file));
    let text = fs::read_to_string(&file).unwrap();
    let copied: Vec<_> = text.lines().filter(|line| line.starts_with("COPY ")).collect();
    assert_eq!(copied.len(), 2);
    for line in copied {
        let source = line.split(' ').nth(2).unwrap();
        assert!(package.join(source).is_file(), "{source}");
    }
    assert!(text.contains("\nUSER 65532:65532\n"));
}

#[test]
fn every_variable_that_the_package_sets_is_one_that_keyplane_reads() {
    let root = project().root().to_path_buf();
    let defaults = fs::read_to_string(root.join("control-plane/src/default.toml")).unwrap();
    for file in ["Dockerfile", "keyplane.service", "chart/templates/deployment.yaml"] {
        let text = fs::read_to_string(root.join("package").join(file)).unwrap();
        let text: String =
            text.lines().filter(|line| !line.trim_start().starts_with('#')).collect::<Vec<_>>().join("\n");
        let mut found = 0;
        for (at, _) in text.match_indices("KEYPLANE_") {
            let name =
                text[at + 9..].split(|character: char| !character.is_ascii_uppercase() && character != '_').next();
            let name = name.unwrap().to_ascii_lowercase();
            let known = defaults.contains(&format!("\n{name} = "));
            assert!(known || ["admin_key", "proxy_token", "config"].contains(&name.as_str()), "{file}: {name}");
            found += 1;
        }
        assert!(found >= 2, "{file}");
    }
}
