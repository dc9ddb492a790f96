//! Downloaded files in the shared layout, and the number of requests.

use std::fs;

use slm_artifacts::sha256;
use slm_hub::hash::git_blob;
use slm_hub::{Hub, Kind, ModelParts, Progress};

use crate::support::Fault;
use crate::{CONFIG, Scene, TOKENIZER, fetch, name, says, weights};

#[test]
fn a_model_arrives_in_the_shared_layout_with_its_hashes() {
    let scene = Scene::new();
    let fetched = scene.fetch().expect("it is there");
    let commit = &scene.commit;
    assert_eq!(fetched.folder, scene.path(&format!("snapshots/{commit}")));
    let record = &fetched.provenance;
    assert_eq!(
        (
            record.kind,
            record.repository.as_str(),
            record.revision.as_str()
        ),
        (Kind::Model, "some/model", "main")
    );
    assert_eq!(&record.commit, commit);
    let files: Vec<_> = record
        .files
        .iter()
        .map(|file| (file.path.as_str(), file.bytes, file.sha256.clone()))
        .collect();
    let expected = [
        ("config.json", CONFIG),
        ("tokenizer.json", TOKENIZER),
        ("model.safetensors", &scene.weights),
    ]
    .map(|(path, bytes)| (path, bytes.len() as u64, sha256(bytes)));
    assert_eq!(files, expected);
    for (path, bytes) in fetched
        .paths()
        .iter()
        .zip([CONFIG, TOKENIZER, &scene.weights])
    {
        assert_eq!(fs::read(path).expect("readable"), bytes);
    }

    let mut blobs = vec![
        git_blob(CONFIG),
        git_blob(TOKENIZER),
        sha256(&scene.weights),
    ];
    blobs.sort();
    assert_eq!(scene.names("blobs"), blobs);
    assert_eq!(
        fs::read_to_string(scene.path("refs/main")).expect("a branch"),
        *commit
    );
    let link = scene.path(&format!("snapshots/{commit}/model.safetensors"));
    assert_eq!(
        fs::read_link(link).expect("a link").to_str(),
        Some(format!("../../blobs/{}", sha256(&scene.weights)).as_str())
    );
    assert_eq!(
        scene.names(&format!("snapshots/{commit}")),
        ["config.json", "model.safetensors", "tokenizer.json"],
        "nothing that a model does not need"
    );
    let bytes = CONFIG.len() + TOKENIZER.len() + scene.weights.len();
    assert_eq!(fetched.downloaded_bytes, bytes as u64);
}

#[test]
fn a_second_time_only_the_branch_is_asked_for_and_a_commit_needs_nothing() {
    let scene = Scene::new();
    scene.fetch().expect("it is there");
    scene.hub.seen();
    let again = scene.fetch().expect("still there");
    assert_eq!(again.downloaded_bytes, 0);
    let seen = scene.hub.seen();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(
        seen[0].path,
        "/api/models/some/model/revision/main?blobs=true"
    );

    let pinned = format!("hf:some/model@{}", scene.commit);
    let fetched = fetch(scene.settings(), &pinned).0.expect("a commit");
    assert_eq!(fetched.folder, again.folder);
    assert_eq!(scene.hub.seen(), []);
}

#[test]
fn a_branch_that_moved_brings_only_what_changed() {
    let scene = Scene::new();
    scene.fetch().expect("it is there");
    let newer = scene.hub.publish(
        "models",
        "some/model",
        "main",
        &[
            ("config.json", b"{\"model_type\": \"llama\"}\n"),
            ("tokenizer.json", TOKENIZER),
            ("model.safetensors", &scene.weights),
        ],
    );
    let fetched = scene.fetch().expect("the newer one");
    assert_eq!(fetched.provenance.commit, newer);
    assert_eq!(fetched.downloaded_bytes, 24);
    assert_eq!(scene.names("snapshots").len(), 2);
    let pinned = format!("hf:some/model@{}", scene.commit);
    let older = fetch(scene.settings(), &pinned).0.expect("the older one");
    assert_eq!(fs::read(&older.paths()[0]).expect("readable"), CONFIG);
}

#[test]
fn the_token_goes_to_the_hub_and_to_nobody_else() {
    let scene = Scene::new();
    scene.hub.want_token("hf_secret");
    let (fetched, _) = fetch(scene.with_token("hf_secret"), "hf:some/model");
    fetched.expect("the token opens it");
    let seen = scene.hub.seen();
    assert!(seen.iter().any(|request| request.server == "cdn"));
    for request in seen {
        let expected = (request.server == "hub").then(|| "Bearer hf_secret".to_owned());
        assert_eq!(request.authorization, expected, "{}", request.path);
    }
}

#[test]
fn shards_come_by_their_index_and_before_them_everything_else() {
    let scene = Scene::new();
    let index = br#"{"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}"#;
    let (first, second) = (weights(5000), weights(6000));
    scene.hub.publish(
        "models",
        "some/large",
        "v1.0",
        &[
            ("config.json", CONFIG),
            ("chat_template.jinja", b"{{ messages }}"),
            ("tokenizer.json", TOKENIZER),
            ("model.safetensors.index.json", index),
            ("model-00001-of-00002.safetensors", &first),
            ("model-00002-of-00002.safetensors", &second),
            ("consolidated.safetensors", &second),
        ],
    );
    let fetched = fetch(scene.settings(), "hf:some/large@v1.0")
        .0
        .expect("there");
    let paths: Vec<_> = fetched
        .provenance
        .files
        .iter()
        .map(|file| file.path.as_str())
        .collect();
    assert_eq!(
        paths,
        [
            "config.json",
            "tokenizer.json",
            "chat_template.jinja",
            "model.safetensors.index.json",
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
        ]
    );
}

