//! The ranges of section `data`, and which keys belong to which format.

use std::ops::Bound;

use super::{Check, Needs};
use crate::data::{Data, Dataset};
use crate::format::DatasetFormat;

impl Check {
    pub(super) fn data(&mut self, data: &Data, needs: Needs) {
        let Data {
            datasets,
            train_on: _,
            train_on_eos: _,
            max_seq_length,
            overlength: _,
            on_bad_row: _,
            packing: _,
            val_size,
            decontaminate: _,
        } = data;
        if datasets.is_empty() && needs == Needs::Data {
            self.missing("data.datasets", "at least one data set");
        }
        for (index, dataset) in datasets.iter().enumerate() {
            self.dataset(&format!("data.datasets[{index}]"), dataset);
        }
        self.int_in("data.max_seq_length", *max_seq_length, 16..=131_072);
        self.float_in("data.val_size", *val_size, 0.0..=0.5);
    }

    fn dataset(&mut self, at: &str, dataset: &Dataset) {
        let Dataset {
            path,
            format,
            weight,
            max_examples,
            columns,
            only,
            min_body_lines,
            max_body_lines,
            min_docstring_words,
            min_maintainability_index,
            max_cyclomatic_complexity,
            exclude_licences,
        } = dataset;
        let key = |name: &str| format!("{at}.{name}");
        self.not_blank(&key("path"), path, "a file, a folder, or stdlib: in quotes");
        if *format == DatasetFormat::PythonSource {
            let allowed = "a folder on this machine, since the format is python_source";
            self.require(!path.starts_with("hf:"), &key("path"), path, allowed);
            let allowed = "nothing, since python_source has no rows";
            self.require(only.is_empty(), &key("where"), only, allowed);
        }
        for (column, values) in only {
            let holds = !column.trim().is_empty() && !values.0.is_empty();
            let allowed = "a column's name with at least one value";
            self.require(holds, &key("where"), only, allowed);
        }
        let above_0_to_100 = (Bound::Excluded(0.0), Bound::Included(100.0));
        self.float_in(&key("weight"), *weight, above_0_to_100);
        if let Some(examples) = *max_examples {
            self.int_in(&key("max_examples"), examples, 1..=100_000_000);
        }
        for (own, name) in columns.given() {
            let key = key(&format!("columns.{own}"));
            if format.columns().contains(&own) {
                self.not_blank(&key, name, "a column's name");
            } else {
                let allowed = "nothing, since the format has no such column";
                self.require(false, &key, name, allowed);
            }
        }

        if *format != DatasetFormat::PythonSource {
            let set = [
                ("min_body_lines", min_body_lines.is_some()),
                ("max_body_lines", max_body_lines.is_some()),
                ("min_docstring_words", min_docstring_words.is_some()),
                (
                    "min_maintainability_index",
                    min_maintainability_index.is_some(),
                ),
                (
                    "max_cyclomatic_complexity",
                    max_cyclomatic_complexity.is_some(),
                ),
                ("exclude_licences", !exclude_licences.is_empty()),
            ];
            for (name, _) in set.into_iter().filter(|(_, is_set)| *is_set) {
                let allowed = "nothing, since the format is not python_source";
                self.report(&key(name), "set".to_owned(), allowed.to_owned());
            }
        }
        if let Some(lines) = *min_body_lines {
            self.int_in(&key("min_body_lines"), lines, 0..=100_000);
        }
        if let Some(lines) = *max_body_lines {
            self.int_in(&key("max_body_lines"), lines, 1..=100_000);
            let holds = min_body_lines.is_none_or(|least| least <= lines);
            self.require(
                holds,
                &key("max_body_lines"),
                lines,
                "min_body_lines or more",
            );
        }
        if let Some(words) = *min_docstring_words {
            self.int_in(&key("min_docstring_words"), words, 0..=10_000);
        }
        if let Some(index) = *min_maintainability_index {
            self.float_in(&key("min_maintainability_index"), index, 0.0..=100.0);
        }
        if let Some(complexity) = *max_cyclomatic_complexity {
            self.int_in(&key("max_cyclomatic_complexity"), complexity, 1..=100_000);
        }
        for (index, word) in exclude_licences.iter().enumerate() {
            self.not_blank(&key(&format!("exclude_licences[{index}]")), word, "a word");
        }
    }
}
