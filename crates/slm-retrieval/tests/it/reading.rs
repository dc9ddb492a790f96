//! Lines of indexed files.

use slm_retrieval::{Mask, ReadError};

use crate::index_of;

#[test]
fn lines_are_read_by_name_or_by_its_end() {
    let index = index_of(&[
        ("src/a.py", "x = 1\ny = 2\nz = 3\n"),
        ("b.md", "# B\n\nText."),
    ]);
    let none = Mask::none();
    assert_eq!(
        index.read("src/a.py", 2, 3, &none).unwrap(),
        "y = 2\nz = 3\n"
    );
    assert_eq!(index.read("./a.py", 1, 1, &none).unwrap(), "x = 1\n");
    // Lines after the end are left out.
    assert_eq!(index.read("b.md", 3, 99, &none).unwrap(), "Text.\n");
}

#[test]
fn bad_names_and_ranges_are_errors_with_hints() {
    let index = index_of(&[("src/alpha.py", "x = 1\n"), ("a.md", "Text.\n")]);
    let none = Mask::none();
    for (from, to) in [(0, 1), (2, 3), (1, 0), (usize::MAX, usize::MAX)] {
        let error = index.read("src/alpha.py", from, to, &none).unwrap_err();
        assert!(
            matches!(error, ReadError::BadRange { n_lines: 1, .. }),
            "{error}"
        );
    }
    let error = index.read("src/alpah.py", 1, 1, &none).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`src/alpah.py` is not in the index\nhint: did you mean `src/alpha.py`?"
    );
    for name in ["/etc/passwd", "../a.md", "", "pha.py", "."] {
        let error = index.read(name, 1, 1, &none).unwrap_err();
        assert!(matches!(error, ReadError::NotInIndex { .. }), "{name}");
    }
}

#[test]
fn a_name_that_ends_two_files_is_not_in_the_index() {
    let index = index_of(&[("a/x.py", "def f(): pass\n"), ("b/x.py", "y = 1\n")]);
    assert!(index.read("x.py", 1, 1, &Mask::none()).is_err());
    assert!(index.read("b/x.py", 1, 1, &Mask::none()).is_ok());
}
