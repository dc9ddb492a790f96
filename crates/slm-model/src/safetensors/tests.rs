//! Valid, broken and hostile files.

use super::*;
use crate::mutants::mutants;

/// A file with one tensor `w` of type `dtype` and shape `[2]` with the bytes `data`.
fn bytes_of(dtype: &str, data: &[u8]) -> Vec<u8> {
    let header = format!(
        r#"{{"w":{{"dtype":"{dtype}","shape":[2],"data_offsets":[0,{}]}}}}"#,
        data.len()
    );
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(data);
    bytes
}

fn open(bytes: &[u8]) -> Result<(tempfile::TempDir, SafetensorsFile), SafetensorsError> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join(SINGLE);
    std::fs::write(&path, bytes).expect("writable");
    SafetensorsFile::open(&path).map(|file| (folder, file))
}

fn message(bytes: &[u8]) -> String {
    open(bytes)
        .map(|_| ())
        .expect_err("must be refused")
        .to_string()
}

#[test]
fn all_three_number_types_widen_to_single_precision() {
    let single: Vec<u8> = [1.5_f32, -2.0]
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .collect();
    let half: Vec<u8> = [1.5, -2.0]
        .iter()
        .flat_map(|&v| f16::from_f32(v).to_le_bytes())
        .collect();
    let brain: Vec<u8> = [1.5, -2.0]
        .iter()
        .flat_map(|&v| bf16::from_f32(v).to_le_bytes())
        .collect();
    for (dtype, data) in [("F32", single), ("F16", half), ("BF16", brain)] {
        let (_folder, file) = open(&bytes_of(dtype, &data)).expect("valid");
        let tensor = file.tensor("w").expect("readable");
        assert_eq!(
            (tensor.shape, tensor.values),
            (vec![2], vec![1.5, -2.0]),
            "{dtype}"
        );
    }
}

#[test]
fn other_number_types_are_named() {
    let (_folder, file) = open(&bytes_of("I64", &[0; 16])).expect("a valid file");
    let error = file.tensor("w").expect_err("unsupported").to_string();
    assert!(error.contains("`w`") && error.contains("I64"), "{error}");
}

#[test]
fn a_file_cut_anywhere_is_an_error_that_says_how_long_it_should_be() {
    let bytes = bytes_of("F32", &[0; 8]);
    for len in 0..bytes.len() {
        assert!(message(&bytes[..len]).contains("truncated"), "cut at {len}");
    }
    assert!(message(&bytes[..bytes.len() - 1]).contains(&format!(
        "needs {} bytes, found {}",
        bytes.len(),
        bytes.len() - 1
    )));
}

/// A file of a few tensors, one of which is empty.
fn some_tensors() -> Vec<u8> {
    let header = r#"{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},
        "b":{"dtype":"BF16","shape":[4],"data_offsets":[24,32]},"c":{"dtype":"F16","shape":[0,7],"data_offsets":[32,32]},
        "d":{"dtype":"U8","shape":[],"data_offsets":[32,33]}}"#;
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend([0x3c; 33]);
    bytes
}

#[test]
fn mutated_files_end_in_an_error_or_tensors_but_never_in_a_panic() {
    let whole = some_tensors();
    open(&whole).expect("valid as a whole");
    let mut accepted = 0;
    for bytes in mutants(&whole, 11, 1_500) {
        let Ok((_folder, file)) = open(&bytes) else {
            continue;
        };
        accepted += 1;
        for name in file.names() {
            if let Ok(tensor) = file.tensor(&name) {
                let len: usize = tensor.shape.iter().product();
                assert_eq!(tensor.values.len(), len);
                assert!(2 * len <= bytes.len(), "no more values than bytes");
            }
        }
    }
    assert!(accepted > 50, "{accepted} mutants were accepted");
}

