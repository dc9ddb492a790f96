//! Rules of section `data`: which keys belong to which format.

use super::{Check, Needs};
use crate::data::{Data, Dataset, Overlength, TrainOn, TrainOnEos};
use crate::fim::SpecialTokens;
use crate::format::{DatasetFormat, Layout, TrainingUnit};
use crate::split::{SPLIT_FORM, Split};

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
        let has_texts = || data.datasets.iter().any(|data| data.format.can_be_split());
        self.require(
            data.overlength != Overlength::Split || has_texts(),
            "data.overlength",
            data.overlength.name(),
            "drop, truncate or error, since only data sets of the formats text and fim can be split",
        );
        self.units(data);
    }

    /// Checks that all data sets give the same unit of training, and that the other keys suit it.
    fn units(&mut self, data: &Data) {
        let Some(first) = data.datasets.first() else {
            return;
        };
        let unit = first.format.unit();
        for (index, dataset) in data.datasets.iter().enumerate() {
            let other = dataset.format.unit();
            let allowed = format!(
                "a format of {}, as `{}` of `data.datasets[0]`; this one gives {}",
                unit.plural(),
                first.format.name(),
                other.plural()
            );
            let key = format!("data.datasets[{index}].format");
            self.require(other == unit, &key, dataset.format.name(), allowed);
        }
        if unit == TrainingUnit::Example {
            return;
        }
        let name = first.format.name();
        let allowed = format!(
            "assistant or completion, since of `{name}` only the last message of each answer is learned"
        );
        let is_suitable = data.train_on != TrainOn::All;
        self.require(is_suitable, "data.train_on", data.train_on.name(), allowed);
        let allowed = format!(
            "turn or last, since of `{name}` the end of each answer is compared, too: without it, an answer that stops \
             equals one that continues"
        );
        let is_suitable = data.train_on_eos != TrainOnEos::None;
        let key = "data.train_on_eos";
        self.require(is_suitable, key, data.train_on_eos.name(), allowed);
        if unit == TrainingUnit::Pair {
            let allowed = "drop or error, since a cut would change which answer is better";
            let is_suitable = matches!(data.overlength, Overlength::Drop | Overlength::Error);
            self.require(
                is_suitable,
                "data.overlength",
                data.overlength.name(),
                allowed,
            );
        }
    }

    fn dataset(&mut self, at: &str, dataset: &Dataset) {
        let key = |name: &str| format!("{at}.{name}");
        for (own, name) in dataset.columns.given() {
            let allowed = "nothing, since the format has no such column";
            let is_known = dataset.format.columns().contains(&own);
            self.require(is_known, &key(&format!("columns.{own}")), name, allowed);
        }
        if !dataset.format.is_fim() {
            self.not_fim(at, dataset);
        }
        if !dataset.format.has_texts() {
            let allowed =
                "auto, since the format has no texts in which special tokens are recognised";
            let key = key("special_tokens");
            let is_auto = dataset.special_tokens == SpecialTokens::Auto;
            self.require(is_auto, &key, dataset.special_tokens.name(), allowed);
        }
        let names_files = dataset.path.starts_with("hf:") && dataset.path.contains('#');
        for (name, value) in [("split", &dataset.split), ("subset", &dataset.subset)] {
            let allowed = "nothing, since the path names files after #";
            let is_free = value.is_none() || !names_files;
            self.require(is_free, &key(name), value, allowed);
        }
        if let Some(split) = &dataset.split {
            let is_split = Split::parse(split).is_some();
            self.require(is_split, &key("split"), split, SPLIT_FORM);
        }
        let is_of_messages = matches!(
            dataset.format,
            DatasetFormat::Rows(format) if !matches!(
                format.layout,
                Layout::Text { .. } | Layout::Segments { .. } | Layout::Tokens { .. }
            )
        );
        let allowed = "false, since the format has no messages";
        let is_suitable = is_of_messages || !dataset.join_turns;
        self.require(is_suitable, &key("join_turns"), dataset.join_turns, allowed);
        if dataset.format == DatasetFormat::PythonSource {
            self.python_source(at, dataset);
        } else {
            self.rows(at, dataset);
        }
    }

    fn python_source(&mut self, at: &str, dataset: &Dataset) {
        let Dataset {
            path,
            only,
            split,
            subset,
            ..
        } = dataset;
        for (name, value) in [("split", split), ("subset", subset)] {
            let allowed = "nothing, since python_source has no splits";
            self.require(value.is_none(), &format!("{at}.{name}"), value, allowed);
        }
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

    /// Reports the keys of fill-in-the-middle in a data set of another format.
    fn not_fim(&mut self, at: &str, dataset: &Dataset) {
        let set = [
            ("fim_rate", dataset.fim_rate.is_some()),
            ("spm_rate", dataset.spm_rate.is_some()),
            ("spm_layout", dataset.spm_layout.is_some()),
            ("fim_cut", dataset.fim_cut.is_some()),
            ("fim_tokens", dataset.fim_tokens.is_some()),
        ];
        self.report_set(at, &set, "nothing, since the format is not fim");
    }

    /// Reports the keys that are set.
    fn report_set(&mut self, at: &str, keys: &[(&str, bool)], allowed: &str) {
        for (name, _) in keys.iter().filter(|(_, is_set)| *is_set) {
            let key = format!("{at}.{name}");
            self.report(&key, "set".to_owned(), allowed.to_owned());
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
            (
                "exclude_licences",
                !dataset.exclude_licences.is_empty() && !dataset.format.is_fim(),
            ),
        ];
        self.report_set(at, &set, "nothing, since the format is not python_source");
    }
}
