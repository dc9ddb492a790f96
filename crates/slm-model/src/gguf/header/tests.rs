//! Valid, broken and hostile headers.

use super::super::fixture::{Fixture, opened};
use super::super::{layout, vocabulary};
use super::*;
use crate::mutants::mutants;

fn refusal(bytes: &[u8]) -> String {
    opened(bytes)
        .map(|_| ())
        .expect_err("must be refused")
        .to_string()
}

/// A header with one key of type `kind` with the value `value`.
fn with_key(kind: u32, value: &[u8]) -> Vec<u8> {
    Fixture::new().raw_pair("k", kind, value).bytes()
}

/// A header with one tensor of these dimensions (in the file's order), type and offset, and 64 bytes of data.
fn with_tensor(dimensions: &[u64], kind: u32, offset: u64) -> Vec<u8> {
    Fixture::new()
        .raw_tensor("t", dimensions, kind, offset)
        .data(64)
        .bytes()
}

#[test]
fn every_metadata_type_is_read_in_versions_2_and_3() {
    for version in [2, 3] {
        let bytes = Fixture::of_version(version)
            .raw_pair("u8", 0, &[200])
            .raw_pair("i8", 1, &(-3_i8).to_le_bytes())
            .raw_pair("u16", 2, &60_000_u16.to_le_bytes())
            .raw_pair("i16", 3, &(-300_i16).to_le_bytes())
            .raw_pair("u32", 4, &4_000_000_000_u32.to_le_bytes())
            .raw_pair("i32", 5, &(-70_000_i32).to_le_bytes())
            .raw_pair("f32", 6, &0.5_f32.to_le_bytes())
            .raw_pair("bool", 7, &[1])
            .string("string", "größer")
            .raw_pair("u64", 10, &u64::MAX.to_le_bytes())
            .raw_pair("i64", 11, &i64::MIN.to_le_bytes())
            .raw_pair("f64", 12, &0.1_f64.to_le_bytes())
            .array("i16s", 3, 2, &[1, 0, 0xff, 0xff])
            .array("bools", 7, 2, &[1, 0])
            .array("f32s", 6, 1, &0.5_f32.to_le_bytes())
            .strings("strings", &["a", ""])
            .array("nested", 9, 1, &[0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 7, 9])
            .bytes();
        let (_folder, file) = opened(&bytes).expect("valid");
        let expect = |key: &str, value: MetadataValue| {
            assert_eq!(file.metadata().pairs.get(key), Some(&value), "{key}");
        };
        expect("u8", MetadataValue::Integer(200));
        expect("i8", MetadataValue::Integer(-3));
        expect("u16", MetadataValue::Integer(60_000));
        expect("i16", MetadataValue::Integer(-300));
        expect("u32", MetadataValue::Integer(4_000_000_000));
        expect("i32", MetadataValue::Integer(-70_000));
        expect("f32", MetadataValue::Float(0.5));
        expect("bool", MetadataValue::Bool(true));
        expect("string", MetadataValue::String("größer".to_owned()));
        expect("u64", MetadataValue::Integer(i128::from(u64::MAX)));
        expect("i64", MetadataValue::Integer(i128::from(i64::MIN)));
        expect("f64", MetadataValue::Float(0.1));
        expect("i16s", MetadataValue::Integers(vec![1, -1]));
        expect("bools", MetadataValue::Integers(vec![1, 0]));
        expect("f32s", MetadataValue::Floats(vec![0.5]));
        expect(
            "strings",
            MetadataValue::Strings(vec!["a".to_owned(), String::new()]),
        );
        expect(
            "nested",
            MetadataValue::Arrays(vec![MetadataValue::Integers(vec![7, 9])]),
        );
    }
}

#[test]
fn what_is_no_readable_gguf_file_says_what_it_is_instead() {
    assert!(refusal(b"<!DOCTYPE html>").contains("begins with `<!DO`"));
    assert!(refusal(b"").contains("begins with ``"));
    assert!(refusal(b"GGUF\0\0\0\x03aaaaaaaaaaaaaaaa").contains("big-endian"));
    for version in [0, 1, 4] {
        let message = refusal(&Fixture::of_version(version).bytes());
        assert!(
            message.contains(&format!("version {version}, expected 2 or 3")),
            "{message}"
        );
    }
}

#[test]
fn a_file_cut_anywhere_is_an_error_and_not_a_panic() {
    let bytes = Fixture::tiny_model().bytes();
    opened(&bytes).expect("valid as a whole");
    for len in 4..bytes.len() {
        assert!(refusal(&bytes[..len]).contains("truncated"), "cut at {len}");
    }
}

