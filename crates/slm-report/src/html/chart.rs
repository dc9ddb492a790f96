//! Charts as data, which `viewer/charts.js` draws.

use serde::Serialize;
use slm_statistics::Interval;

/// A chart with a title.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Chart {
    /// Differences with intervals, in groups with a scale each.
    Forest {
        /// The title.
        title: String,
        /// A sentence below it.
        note: Option<String>,
        /// The groups.
        groups: Vec<ForestGroup>,
    },
    /// Values from 0 with intervals.
    Bars {
        /// The title.
        title: String,
        /// The unit of the values.
        unit: String,
        /// Decimals.
        digits: usize,
        /// The bars.
        rows: Vec<Bar>,
        /// The series by name, with their numbers.
        legend: Vec<(String, usize)>,
    },
    /// The difference of each task.
    Dots {
        /// The title.
        title: String,
        /// The unit of the differences.
        unit: String,
        /// Decimals.
        digits: usize,
        /// The mean difference.
        mean: Option<f64>,
        /// The lower end of its interval.
        low: Option<f64>,
        /// The upper end.
        high: Option<f64>,
        /// The arm that is compared with the base model, its workflow and its sampling.
        of: (String, String, String),
        /// Sorted by their value.
        points: Vec<TaskValue>,
    },
    /// Curves over a common axis.
    Lines {
        /// The title.
        title: String,
        /// The name of the horizontal axis.
        x: String,
        /// The name of the vertical axis, with its unit.
        y: String,
        /// Decimals of the vertical axis.
        digits: usize,
        /// The curves.
        series: Vec<Line>,
    },
    /// A point for each item.
    Scatter {
        /// The title.
        title: String,
        /// The name of the horizontal axis.
        x: String,
        /// The name of the vertical axis, with its unit.
        y: String,
        /// Decimals of the vertical axis.
        digits: usize,
        /// The points.
        points: Vec<Point>,
        /// The series by name, with their numbers.
        legend: Vec<(String, usize)>,
    },
    /// A value for each pair of settings.
    Grid {
        /// The title.
        title: String,
        /// The unit of the values.
        unit: String,
        /// Decimals.
        digits: usize,
        /// The name of the setting of a row.
        #[serde(rename = "rowName")]
        row_name: String,
        /// Its values.
        rows: Vec<String>,
        /// The name of the setting of a column.
        #[serde(rename = "columnName")]
        column_name: String,
        /// Its values.
        columns: Vec<String>,
        /// The cells; a pair without a value has none.
        cells: Vec<GridCell>,
    },
}

/// A curve.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// Its name.
    pub name: String,
    /// Pairs of a place and a value, sorted by place.
    pub points: Vec<(f64, f64)>,
    /// Whether it is drawn thin, since it is noisy.
    pub faint: bool,
}

/// Differences in one unit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ForestGroup {
    pub(crate) title: String,
    pub(crate) unit: String,
    pub(crate) digits: usize,
    pub(crate) rows: Vec<ForestRow>,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ForestRow {
    pub(crate) label: String,
    pub(crate) value: Option<f64>,
    pub(crate) low: Option<f64>,
    pub(crate) high: Option<f64>,
    /// The required effect, if the difference decides a hypothesis.
    pub(crate) required: Option<f64>,
    pub(crate) decides: bool,
    /// Tasks.
    pub(crate) n: usize,
    pub(crate) note: Option<String>,
}

/// A bar.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bar {
    pub(crate) label: String,
    pub(crate) value: Option<f64>,
    pub(crate) low: Option<f64>,
    pub(crate) high: Option<f64>,
    pub(crate) note: Option<String>,
    pub(crate) series: usize,
}

/// The value of a task.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaskValue {
    pub(crate) task: String,
    pub(crate) value: f64,
}

/// A point of a scatter plot.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Point {
    pub(crate) label: String,
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) note: Option<String>,
    pub(crate) series: usize,
}

/// A cell of a grid.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GridCell {
    pub(crate) label: String,
    pub(crate) row: usize,
    pub(crate) column: usize,
    pub(crate) value: Option<f64>,
    pub(crate) note: Option<String>,
}

/// Returns both ends of an interval times a factor.
pub(super) fn ends(interval: Option<Interval>, scale: f64) -> (Option<f64>, Option<f64>) {
    let end = |of: fn(Interval) -> f64| interval.map(|interval| of(interval) * scale);
    (end(|of| of.low), end(|of| of.high))
}
