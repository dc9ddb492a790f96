//! Numbers with their nouns.

/// Returns a number with a noun whose plural ends with an s: `1 row`, `2 rows`.
pub fn counted(n: usize, noun: &str) -> String {
    match n {
        1 => format!("1 {noun}"),
        n => format!("{n} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_is_singular() {
        let texts = [0, 1, 2].map(|n| counted(n, "row"));
        assert_eq!(texts, ["0 rows", "1 row", "2 rows"]);
    }
}
