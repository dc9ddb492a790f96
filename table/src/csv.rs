//! Comma-separated values with a line of names; every value is a string.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::rows::Text;
use crate::{Place, Row, TableError};

/// The rows below the line of names.
pub(crate) fn rows(
    file: &Arc<Path>,
    text: Text,
) -> impl Iterator<Item = Result<Row, TableError>> + Send + use<> {
    let file = Arc::clone(file);
    let mut reader = csv::Reader::from_reader(text);
    let mut names: Option<Vec<String>> = None;
    let mut record = csv::StringRecord::new();
    std::iter::from_fn(move || {
        let mut next = || -> Result<Option<Row>, TableError> {
            if names.is_none() {
                let header = reader.headers().map_err(|error| trouble(&file, error))?;
                names = Some(unique_names(&file, header)?);
            }
            let more = reader
                .read_record(&mut record)
                .map_err(|error| trouble(&file, error))?;
            let line = record.position().map_or(0, csv::Position::line) as usize;
            Ok(more.then(|| Row {
                place: Place::line(&file, line),
                fields: names
                    .iter()
                    .flatten()
                    .zip(&record)
                    .map(|(name, value)| (name.clone(), Value::from(value)))
                    .collect::<Map<String, Value>>(),
            }))
        };
        next().transpose()
    })
}

fn unique_names(file: &Arc<Path>, header: &csv::StringRecord) -> Result<Vec<String>, TableError> {
    let mut names: Vec<String> = Vec::new();
    for name in header {
        if names.iter().any(|known| known == name) {
            return Err(TableError::Malformed {
                place: Place::line(file, 1),
                problem: format!("two columns are called `{name}`"),
            });
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

fn trouble(file: &Arc<Path>, error: csv::Error) -> TableError {
    let line = error.position().map_or(1, csv::Position::line) as usize;
    let problem = match error.into_kind() {
        csv::ErrorKind::Io(source) => return TableError::reading(file, source),
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => format!("{len} values, expected {expected_len} as in the first line"),
        csv::ErrorKind::Utf8 { .. } => "not UTF-8".to_owned(),
        _ => "not CSV".to_owned(),
    };
    TableError::Malformed {
        place: Place::line(file, line),
        problem,
    }
}