#[test]
fn hostile_headers_are_refused_before_memory_is_taken() {
    let with_header = |header: &str, data: usize| {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(header.as_bytes());
        bytes.resize(bytes.len() + data, 0);
        bytes
    };
    let tensor = |shape: &str, offsets: &str| {
        format!(r#"{{"dtype":"F32","shape":{shape},"data_offsets":{offsets}}}"#)
    };
    let (max, deep) = (u64::MAX.to_string(), "[".repeat(100_000));
    for (header, data) in [
        (
            format!(r#"{{"w":{}}}"#, tensor(&format!("[{max},{max}]"), "[0,8]")),
            8,
        ),
        (
            format!(r#"{{"w":{}}}"#, tensor("[4611686018427387904,4]", "[0,0]")),
            0,
        ),
        (
            format!(r#"{{"w":{}}}"#, tensor("[2]", &format!("[{max},{max}]"))),
            8,
        ),
        (format!(r#"{{"w":{}}}"#, tensor("[2]", "[8,0]")), 8),
        // Two tensors that overlap, and one that starts after a gap.
        (format!(r#"{{"v":{0},"w":{0}}}"#, tensor("[2]", "[0,8]")), 8),
        (
            format!(
                r#"{{"v":{},"w":{}}}"#,
                tensor("[2]", "[0,8]"),
                tensor("[2]", "[4,12]")
            ),
            12,
        ),
        (format!(r#"{{"w":{}}}"#, tensor("[2]", "[8,16]")), 16),
        (format!(r#"{{"w":{deep}"#), 8),
        (format!(r#"{{"__metadata__":{deep}"#), 8),
    ] {
        let message = message(&with_header(&header, data));
        assert!(
            message.contains("corrupt") && message.len() < 1_000,
            "{message}"
        );
    }
    // Of two entries with the same name the last counts, as in Python.
    let twice = format!(
        r#"{{"w":{},"w":{}}}"#,
        tensor("[9]", "[0,36]"),
        tensor("[2]", "[0,8]")
    );
    let (_folder, file) = open(&with_header(&twice, 8)).expect("valid");
    assert_eq!(file.shape("w"), Some(&[2][..]));
}

#[test]
fn an_index_of_many_megabytes_is_refused_unread() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = std::fs::File::create(folder.path().join(INDEX)).expect("a file");
    file.set_len(1 << 40).expect("a sparse file");
    let error = SafetensorsFolder::open(folder.path()).expect_err("refused");
    let error = error.to_string();
    assert!(
        error.contains("not a regular file of at most 4194304 bytes"),
        "{error}"
    );
}

#[test]
fn mutated_indices_end_in_an_error_or_a_folder_but_never_in_a_panic() {
    let whole = br#"{"metadata": {"total_size": 8}, "weight_map": {"w": "a.safetensors"}}"#;
    let mut accepted = 0;
    for bytes in mutants(whole, 29, 500) {
        let (_folder, opened) = folder_with_index(&String::from_utf8_lossy(&bytes));
        accepted += usize::from(opened.is_ok_and(|folder| folder.tensor("w").is_ok()));
    }
    assert!(accepted > 20, "{accepted} mutants were accepted");
}

#[test]
fn what_is_no_safetensors_file_says_what_it_is_instead() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n";
    let text = message(pointer.as_bytes());
    assert!(
        text.contains("a git-lfs pointer") && text.contains("hint: run `git lfs pull`"),
        "{text}"
    );
    let page = message(b"<!DOCTYPE html><html><body>404</body></html>");
    assert!(page.contains("begins with `<!DOCTYPE ht`"), "{page}");
}

#[test]
fn corrupt_headers_are_refused() {
    let mut longer = bytes_of("F32", &[0; 8]);
    longer.push(0);
    assert!(message(&longer).contains("1 bytes after the last tensor"));
    assert!(message(&[0xff; 64]).contains("a header of"));
    assert!(message(&bytes_of("F32", &[0; 12])).contains("corrupt"));
    let mut garbled = bytes_of("F32", &[0; 8]);
    garbled[8] = b'?';
    assert!(message(&garbled).contains("corrupt"));
}

fn folder_with_index(
    index: &str,
) -> (
    tempfile::TempDir,
    Result<SafetensorsFolder, SafetensorsError>,
) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join(INDEX), index).expect("writable");
    std::fs::write(
        folder.path().join("a.safetensors"),
        bytes_of("F32", &[0; 8]),
    )
    .expect("writable");
    let opened = SafetensorsFolder::open(folder.path());
    (folder, opened)
}

#[test]
fn an_index_leads_to_the_shard_that_holds_a_tensor() {
    let (_folder, opened) = folder_with_index(r#"{"weight_map": {"w": "a.safetensors"}}"#);
    let opened = opened.expect("valid");
    assert_eq!(opened.tensor("w").expect("readable").values, [0.0; 2]);
    let error = opened.tensor("v").expect_err("no such tensor").to_string();
    assert!(error.contains("`v` is missing"), "{error}");
}

#[test]
fn mistakes_in_an_index_are_named() {
    for (index, expected) in [
        (
            r#"{"weight_map": {"w": "b.safetensors"}}"#,
            "shard is missing",
        ),
        (
            r#"{"weight_map": {"v": "a.safetensors"}}"#,
            "tensor `v` is missing",
        ),
        (
            r#"{"weight_map": {"w": "../a.safetensors"}}"#,
            "not a plain file name",
        ),
        (r#"{"weights": {}}"#, "weight_map"),
    ] {
        let (_folder, opened) = folder_with_index(index);
        let error = opened.expect_err("must be refused").to_string();
        assert!(error.contains(expected), "{index}: {error}");
    }
}

#[test]
fn a_folder_without_weights_is_an_error() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let error = SafetensorsFolder::open(folder.path())
        .expect_err("empty")
        .to_string();
    assert!(error.contains("model.safetensors"), "{error}");
    std::fs::write(folder.path().join("pytorch_model.bin"), "").expect("writable");
    let error = SafetensorsFolder::open(folder.path())
        .expect_err("pickled")
        .to_string();
    assert!(error.contains("hint: pytorch_model.bin"), "{error}");
}
