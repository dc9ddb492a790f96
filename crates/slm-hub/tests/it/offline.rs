//! Without a network: cached files are used, and missing ones are named in the error.

use std::fs;

use slm_artifacts::sha256;

use crate::support::Fault;
use crate::{Scene, fetch, fetch_data, says};

#[test]
fn offline_what_is_here_is_used_without_a_request() {
    let scene = Scene::new();
    let online = scene.fetch().expect("it is there");
    scene.hub.seen();
    let (offline, _) = fetch(scene.offline(), "hf:some/model");
    let offline = offline.expect("it is here");
    assert_eq!(offline.provenance, online.provenance);
    assert_eq!(offline.downloaded_bytes, 0);
    assert_eq!(scene.hub.seen(), []);
}

#[test]
fn offline_what_is_not_here_is_named_with_the_folder() {
    let scene = Scene::new();
    let (fetched, _) = fetch(scene.offline(), "hf:some/model@v1");
    let error = fetched.expect_err("nothing is here");
    let folder = scene.settings().cache_dir;
    says(
        &error,
        &[
            "model some/model@v1 is not on this machine",
            &folder.display().to_string(),
            "HF_HUB_OFFLINE",
            "trainer fetch",
        ],
    );
    assert_eq!(scene.hub.seen(), []);
    assert!(!folder.exists(), "nothing was made");
}

#[test]
fn offline_a_half_fetched_model_is_not_taken_for_a_whole_one() {
    let scene = Scene::new();
    scene
        .hub
        .fail("GET /blob/", usize::MAX, Fault::CutAfter(10));
    scene.fetch().expect_err("the weights do not arrive");
    let (fetched, _) = fetch(scene.offline(), "hf:some/model");
    says(
        &fetched.expect_err("half"),
        &["model.safetensors of some/model@main"],
    );
    // Also without the cached listing.
    fs::remove_dir_all(scene.path("trees")).expect("there");
    let (fetched, _) = fetch(scene.offline(), "hf:some/model");
    let error = fetched.expect_err("half").to_string();
    assert!(error.contains("it has no model.safetensors"), "{error}");
}

#[test]
fn offline_a_damaged_file_is_refused() {
    let scene = Scene::new();
    scene.fetch().expect("it is there");
    let blob = scene.path(&format!("blobs/{}", sha256(&scene.weights)));
    fs::write(&blob, "damaged").expect("writable");
    let (fetched, _) = fetch(scene.offline(), "hf:some/model");
    says(
        &fetched.expect_err("damaged"),
        &["wrong SHA-256", &blob.display().to_string(), "is damaged"],
    );
}

#[test]
fn a_hub_that_cannot_be_asked_leaves_what_is_here() {
    let scene = Scene::new();
    let before = scene.fetch().expect("it is there");
    for fault in [Fault::hub(503, ""), Fault::CutAfter(3)] {
        scene.hub.fail("/revision/", usize::MAX, fault);
        let (fetched, notes) = fetch(scene.settings(), "hf:some/model");
        assert_eq!(fetched.expect("it is here").provenance, before.provenance);
        assert!(
            notes.last().is_some_and(|note| note.starts_with("cache: ")),
            "{notes:?}"
        );
        scene.hub.heal();
    }
    // A refusal by the hub is not such a failure.
    scene
        .hub
        .fail("/revision/", usize::MAX, Fault::hub(404, "RepoNotFound"));
    scene.fetch().expect_err("it was taken away");
}

#[test]
fn a_folder_that_may_only_be_read_serves() {
    use std::os::unix::fs::PermissionsExt;

    let scene = Scene::new();
    let before = scene.fetch().expect("it is there");
    let mut folders = vec![scene.settings().cache_dir];
    let mut at = 0;
    while at < folders.len() {
        for entry in fs::read_dir(&folders[at]).expect("readable") {
            let path = entry.expect("readable").path();
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
            }
        }
        at += 1;
    }
    let set = |mode| {
        for folder in &folders {
            let permissions = fs::Permissions::from_mode(mode);
            fs::set_permissions(folder, permissions).expect("ours");
        }
    };
    set(0o555);
    let online = scene.fetch();
    let offline = fetch(scene.offline(), "hf:some/model").0;
    set(0o755);
    assert_eq!(online.expect("online").provenance, before.provenance);
    assert_eq!(offline.expect("offline").provenance, before.provenance);
}

#[test]
fn a_cache_folder_that_cannot_be_used_is_named() {
    let scene = Scene::new();
    let folder = scene.settings().cache_dir;
    fs::write(&folder, "a file in its place").expect("writable");
    let error = scene.fetch().expect_err("no folder");
    says(
        &error,
        &["cannot use", &folder.display().to_string(), "HF_HUB_CACHE"],
    );
}

#[test]
fn offline_a_data_set_with_a_missing_part_is_refused() {
    let scene = Scene::new();
    let parts = [
        ("data/train-00000-of-00002.parquet", &b"one"[..]),
        ("data/train-00001-of-00002.parquet", b"two"),
    ];
    scene.hub.publish("datasets", "some/data", "main", &parts);
    let fetched = fetch_data(scene.settings(), "hf:some/data").expect("there");
    fetch_data(scene.offline(), "hf:some/data").expect("here");
    fs::remove_file(&fetched.paths()[1]).expect("a link");
    let blobs = scene.folder.path().join("hub/datasets--some--data");
    // The blob still exists, so only the link is created again.
    fetch_data(scene.offline(), "hf:some/data").expect("here");
    fs::remove_dir_all(blobs.join("trees")).expect("there");
    fs::remove_file(&fetched.paths()[1]).expect("a link");
    let error = fetch_data(scene.offline(), "hf:some/data").expect_err("half");
    assert!(error.to_string().contains("1 of 2"), "{error}");
}
