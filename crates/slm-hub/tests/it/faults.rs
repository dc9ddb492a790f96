//! Every fault ends with a clear error or is recovered from, and no incomplete file gets a final name.

use std::fs;
use std::net::TcpListener;

use slm_artifacts::sha256;
use slm_hub::{HubError, Settings};

use crate::support::Fault;
use crate::{Scene, fetch, says};

/// Returns the size of the partial file of the weights.
fn partial_bytes(scene: &Scene) -> Option<u64> {
    let partial = scene.path(&format!("blobs/{}.incomplete", sha256(&scene.weights)));
    Some(partial.metadata().ok()?.len())
}

/// Asserts that the weights do not arrive, and that nothing of them has a final name.
fn check_failure(scene: &Scene, parts: &[&str]) -> HubError {
    let error = scene.fetch().expect_err("it fails");
    says(&error, parts);
    assert!(
        !scene.blobs().contains(&sha256(&scene.weights)),
        "half a file, after: {error}"
    );
    let link = scene.path(&format!("snapshots/{}/model.safetensors", scene.commit));
    assert!(!link.exists(), "a link to it, after: {error}");
    error
}

/// Asserts that the weights arrive complete, after this number of retries.
fn check_survival(scene: &Scene, tries: usize) -> Vec<String> {
    let (fetched, notes) = fetch(scene.settings(), "hf:some/model");
    let fetched = fetched.expect("it arrives");
    assert_eq!(
        fs::read(&fetched.paths()[2]).expect("readable"),
        scene.weights
    );
    assert_eq!(notes.len(), tries, "{notes:?}");
    notes
}

#[test]
fn a_cut_connection_goes_on_where_it_stopped() {
    let scene = Scene::new();
    scene.hub.fail("GET /blob/", 1, Fault::CutAfter(1_000_000));
    let notes = check_survival(&scene, 1);
    assert!(
        notes[0].starts_with("2: localhost:")
            && notes[0].contains("closed the connection after 1000000 bytes of model.safetensors"),
        "{notes:?}"
    );
    let ranges: Vec<_> = scene
        .hub
        .seen()
        .into_iter()
        .filter(|request| request.server == "cdn")
        .map(|request| request.range)
        .collect();
    assert_eq!(ranges, [None, Some("bytes=1000000-".to_owned())]);
}

#[test]
fn a_connection_that_is_always_cut_fails_and_the_next_run_goes_on() {
    let scene = Scene::new();
    scene
        .hub
        .fail("GET /blob/", usize::MAX, Fault::CutAfter(100));
    check_failure(
        &scene,
        &["closed the connection after 500 bytes of model.safetensors, 5 tries"],
    );
    assert_eq!(partial_bytes(&scene), Some(500));
    scene.hub.heal();
    scene.hub.seen();
    check_survival(&scene, 0);
    let seen = scene.hub.seen();
    assert_eq!(
        seen.last().and_then(|it| it.range.as_deref()),
        Some("bytes=500-")
    );
    assert_eq!(partial_bytes(&scene), None);
}

#[test]
fn a_connection_that_is_cut_again_and_again_arrives_as_long_as_it_gains() {
    let scene = Scene::new();
    // Each attempt transfers more than a mebibyte.
    scene.hub.fail("GET /blob/", 2, Fault::CutAfter(1_100_000));
    check_survival(&scene, 2);
}

#[test]
fn a_connection_cut_in_a_small_file_or_in_the_list_is_made_again() {
    let scene = Scene::new();
    scene.hub.fail("/api/resolve-cache/", 1, Fault::CutAfter(3));
    scene.hub.fail("/revision/", 1, Fault::CutAfter(20));
    check_survival(&scene, 2);
}

#[test]
fn a_server_that_falls_silent_is_left_after_the_timeout() {
    let scene = Scene::new();
    scene.hub.fail("GET /blob/", 1, Fault::SilentAfter(1000));
    let notes = check_survival(&scene, 1);
    assert!(notes[0].contains("sent no data for 1 s"), "{notes:?}");

    let scene = Scene::new();
    scene.hub.fail("/revision/", usize::MAX, Fault::Silent);
    let settings = Settings {
        timeout: std::time::Duration::from_millis(100),
        ..scene.settings()
    };
    let error = fetch(settings, "hf:some/model").0.expect_err("silent");
    says(
        &error,
        &["sent no data for 0.1 s, 5 tries", "HF_HUB_DOWNLOAD_TIMEOUT"],
    );
}

