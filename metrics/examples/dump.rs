use std::io::Write;
fn main() {
    let legacy = std::env::args().nth(1).as_deref() == Some("legacy");
    let fstrings = if legacy { metrics::Fstrings::Legacy } else { metrics::Fstrings::Pep701 };
    let list = std::io::read_to_string(std::io::stdin()).unwrap();
    let mut out = std::io::stdout().lock();
    for path in list.lines() {
        let bytes = std::fs::read(path).unwrap();
        let report = match String::from_utf8(bytes) {
            Ok(s) => metrics::FileReport::from(metrics::analyze_with(&s, metrics::Options { fstrings })),
            Err(_) => metrics::FileReport::Failed { error: "utf8".into() },
        };
        writeln!(out, "{}", serde_json::to_string(&serde_json::json!({"path": path, "m": report})).unwrap()).unwrap();
    }
}