#[test]
fn counts_beyond_the_file_are_refused_before_memory_is_taken() {
    let huge = u64::MAX.to_le_bytes();
    assert!(refusal(&with_key(8, &huge)).contains("truncated"));
    let array_of = |kind: u32| [&kind.to_le_bytes()[..], &huge].concat();
    for kind in 0..=12 {
        assert!(
            refusal(&with_key(9, &array_of(kind))).contains("truncated"),
            "type {kind}"
        );
    }
    let counts = |tensors: u64, pairs: u64| {
        let counts = [tensors.to_le_bytes(), pairs.to_le_bytes()].concat();
        [b"GGUF\x03\0\0\0", counts.as_slice()].concat()
    };
    assert!(refusal(&counts(u64::MAX, 0)).contains("tensors"));
    assert!(refusal(&counts(0, u64::MAX)).contains("metadata pairs"));
}

#[test]
fn impossible_metadata_are_corrupt() {
    for (bytes, expected) in [
        (with_key(13, &[0; 8]), "of unknown type 13"),
        (
            with_key(9, &[13, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            "of unknown type 13",
        ),
        (with_key(7, &[2]), "holds the boolean 2"),
        (with_key(8, &[1, 0, 0, 0, 0, 0, 0, 0, 0xff]), "is not UTF-8"),
        (
            Fixture::new().string("k", "").string("k", "").bytes(),
            "`k` occurs twice",
        ),
        (
            Fixture::new().integer("general.alignment", 48).bytes(),
            "a power of two",
        ),
    ] {
        assert!(refusal(&bytes).contains(expected), "{}", refusal(&bytes));
    }
    let mut deep = Vec::new();
    for _ in 0..6 {
        deep.extend([9, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    }
    assert!(refusal(&with_key(9, &deep)).contains("nests arrays too deep"));
}

#[test]
fn impossible_tensors_are_refused() {
    for (bytes, expected) in [
        (with_tensor(&[], 0, 0), "0 dimensions"),
        (with_tensor(&[1; 5], 0, 0), "5 dimensions"),
        (with_tensor(&[0], 0, 0), "a dimension of 0"),
        (with_tensor(&[33], 8, 0), "whole blocks of 32"),
        (with_tensor(&[4], 0, 4), "a multiple of 32"),
        (with_tensor(&[17], 0, 0), "truncated: tensor `t` needs"),
        (with_tensor(&[1], 0, u64::MAX - 31), "truncated"),
        (with_tensor(&[1 << 40, 1 << 40], 0, 0), "truncated"),
        (with_tensor(&[u64::MAX; 4], 0, 0), "truncated"),
        (with_tensor(&[256], 16, 0), "`t` is of type IQ2_XXS"),
        (with_tensor(&[256], 77, 0), "of type number 77"),
    ] {
        assert!(
            refusal(&bytes).contains(expected),
            "{expected}: {}",
            refusal(&bytes)
        );
    }
    let two = |offset| {
        Fixture::new()
            .raw_tensor("a", &[8], 0, 0)
            .raw_tensor("b", &[8], 0, offset)
    };
    opened(&two(32).data(64).bytes()).expect("apart");
    assert!(refusal(&two(0).data(64).bytes()).contains("overlap"));
    let twice = Fixture::new()
        .raw_tensor("a", &[8], 0, 0)
        .raw_tensor("a", &[8], 0, 32)
        .data(64);
    assert!(refusal(&twice.bytes()).contains("`a` occurs twice"));
}

#[test]
fn arrays_and_entries_have_a_bound_that_keeps_memory_small() {
    let two = |count: u64| {
        let bytes = vec![0; count as usize];
        let half = Fixture::new().array("a", 0, count, &bytes);
        half.array("b", 0, count, &bytes).bytes()
    };
    let message = refusal(&two(MAX_ELEMENTS as u64 / 2 + 1));
    assert!(message.contains("`b`: arrays of more than"), "{message}");
    opened(&two(MAX_ELEMENTS as u64 / 2)).expect("within the bound");
    let most = MAX_ENTRIES as u64;
    for (counts, expected) in [
        ([most + 1, 0], "tensors"),
        ([0, most + 1], "metadata pairs"),
    ] {
        let mut bytes = b"GGUF\x03\0\0\0".to_vec();
        bytes.extend(counts.map(u64::to_le_bytes).as_flattened());
        bytes.resize(bytes.len() + 32 * MAX_ENTRIES, 0);
        let message = refusal(&bytes);
        assert!(
            message.contains(&format!("65537 {expected}, expected")),
            "{message}"
        );
    }
}

#[test]
fn mutated_files_end_in_an_error_or_a_model_but_never_in_a_panic() {
    let whole = Fixture::tiny_model().bytes();
    let mut accepted = 0;
    for bytes in mutants(&whole, 7, 1_500) {
        let Ok((_folder, file)) = opened(&bytes) else {
            continue;
        };
        accepted += 1;
        for (name, info) in file.tensors() {
            let tensor = file.tensor(name).expect("its place was checked");
            assert_eq!(tensor.values.len(), info.shape.iter().product::<usize>());
        }
        // Both may return an error; neither may panic.
        drop(layout::config_of(&file));
        if let Ok(tokenizer) = vocabulary::tokenizer_of(file.metadata()) {
            drop(tokenizer.encode("ab <s> ab", false));
        }
    }
    assert!(
        accepted > 100,
        "{accepted} mutants were accepted: the test must get past the header"
    );
}