#[test]
fn failures_of_the_server_are_waited_out_and_counted() {
    let scene = Scene::new();
    scene.hub.fail("GET /blob/", 2, Fault::hub(500, ""));
    scene.hub.fail("/revision/", 1, Fault::hub(503, ""));
    let notes = check_survival(&scene, 3);
    assert!(notes[0].starts_with("2: ") && notes[0].contains("returned status 503"));
    assert!(notes[2].starts_with("3: ") && notes[2].contains("returned status 500"));

    let scene = Scene::new();
    let said = Fault::Status(502, Vec::new(), "{\"error\": \"bad\\ngateway\"}");
    scene.hub.fail("GET /blob/", usize::MAX, said);
    check_failure(&scene, &["returned status 502: bad gateway, 5 tries"]);
}

#[test]
fn too_many_requests_are_waited_out_as_the_server_asks() {
    let scene = Scene::new();
    let soon = || Fault::Status(429, vec![("Retry-After", "0".to_owned())], "");
    scene.hub.fail("/resolve/", 1, soon());
    let notes = check_survival(&scene, 1);
    assert!(notes[0].contains("(429), for 0 s"), "{notes:?}");

    let scene = Scene::new();
    scene.hub.fail("GET /blob/", usize::MAX, soon());
    check_failure(&scene, &["(429)", "5 tries", "HF_TOKEN"]);

    // A pause of an hour is not accepted.
    let scene = Scene::new();
    let later = Fault::Status(429, vec![("Retry-After", "3600".to_owned())], "");
    scene.hub.fail("GET /blob/", usize::MAX, later);
    check_failure(&scene, &["for 3600 s"]);
    let seen = scene.hub.seen();
    assert_eq!(seen.iter().filter(|it| it.server == "cdn").count(), 1);
}

#[test]
fn what_is_not_there_is_told_apart() {
    let scene = Scene::new();
    let error = |text: &str| fetch(scene.settings(), text).0.expect_err(text);
    let repository = error("hf:some/modle");
    says(
        &repository,
        &["no model some/modle", "or it is private", "spelling"],
    );
    let revision = error("hf:some/model@v2");
    says(&revision, &["some/model has no revision v2"]);
    for error in [repository, revision] {
        assert!(error.is_mistake(), "{error}");
    }
    scene
        .hub
        .fail("/resolve/", 1, Fault::hub(404, "EntryNotFound"));
    let file = scene.fetch().expect_err("gone");
    assert!(matches!(file, HubError::NoFile { .. }), "{file}");
    assert!(scene.hub.seen().len() < 8, "nothing of that is tried again");
}

#[test]
fn refusals_say_what_is_needed() {
    let scene = Scene::new();
    scene.hub.want_token("hf_right");
    let error = scene.fetch().expect_err("no token");
    says(&error, &["no model some/model", "set HF_TOKEN"]);
    let error = fetch(scene.with_token("hf_wrong"), "hf:some/model").0;
    let error = error.expect_err("a wrong token");
    says(&error, &["does not accept the token", "HF_TOKEN"]);
    assert!(!error.is_mistake());
    assert!(!error.to_string().contains("hf_wrong"));

    let scene = Scene::new();
    let gated = Fault::Status(
        403,
        vec![
            ("X-Error-Code", "GatedRepo".to_owned()),
            (
                "X-Error-Message",
                "Access to model some/model is restricted".to_owned(),
            ),
        ],
        "",
    );
    scene.hub.fail("/resolve/", usize::MAX, gated);
    let page = format!("{}/some/model", scene.hub.url());
    check_failure(
        &scene,
        &["some/model is gated", "is restricted", &page, "HF_TOKEN"],
    );
    scene.hub.heal();
    scene
        .hub
        .fail("GET /blob/", usize::MAX, Fault::hub(403, ""));
    check_failure(&scene, &["refuses model.safetensors of some/model (403)"]);
}

#[test]
fn wrong_bytes_are_fetched_once_more_and_then_refused() {
    let scene = Scene::new();
    scene.hub.fail("GET /blob/", 1, Fault::WrongBytes);
    let notes = check_survival(&scene, 1);
    assert!(notes[0].contains("has the wrong SHA-256"), "{notes:?}");

    let scene = Scene::new();
    scene.hub.fail("GET /blob/", usize::MAX, Fault::WrongBytes);
    let mut wrong = scene.weights.clone();
    *wrong.last_mut().expect("not empty") ^= 1;
    let (expected, found) = (sha256(&scene.weights), sha256(&wrong));
    check_failure(
        &scene,
        &["model.safetensors of some/model", &expected, &found],
    );
    assert_eq!(partial_bytes(&scene), None, "nothing of it is kept");

    let scene = Scene::new();
    scene
        .hub
        .fail("/api/resolve-cache/", usize::MAX, Fault::WrongBytes);
    check_failure(
        &scene,
        &["config.json of some/model has the wrong SHA-1 of git"],
    );
    assert_eq!(scene.blobs(), [""; 0]);
}

