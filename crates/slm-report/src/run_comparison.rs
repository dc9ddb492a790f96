//! Two runs, compared cell by cell with the statistics of a run's report.

use serde::Serialize;

use crate::markdown;
use crate::paired::{NamedRecords, Paired, PairedPage, compared};
use crate::record::SampleRecord;

/// A cell of two runs: the arm of each, in one workflow with one sampling setting.
#[derive(Debug, Clone)]
pub struct ComparedCell<'a> {
    /// The arms, the workflow and the sampling setting.
    pub label: String,
    /// The arm of the run that is compared with.
    pub base_arm: &'a str,
    /// The arm of the compared run.
    pub other_arm: &'a str,
    /// The records of the first.
    pub base: Vec<&'a SampleRecord>,
    /// The records of the second.
    pub other: Vec<&'a SampleRecord>,
}

/// A setting that is not the same in two runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangedSetting {
    /// The key of the recipe, or what else decides an answer, such as `Python`.
    pub key: String,
    /// Its value in the run that is compared with.
    pub base: String,
    /// Its value in the compared run.
    pub other: String,
}

/// The paired comparison of two runs.
#[derive(Debug, Serialize)]
pub struct RunComparison {
    /// The name of the run that is compared with.
    base: String,
    /// The name of the compared run.
    other: String,
    /// What the runs differ in besides chance.
    settings: Vec<ChangedSetting>,
    cells: Vec<CellComparison>,
}

#[derive(Debug, Serialize)]
struct CellComparison {
    label: String,
    #[serde(flatten)]
    found: Paired,
}

impl RunComparison {
    /// Compares the run `other` with the run `base`, in each of `cells` by itself.
    pub fn new(
        (base, other): (&str, &str),
        settings: Vec<ChangedSetting>,
        cells: &[ComparedCell<'_>],
        seed: u64,
    ) -> Self {
        let metrics = compared();
        let cells = cells.iter().map(|cell| {
            let names = [(base, cell.base_arm), (other, cell.other_arm)];
            let [of_base, of_other] = names.map(|(run, arm)| format!("{run}: {arm}"));
            let side = |name, records| NamedRecords { name, records };
            CellComparison {
                label: cell.label.clone(),
                found: Paired::new(
                    &metrics,
                    side(&of_base, &cell.base),
                    side(&of_other, &cell.other),
                    seed,
                ),
            }
        });
        Self {
            base: base.to_owned(),
            other: other.to_owned(),
            settings,
            cells: cells.collect(),
        }
    }

    /// Renders the comparison as Markdown.
    pub fn markdown(&self) -> String {
        let metrics = compared();
        let cells = self.cells.iter().map(|cell| CellPage {
            label: &cell.label,
            page: cell.found.page(&metrics),
        });
        markdown::render(
            &TEMPLATES,
            &Page {
                base: &self.base,
                other: &self.other,
                settings: &self.settings,
                cells: cells.collect(),
            },
        )
    }
}

const TEMPLATES: [(&str, &str); 3] = [
    (
        "run_comparison",
        include_str!("templates/run_comparison.md.jinja"),
    ),
    ("paired", include_str!("templates/paired.md.jinja")),
    ("phrases", include_str!("templates/phrases.md.jinja")),
];

/// The context of the template.
#[derive(Serialize)]
struct Page<'a> {
    base: &'a str,
    other: &'a str,
    settings: &'a [ChangedSetting],
    cells: Vec<CellPage<'a>>,
}

#[derive(Serialize)]
struct CellPage<'a> {
    label: &'a str,
    page: PairedPage<'a>,
}
