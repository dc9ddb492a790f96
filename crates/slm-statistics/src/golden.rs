//! Reads the values computed by scipy and statsmodels.

use serde_json::Value;

/// Returns the whole golden file.
pub(crate) fn golden() -> Value {
    let text = include_str!("../tests/it/golden/scipy/expected.json");
    serde_json::from_str(text).expect("the golden file is JSON")
}

/// Accessors that panic if the golden file has another structure.
pub(crate) trait Golden {
    fn cases(&self) -> &[Value];
    fn number(&self) -> f64;
    fn numbers(&self) -> Vec<f64>;
    fn rows(&self) -> Vec<Vec<usize>>;
    fn texts(&self) -> Vec<String>;
}

impl Golden for Value {
    fn cases(&self) -> &[Value] {
        let cases = self.as_array().expect("a list of cases");
        assert!(!cases.is_empty(), "a list of cases is empty");
        cases
    }

    fn number(&self) -> f64 {
        self.as_f64().expect("a number")
    }

    fn numbers(&self) -> Vec<f64> {
        self.cases().iter().map(Golden::number).collect()
    }

    fn rows(&self) -> Vec<Vec<usize>> {
        let row = |row: &Value| row.numbers().iter().map(|&at| at as usize).collect();
        self.cases().iter().map(row).collect()
    }

    fn texts(&self) -> Vec<String> {
        let text = |text: &Value| text.as_str().expect("a text").to_owned();
        self.cases().iter().map(text).collect()
    }
}

/// Asserts agreement to 1e-9, relative to values above 1.
pub(crate) fn assert_close(found: f64, expected: f64) {
    let tolerance = 1e-9 * expected.abs().max(1.0);
    assert!(
        (found - expected).abs() <= tolerance,
        "found {found}, expected {expected}"
    );
}