#[test]
fn one_gguf_file_is_fetched_alone() {
    let scene = Scene::new();
    let (small, large) = (weights(2000), weights(4000));
    scene.hub.publish(
        "models",
        "some/gguf",
        "main",
        &[("m-q4.gguf", &small), ("sub dir/m-q8.gguf", &large)],
    );
    let fetched = fetch(scene.settings(), "hf:some/gguf#sub dir/m-q8.gguf");
    let fetched = fetched.0.expect("there");
    assert_eq!(fs::read(&fetched.paths()[0]).expect("readable"), large);
    assert_eq!(fetched.provenance.files.len(), 1);
    let error = fetch(scene.settings(), "hf:some/gguf").0.expect_err("two");
    says(
        &error,
        &["holds no model that can be read", "hf:some/gguf#m-q4.gguf"],
    );
    let error = fetch(scene.settings(), "hf:some/gguf#m-q5.gguf").0;
    says(
        &error.expect_err("none"),
        &["no file m-q5.gguf", "m-q4.gguf"],
    );
}

#[test]
fn a_listing_without_hashes_is_made_up_for_by_requests_for_headers() {
    let scene = Scene::new();
    scene.hub.be_terse();
    let fetched = scene.fetch().expect("it is there");
    let heads = scene.hub.seen();
    let heads = heads.iter().filter(|request| request.method == "HEAD");
    // A relative redirect of each small file is followed.
    assert_eq!(heads.count(), 5);
    assert_eq!(fetched.provenance.files[2].sha256, sha256(&scene.weights));
    assert!(scene.blobs().contains(&sha256(&scene.weights)));
    // Cached files are not requested again, only the listing.
    let again = scene.fetch().expect("still there");
    assert_eq!(again.provenance, fetched.provenance);
    assert_eq!(scene.hub.seen().len(), 1);
}

#[test]
fn runs_at_the_same_time_take_turns_and_bring_each_file_once() {
    let scene = Scene::new();
    std::thread::scope(|scope| {
        let runs = [(); 4].map(|()| scope.spawn(|| scene.fetch().map(|it| it.downloaded_bytes)));
        let bytes = runs.map(|run| run.join().expect("no panic").expect("it is there"));
        let expected = CONFIG.len() + TOKENIZER.len() + scene.weights.len();
        assert_eq!(bytes.iter().sum::<u64>(), expected as u64);
    });
    let seen = scene.hub.seen();
    assert_eq!(seen.iter().filter(|it| it.server == "cdn").count(), 1);
}

#[test]
fn progress_is_told_in_bytes() {
    let scene = Scene::new();
    let mut last = (0, None);
    let (hub, name) = (Hub::new(scene.settings()), name("hf:some/model"));
    let fetched = hub.fetch_model(&name, ModelParts::All, &mut |progress| {
        if let Progress::Downloading {
            file: "model.safetensors",
            bytes,
            total_bytes,
        } = progress
        {
            assert!(bytes >= last.0);
            last = (bytes, total_bytes);
        }
    });
    fetched.expect("it is there");
    assert_eq!(last, (3_000_000, Some(3_000_000)));
}

#[test]
fn a_file_that_was_changed_is_noticed_and_fetched_again() {
    let scene = Scene::new();
    scene.fetch().expect("it is there");
    let blob = scene.path(&format!("blobs/{}", sha256(&scene.weights)));
    fs::write(&blob, "damaged").expect("writable");
    let fetched = scene.fetch().expect("mended");
    assert_eq!(fetched.downloaded_bytes, scene.weights.len() as u64);
    assert_eq!(fs::read(&blob).expect("readable"), scene.weights);
    // The same bytes with another modification time are hashed and kept.
    fs::write(&blob, &scene.weights).expect("writable");
    scene
        .hub
        .fail("GET /blob/", usize::MAX, Fault::hub(500, ""));
    let mut hashed = 0;
    let (hub, name) = (Hub::new(scene.settings()), name("hf:some/model"));
    let again = hub.fetch_model(&name, ModelParts::All, &mut |progress| {
        hashed += usize::from(matches!(progress, Progress::Verifying { .. }));
    });
    assert_eq!(again.expect("kept").downloaded_bytes, 0);
    assert!(hashed > 0);
}

#[test]
fn a_model_without_weights_is_all_that_a_prompt_needs() {
    let scene = Scene::new();
    let (hub, name) = (Hub::new(scene.settings()), name("hf:some/model"));
    let fetched = hub.fetch_model(&name, ModelParts::WithoutWeights, &mut |_| {});
    let fetched = fetched.expect("it is there");
    let files = fetched.provenance.files.iter();
    let files: Vec<&str> = files.map(|file| file.path.as_str()).collect();
    assert!(
        files.contains(&"config.json") && files.contains(&"tokenizer.json"),
        "{files:?}"
    );
    assert!(!files.contains(&"model.safetensors"), "{files:?}");
    let expected = CONFIG.len() + TOKENIZER.len();
    assert_eq!(fetched.downloaded_bytes, expected as u64);
    // A later run downloads only the rest.
    let rest = scene.fetch().expect("it is there").downloaded_bytes;
    assert_eq!(rest, scene.weights.len() as u64);
}
