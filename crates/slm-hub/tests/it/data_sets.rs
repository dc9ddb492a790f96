//! Selection of the files of a data set.

use slm_hub::Hub;

use crate::{ENDINGS, Scene, fetch_data, name, says};

fn files(scene: &Scene, text: &str) -> Vec<String> {
    let fetched = fetch_data(scene.settings(), text).expect(text);
    let files = fetched.provenance.files.into_iter();
    files.map(|file| file.path).collect()
}

#[test]
fn a_data_set_comes_as_its_training_files() {
    let scene = Scene::new();
    scene.hub.publish(
        "datasets",
        "some/data",
        "main",
        &[
            ("README.md", b"x"),
            ("data/train-00000-of-00001.parquet", b"train"),
            ("data/test-00000-of-00001.parquet", b"test"),
        ],
    );
    assert_eq!(
        files(&scene, "hf:some/data"),
        ["data/train-00000-of-00001.parquet"]
    );
    assert_eq!(
        files(&scene, "hf:some/data#data/test-*.parquet"),
        ["data/test-00000-of-00001.parquet"]
    );
    let error = fetch_data(scene.settings(), "hf:some/data#dev.parquet");
    says(
        &error.expect_err("none"),
        &["dev.parquet", "hint: its files: data/"],
    );
    // Data sets and models have separate name spaces.
    let error = crate::fetch(scene.settings(), "hf:some/data").0;
    says(&error.expect_err("none"), &["no model some/data"]);
}

#[test]
fn what_cannot_be_read_comes_as_the_hub_has_converted_it() {
    let scene = Scene::new();
    let script = [
        ("README.md", &b"x"[..]),
        ("loader.py", b"x"),
        ("data.tar", b"x"),
    ];
    scene
        .hub
        .publish("datasets", "some/script", "main", &script);
    let error = fetch_data(scene.settings(), "hf:some/script").expect_err("not converted");
    assert!(
        error
            .to_string()
            .contains("has not converted it to parquet"),
        "{error}"
    );
    let commit = scene.hub.publish(
        "datasets",
        "some/script",
        "refs/convert/parquet",
        &[
            ("default/train/0000.parquet", b"0"),
            ("default/train/0001.parquet", b"1"),
            ("default/test/0000.parquet", b"t"),
        ],
    );
    let fetched = fetch_data(scene.settings(), "hf:some/script").expect("converted");
    assert_eq!(fetched.provenance.revision, "refs/convert/parquet");
    assert_eq!(fetched.provenance.commit, commit);
    assert_eq!(fetched.provenance.files.len(), 2);
    // Offline it is found by both names.
    for text in ["hf:some/script", "hf:some/script@refs/convert/parquet"] {
        let again = fetch_data(scene.offline(), text).expect(text);
        assert_eq!(again.paths(), fetched.paths());
    }
    // The conversion of `main` does not apply to another revision.
    scene.hub.publish("datasets", "some/script", "v1", &script);
    let error = fetch_data(scene.settings(), "hf:some/script@v1");
    says(
        &error.expect_err("another state"),
        &["is of another", "@refs/convert/parquet"],
    );
}

#[test]
fn a_benchmark_is_one_file() {
    let scene = Scene::new();
    scene.hub.publish(
        "datasets",
        "some/benchmark",
        "main",
        &[
            ("full/test-00000-of-00001.parquet", b"f"),
            ("sanitized/test-00000-of-00001.parquet", b"s"),
        ],
    );
    let fetch =
        |text: &str| Hub::new(scene.settings()).fetch_file(&name(text), &ENDINGS, &mut |_| {});
    let fetched = fetch("hf:some/benchmark#sanitized").expect("one");
    assert_eq!(fetched.provenance.files[0].bytes, 1);
    let error = fetch("hf:some/benchmark").expect_err("two");
    says(&error, &["holds 2 files", "hf:some/benchmark#full/test-"]);
}