#[test]
fn a_wrong_beginning_from_an_earlier_run_is_noticed() {
    let scene = Scene::new();
    let partial = scene.path(&format!("blobs/{}.incomplete", sha256(&scene.weights)));
    fs::create_dir_all(partial.parent().expect("a folder")).expect("writable");
    fs::write(&partial, vec![0; 1000]).expect("writable");
    check_survival(&scene, 1);
    // Also a partial file that is longer than the file, and one that is complete.
    for bytes in [vec![0; 4_000_000], scene.weights.clone()] {
        fs::remove_dir_all(scene.path("snapshots")).expect("there");
        fs::remove_dir_all(scene.path("blobs")).expect("there");
        fs::create_dir_all(scene.path("blobs")).expect("writable");
        fs::write(&partial, bytes).expect("writable");
        check_survival(&scene, 0);
    }
}

#[test]
fn a_wrong_length_is_noticed() {
    let scene = Scene::new();
    // The length header is wrong: to the client it looks like the end of the file.
    scene.hub.fail("GET /blob/", 1, Fault::Length(2_000_000));
    check_survival(&scene, 1);

    let scene = Scene::new();
    scene.hub.fail("GET /blob/", usize::MAX, Fault::Length(100));
    check_failure(
        &scene,
        &["closed the connection after 500 bytes", "5 tries"],
    );

    let scene = Scene::new();
    scene.hub.fail("GET /blob/", usize::MAX, Fault::Length(-10));
    check_failure(&scene, &["has the wrong length", "expected 3000000 bytes"]);
}

#[test]
fn a_server_without_ranges_or_with_wrong_ones_is_met_by_a_new_beginning() {
    for fault in [Fault::IgnoreRange, Fault::OtherRange] {
        let scene = Scene::new();
        scene.hub.fail("GET /blob/", 1, Fault::CutAfter(1_000_000));
        scene.hub.fail("GET /blob/", 1, fault.clone());
        let (fetched, notes) = fetch(scene.settings(), "hf:some/model");
        let fetched = fetched.expect("it arrives");
        assert_eq!(
            fs::read(&fetched.paths()[2]).expect("readable"),
            scene.weights
        );
        let tries = if matches!(fault, Fault::IgnoreRange) {
            1
        } else {
            2
        };
        assert_eq!(notes.len(), tries, "{notes:?}");
    }
}

#[test]
fn what_is_no_hub_is_named() {
    let scene = Scene::new();
    let page = Fault::Status(
        200,
        vec![("Content-Type", "text/html".to_owned())],
        "<html>Log in",
    );
    scene.hub.fail("/revision/", usize::MAX, page);
    check_failure(
        &scene,
        &["does not respond as a hub does", "no JSON", "HF_ENDPOINT"],
    );
    scene.hub.heal();
    let other = Fault::Status(200, Vec::new(), "{\"sha\": \"../..\", \"siblings\": []}");
    scene.hub.fail("/revision/", usize::MAX, other);
    check_failure(&scene, &["is not a commit"]);
    scene.hub.heal();
    let loops = Fault::Status(
        302,
        vec![("Location", "/api/models/some/model/revision/x".to_owned())],
        "",
    );
    scene.hub.fail("/revision/", usize::MAX, loops);
    check_failure(&scene, &["redirects without end"]);
    scene.hub.heal();
    let elsewhere = Fault::Status(302, vec![("Location", "file:///etc/passwd".to_owned())], "");
    scene.hub.fail("/resolve/", usize::MAX, elsewhere);
    check_failure(&scene, &["an unusable redirect"]);
}

#[test]
fn no_network_is_told_at_once() {
    let scene = Scene::new();
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("an address");
    drop(free);
    let closed = |endpoint: String| Settings {
        endpoint,
        ..scene.settings()
    };
    let (fetched, notes) = fetch(closed(format!("http://{address}")), "hf:some/model");
    let error = fetched.expect_err("nobody is there");
    says(
        &error,
        &[
            "cannot reach 127.0.0.1:",
            "refused",
            "check the network",
            "trainer fetch",
        ],
    );
    assert_eq!(notes, [""; 0], "waiting would not help");
    assert!(!error.is_mistake());
    let (fetched, _) = fetch(
        closed("http://no-such-host.invalid".to_owned()),
        "hf:some/model",
    );
    says(
        &fetched.expect_err("no name"),
        &["cannot reach no-such-host.invalid"],
    );
    let (fetched, _) = fetch(closed("nonsense".to_owned()), "hf:some/model");
    fetched.expect_err("no address");
}
