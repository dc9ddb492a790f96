//! Complexity and length of the programs: histograms of CC and LLOC.

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::canvas::{Area, Drawn, MARGINS, card, font, legend, nothing, text};
use super::palette::{GRID, INK, MUTED, arm_color};
use crate::findings::arms::{ArmSamples, Arms};
use crate::sample_metric::{CC, LLOC, SampleMetric};

/// Maximum bins of a histogram; the last one may be open to the right.
const BINS: usize = 10;

/// Share of a bin's width that its bars take.
const BARS: f64 = 0.86;

/// Draws two histograms side by side.
pub(crate) fn draw(arms: &Arms) -> Drawn<String> {
    card(
        340,
        MARGINS,
        "Complexity and length of the programs that parse",
        |area| {
            let names: Vec<&str> = arms.all().map(|arm| arm.name).collect();
            legend(area, &names)?;
            let panels = area.margin(26, 0, 0, 0).split_evenly((1, 2));
            draw_histogram(&panels[0], arms, &CC, "cyclomatic complexity (CC)")?;
            draw_histogram(&panels[1], arms, &LLOC, "logical lines (LLOC)")
        },
    )
}

fn draw_histogram(panel: &Area, arms: &Arms, metric: &SampleMetric, label: &str) -> Drawn<()> {
    let values: Vec<Vec<f64>> = arms.all().map(|arm| values_of(arm, metric)).collect();
    let Some(bins) = Bins::around(&values.concat()) else {
        return nothing(panel, "no program parses");
    };
    let shares: Vec<Vec<f64>> = values.iter().map(|values| bins.shares(values)).collect();
    let highest = shares.iter().flatten().copied().fold(0.0, f64::max);
    let mut chart = ChartBuilder::on(panel)
        .x_label_area_size(46)
        .y_label_area_size(52)
        .margin_top(6)
        .margin_right(8)
        .build_cartesian_2d(0.0..bins.n as f64, 0.0..highest * 1.08)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(MUTED)
        .x_labels(0)
        .y_labels(6)
        .y_label_formatter(&|share| format!("{:.0}", share * 100.0))
        .label_style(font(13.0, MUTED))
        .axis_desc_style(font(14.0, INK))
        .x_desc(label)
        .y_desc("programs of the arm (%)")
        .draw()?;

    let width = BARS / shares.len() as f64;
    for (arm, shares) in shares.iter().enumerate() {
        chart.draw_series(shares.iter().enumerate().map(|(bin, &share)| {
            let left = bin as f64 + (1.0 - BARS) / 2.0 + width * arm as f64;
            Rectangle::new(
                [(left, 0.0), (left + width, share)],
                arm_color(arm).filled(),
            )
        }))?;
    }
    let base = panel.get_base_pixel();
    for bin in 0..bins.n {
        let (x, y) = chart.backend_coord(&(bin as f64 + 0.5, 0.0));
        text(
            panel,
            &bins.label(bin),
            (x - base.0, y - base.1 + 6),
            12.0,
            MUTED,
            HPos::Center,
        )?;
    }
    Ok(())
}

fn values_of(arm: &ArmSamples, metric: &SampleMetric) -> Vec<f64> {
    arm.samples()
        .filter_map(|sample| metric.of(sample))
        .collect()
}

/// Bins of equal width over whole numbers, starting at `first`.
struct Bins {
    first: usize,
    width: usize,
    n: usize,
    /// Whether the last bin includes all larger values.
    open: bool,
}

impl Bins {
    /// Covers all values except the largest twentieth, which would compress the rest; `None` without values.
    fn around(values: &[f64]) -> Option<Self> {
        let mut sorted: Vec<usize> = values.iter().map(|&value| value as usize).collect();
        sorted.sort_unstable();
        let (&first, &last) = (sorted.first()?, sorted.last()?);
        let most = sorted[(sorted.len() - 1) * 19 / 20];
        let width = (most - first + 1).div_ceil(BINS);
        let n = ((last - first + 1).div_ceil(width)).min(BINS);
        Some(Self {
            first,
            width,
            n,
            open: last >= first + n * width,
        })
    }

    fn shares(&self, values: &[f64]) -> Vec<f64> {
        let mut shares = vec![0.0; self.n];
        for &value in values {
            let bin = (value as usize).saturating_sub(self.first) / self.width;
            shares[bin.min(self.n - 1)] += 1.0 / values.len() as f64;
        }
        shares
    }

    fn label(&self, bin: usize) -> String {
        let low = self.first + bin * self.width;
        if self.open && bin == self.n - 1 {
            format!("≥ {low}")
        } else if self.width == 1 {
            low.to_string()
        } else {
            format!("{low}–{}", low + self.width - 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Bins;

    #[test]
    fn bins_cover_every_value_once() {
        for values in [
            vec![3.0],
            vec![1.0, 1.0, 2.0],
            vec![1.0, 4.0, 90.0],
            (0..300).map(f64::from).collect(),
        ] {
            let bins = Bins::around(&values).expect("values");
            let total: f64 = bins.shares(&values).iter().sum();
            assert!((total - 1.0).abs() < 1e-9, "{values:?}");
        }
        assert!(Bins::around(&[]).is_none());
    }

    #[test]
    fn an_outlier_goes_into_an_open_bin() {
        let mut values: Vec<f64> = (0..60).map(|i| f64::from(1 + i % 8)).collect();
        values.push(70.0);
        let bins = Bins::around(&values).expect("values");
        assert_eq!(bins.label(0), "1");
        assert!(
            bins.label(bins.n - 1).starts_with('≥'),
            "{}",
            bins.label(bins.n - 1)
        );
    }
}
