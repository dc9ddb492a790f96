//! Rules of section `data`: which keys belong to which format.

use super::{Check, Needs};
use crate::data::{Data, Dataset};
use crate::format::DatasetFormat;

/// Most data sets of a recipe.
const MOST_DATASETS: usize = 256;

impl Check {
    pub(super) fn data(&mut self, data: &Data, needs: Needs) {
        if data.datasets.is_empty() && needs == Needs::Data {
            self.missing("data.datasets", "at least one data set");
        }
        // The resolved copy of a longer list could not be read back.
        let count = data.datasets.len();
        let allowed = format!("at most {MOST_DATASETS} data sets");
        self.require(count <= MOST_DATASETS, "data.datasets", count, allowed);
        for (index, dataset) in data.datasets.iter().enumerate() {
            self.dataset(&format!("data.datasets[{index}]"), dataset);
        }
    }

    fn dataset(&mut self, at: &str, dataset: &Dataset) {
        let key = |name: &str| format!("{at}.{name}");
        for (own, name) in dataset.columns.given() {
            let allowed = "nothing, since the format has no such column";
            let is_known = dataset.format.columns().contains(&own);
            self.require(is_known, &key(&format!("columns.{own}")), name, allowed);
        }
        if dataset.format == DatasetFormat::PythonSource {
            self.python_source(at, dataset);
        } else {
            self.rows(at, dataset);
        }
    }

    fn python_source(&mut self, at: &str, dataset: &Dataset) {
        let Dataset { path, only, .. } = dataset;
        let allowed = "a folder on this machine, since the format is python_source";
        self.require(
            !path.starts_with("hf:"),
            &format!("{at}.path"),
            path,
            allowed,
        );
        let allowed = "nothing, since python_source has no rows";
        self.require(only.is_empty(), &format!("{at}.where"), only, allowed);
        if let (Some(least), Some(most)) = (dataset.min_body_lines, dataset.max_body_lines) {
            let key = format!("{at}.max_body_lines");
            self.require(least <= most, &key, most, "min_body_lines or more");
        }
    }

    fn rows(&mut self, at: &str, dataset: &Dataset) {
        let set = [
            ("min_body_lines", dataset.min_body_lines.is_some()),
            ("max_body_lines", dataset.max_body_lines.is_some()),
            ("min_docstring_words", dataset.min_docstring_words.is_some()),
            (
                "min_maintainability_index",
                dataset.min_maintainability_index.is_some(),
            ),
            (
                "max_cyclomatic_complexity",
                dataset.max_cyclomatic_complexity.is_some(),
            ),
            ("exclude_licences", !dataset.exclude_licences.is_empty()),
        ];
        for (name, _) in set.into_iter().filter(|(_, is_set)| *is_set) {
            let allowed = "nothing, since the format is not python_source";
            self.report(
                &format!("{at}.{name}"),
                "set".to_owned(),
                allowed.to_owned(),
            );
        }
    }
}
