//! Values as a hostile program may write them: made by the grammar at the head of python/link.py, then broken.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// A generator of random numbers (xorshift64*), whose seed repeats a run.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    pub(crate) fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }
}

const LEAVES: &[&str] = &[
    "N",
    "E",
    "T",
    "F",
    "i0;",
    "i1;",
    "i-1;",
    "i3;",
    "i7fffffffffffffff;",
    "i-8000000000000000;",
    "i10000000000000000;",
    "i-0;",
    "i0000000000000000000000001;",
    "f0.0;",
    "f-0.0;",
    "f1.0;",
    "f0.5;",
    "f3.0;",
    "fnan;",
    "finf;",
    "f-inf;",
    "f1e+308;",
    "f5e-324;",
    "f9.223372036854775807e+18;",
    "c1.0,0.0;",
    "c0.0,1.0;",
    "cnan,0.0;",
    "s0:",
    "s1:a",
    "s1:b",
    "s2:é😀",
    "s11:numpy.int64",
    "b1:a",
    "b1:ÿ",
    "B1:a",
    "Ri0;i3;i1;",
    "Ri0;ifffffffffffffffffffff;i1;",
    "Ri5;i0;i-2;",
    "RNNN",
    "Ri0;i1;i0;",
];

const NAMES: &[&str] = &[
    "fractions.Fraction",
    "decimal.Decimal",
    "collections.deque",
    "collections.Counter",
    "collections.OrderedDict",
    "numpy.ndarray",
    "numpy.float64",
    "numpy.float32",
    "numpy.int64",
    "datetime.date",
    "str",
    "x",
];

/// The text of a value of at most some hundred parts, with shared and recursive ones.
pub(crate) fn text(random: &mut Random) -> String {
    let mut writer = Writer {
        out: String::new(),
        containers: 0,
        parts: 1 + random.below(120),
    };
    writer.put(random, 0);
    writer.out
}

struct Writer {
    out: String,
    containers: usize,
    /// Parts that are left.
    parts: usize,
}

impl Writer {
    fn put(&mut self, random: &mut Random, level: usize) {
        self.parts = self.parts.saturating_sub(1);
        if self.parts == 0 || level > 60 {
            self.out.push_str(random.of(LEAVES));
            return;
        }
        // Long chains are as likely as bushes.
        let count = [0, 1, 1, 1, 2, 2, 3, 5][random.below(8)];
        match random.below(24) {
            0..=3 => self.out.push_str(random.of(LEAVES)),
            4..=6 => {
                let place = random.below(self.containers + 1);
                let _ = write!(self.out, "r{place};");
            }
            7..=16 => {
                let kind = random.of(&["l", "l", "l", "t", "t", "t", "S", "Z", "d", "d"]);
                let _ = write!(self.out, "{kind}{count};");
                self.containers += 1;
                self.several(random, level, if kind == "d" { 2 * count } else { count });
            }
            17..=20 => {
                let name = random.of(NAMES);
                let _ = write!(self.out, "Ms{}:{name}t{count};", name.len());
                self.containers += 1;
                self.several(random, level, count);
            }
            21 => {
                self.out.push_str("Is1:x");
                self.containers += 1;
                self.several(random, level, 1);
            }
            22 => {
                let odd = ["Xs1:xs1:y", "Ys3:int", "h0;s1:xQ", "XNN", "YN", "h1;NN"];
                self.out.push_str(random.of(&odd));
            }
            _ => {
                self.out.push('R');
                self.several(random, level, 3);
            }
        }
    }

    fn several(&mut self, random: &mut Random, level: usize, count: usize) {
        for _ in 0..count {
            self.put(random, level + 1);
        }
    }
}

/// The text with some of its characters changed, moved or cut off.
pub(crate) fn broken(random: &mut Random, text: &str) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for _ in 0..=random.below(4) {
        let at = random.below(characters.len() + 1);
        let end = (at + random.below(12)).min(characters.len());
        match random.below(6) {
            0 => characters.truncate(at),
            1 => drop(characters.drain(at..end)),
            2 => {
                let part = characters[at..end].to_vec();
                let to = random.below(characters.len() + 1);
                characters.splice(to..to, part);
            }
            3 => {
                let kinds = "NTEFifcsbBltSZdRMIXYhHraQ;:,-0123456789abcdef\u{0}\u{7f}\u{e9}";
                let kind = kinds.chars().nth(random.below(45)).unwrap_or('N');
                characters.insert(at, kind);
            }
            4 => {
                let opening: Vec<char> = random
                    .of(&["l1;", "t1;", "Z1;", "d1;N", "Is1:x", "RNN"])
                    .chars()
                    .collect();
                let many = opening.repeat(random.below(1200));
                characters.splice(at..at, many);
            }
            _ => {
                let doubling = (0..random.below(64))
                    .rev()
                    .fold("N".to_owned(), |inner, _| format!("l2;{inner}"));
                let references: String = (0..64)
                    .rev()
                    .flat_map(|n| ["r".to_owned(), n.to_string(), ";".to_owned()])
                    .collect();
                characters.splice(at..at, (doubling + &references).chars());
            }
        }
    }
    characters.into_iter().collect()
}

/// Runs `attempt` on new seeds for as long as `FUZZ_SECONDS` says, else for a moment, and gives the number of runs.
///
/// # Panics
/// As `attempt` does, after its seed was written to stderr; `FUZZ_SEED` repeats it.
pub(crate) fn fuzz(name: &str, mut attempt: impl FnMut(&mut Random)) {
    use std::io::Write as _;

    struct Seed(u64);
    impl Drop for Seed {
        fn drop(&mut self) {
            if std::thread::panicking() {
                let _ = writeln!(std::io::stderr(), "FUZZ_SEED={} repeats this", self.0);
            }
        }
    }
    let of_environment = |name: &str| std::env::var(name).ok()?.parse::<f64>().ok();
    let only = of_environment("FUZZ_SEED").map(|seed| seed as u64);
    let seconds = of_environment("FUZZ_SECONDS").unwrap_or(0.5);
    let (started, mut runs) = (Instant::now(), 0_u64);
    while started.elapsed() < Duration::from_secs_f64(seconds) {
        let seed = Seed(only.unwrap_or(runs));
        let began = Instant::now();
        attempt(&mut Random::new(seed.0));
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "{:?}",
            began.elapsed()
        );
        runs += 1;
        if only.is_some() {
            break;
        }
    }
    let rate = runs as f64 / started.elapsed().as_secs_f64();
    // Past the capture of a test's output.
    let _ = writeln!(
        std::io::stderr(),
        "fuzz {name}: {runs} executions, {rate:.0} a second"
    );
}
