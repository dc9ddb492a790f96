//! GPUs whose night can be planned on another machine.

use std::str::FromStr;

/// A GPU by the figures of its vendor, and the shares of them that training reaches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Card {
    /// The value of `--for`.
    pub(crate) name: &'static str,
    /// Memory in GiB that programs can use.
    pub(crate) memory_gib: f64,
    /// Memory bandwidth in bytes per second.
    pub(crate) bandwidth: f64,
    /// Dense bf16 products with sums in single precision, in FLOP/s.
    pub(crate) products: f64,
    generation: Generation,
}

/// A generation of tensor cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Generation {
    /// Products by `mma.sync`, which all these kernels use.
    Mma,
    /// Hopper, whose rated speed needs the asynchronous instructions `wgmma` and TMA, which they do not use.
    Hopper,
}

/// Share of the rated bandwidth that kernels over long vectors reach: expected, not measured: 0.77 on an H200 and 0.89 on an RTX 4090.
const BANDWIDTH_SHARE: f64 = 0.8;

impl Card {
    /// The bandwidth that is reached, in bytes per second.
    pub(crate) fn reached_bandwidth(self) -> f64 {
        BANDWIDTH_SHARE * self.bandwidth
    }

    /// The speed that large matrix products reach, in FLOP/s: 100 of 165 T on an RTX 4090, 300 of 989 T on an H200.
    pub(crate) fn reached_products(self) -> f64 {
        let share = match self.generation {
            Generation::Mma => 0.6,
            Generation::Hopper => 0.3,
        };
        share * self.products
    }

    /// The speed that attention reaches, in FLOP/s: half of that of large products.
    pub(crate) fn reached_attention(self) -> f64 {
        0.5 * self.reached_products()
    }

    /// Memory in bytes that programs can use.
    pub(crate) fn memory_bytes(self) -> u64 {
        (self.memory_gib * (1u64 << 30) as f64) as u64
    }
}

/// The usable GiB where only the nominal size is known: error correction and the driver hold a part, on a desktop also the
/// screen. Of the sizes that are known, an L4's is 0.94 of the nominal one.
const fn nominal(gib: f64) -> f64 {
    0.95 * gib
}

/// The GiB of a size that the vendor's driver reports, in MiB.
const fn reported(mib: f64) -> f64 {
    mib / 1024.0
}

const fn card(
    name: &'static str,
    memory_gib: f64,
    gigabytes_per_second: f64,
    teraflops: f64,
    generation: Generation,
) -> Card {
    Card {
        name,
        memory_gib,
        bandwidth: gigabytes_per_second * 1e9,
        products: teraflops * 1e12,
        generation,
    }
}

/// All known GPUs, from NVIDIA's data sheets and architecture white papers.
pub(crate) const CARDS: [Card; 12] = [
    card("rtx-3090", nominal(24.0), 936.0, 71.0, Generation::Mma),
    card(
        "rtx-4060-ti-16gb",
        nominal(16.0),
        288.0,
        44.0,
        Generation::Mma,
    ),
    card("rtx-4070", nominal(12.0), 504.0, 58.0, Generation::Mma),
    card("rtx-4080", nominal(16.0), 717.0, 97.5, Generation::Mma),
    card("rtx-4090", nominal(24.0), 1008.0, 165.0, Generation::Mma),
    card("rtx-5090", nominal(32.0), 1792.0, 209.0, Generation::Mma),
    card("l4", reported(23_034.0), 300.0, 121.0, Generation::Mma),
    card("l40s", reported(46_068.0), 864.0, 362.0, Generation::Mma),
    card("a100-40gb", nominal(40.0), 1555.0, 312.0, Generation::Mma),
    card("a100-80gb", nominal(80.0), 2039.0, 312.0, Generation::Mma),
    card(
        "h100",
        reported(81_559.0),
        3350.0,
        989.0,
        Generation::Hopper,
    ),
    card(
        "h200",
        reported(143_771.0),
        4800.0,
        989.0,
        Generation::Hopper,
    ),
];

/// A name that is not in the table.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "unknown GPU `{name}`\nhint: one of {known}; --memory GIGABYTES sets the memory of a variant"
)]
pub(crate) struct UnknownCard {
    name: String,
    known: String,
}

impl FromStr for Card {
    type Err = UnknownCard;

    fn from_str(name: &str) -> Result<Self, UnknownCard> {
        let simple = |text: &str| text.to_lowercase().replace([' ', '_'], "-");
        let known = || CARDS.map(|card| card.name).join(", ");
        let found = CARDS.into_iter().find(|card| {
            [card.name.to_owned(), card.name.replace('-', "")].contains(&simple(name))
        });
        found.ok_or_else(|| UnknownCard {
            name: name.to_owned(),
            known: known(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_found_by_its_name_in_common_spellings() {
        for name in ["rtx-4090", "RTX 4090", "rtx_4090", "RTX4090"] {
            assert_eq!(name.parse::<Card>().map(|card| card.name), Ok("rtx-4090"));
        }
        let error = "gtx-1080".parse::<Card>().expect_err("not in the table");
        assert!(error.to_string().contains("one of rtx-3090, "), "{error}");
        assert!("".parse::<Card>().is_err());
    }

    #[test]
    fn memory_is_what_programs_can_use() {
        let gib = |name: &str| name.parse::<Card>().expect("known").memory_gib;
        assert!((gib("rtx-4090") - 22.8).abs() < 1e-9);
        assert!((gib("l4") - 22.494).abs() < 1e-3);
        assert!((gib("h200") - 140.401).abs() < 1e-3);
    }

    #[test]
    fn reached_speeds_are_those_of_the_cards_for_which_they_were_estimated() {
        let of = |name: &str| name.parse::<Card>().expect("known");
        for (name, bandwidth, products) in [("rtx-4090", 0.9e12, 100e12), ("h200", 3.7e12, 300e12)]
        {
            let card = of(name);
            let ratio = card.reached_bandwidth() / bandwidth;
            assert!((0.85..1.15).contains(&ratio), "{name}: {ratio}");
            let ratio = card.reached_products() / products;
            assert!((0.95..1.05).contains(&ratio), "{name}: {ratio}");
        }
    }
}
