use std::time::Instant;
fn main() {
    let mode = std::env::args().nth(1).unwrap();
    let input = std::io::read_to_string(std::io::stdin()).unwrap();
    let mut worst = 0.0_f64;
    for line in input.lines() {
        if mode == "functions" {
            let Ok(s) = std::fs::read_to_string(line) else { continue };
            let t = Instant::now();
            let f = metrics::syntax::documented_functions(&s);
            worst = worst.max(t.elapsed().as_secs_f64());
            println!("{} {}", f.map(|f| f.len() as i64).unwrap_or(-1), line);
            continue;
        }
        let v: serde_json::Value = serde_json::from_str(line).unwrap();
        let t = Instant::now();
        let e = metrics::syntax::extract_program(v["text"].as_str().unwrap(), v["entry"].as_str().unwrap());
        worst = worst.max(t.elapsed().as_secs_f64());
        println!("{}", serde_json::json!({"id": v["id"], "e": e}));
    }
    eprintln!("worst {worst}");
}
