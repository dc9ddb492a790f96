//! Programs side by side: the largest rises and falls of MI, and the middle of the others.

use crate::record::SampleRecord;

use super::super::arms::{Arm, Arms};
use super::super::metric::{MI, MI_CODE};
use super::super::number::{number, signed};
use super::text::{code_block, details, html_name};

/// Both arms' samples of one task.
#[derive(Clone, Copy)]
struct Example<'a> {
    base: &'a SampleRecord,
    tuned: &'a SampleRecord,
    difference: f64,
}

/// Most rises, and most falls, that are shown.
const MOST: usize = 5;

/// The examples of each adapter, closed until a reader opens them.
pub(super) fn section(arms: &Arms) -> String {
    let blocks: Vec<String> = arms
        .adapters
        .iter()
        .flat_map(|adapter| {
            let chosen = choose(arms, adapter);
            if chosen.is_empty() {
                return vec![nothing_to_compare(arms, adapter)];
            }
            chosen
                .into_iter()
                .map(|(why, example)| side_by_side(&why, adapter, example))
                .collect()
        })
        .collect();
    blocks.join("\n")
}

/// The extremes of MI's difference, the largest first, and of the other tasks the one in the middle.
fn choose<'a>(arms: &Arms<'a>, adapter: &Arm<'a>) -> Vec<(String, Example<'a>)> {
    let mut rest: Vec<Example> = arms
        .tasks
        .iter()
        .filter_map(|task| {
            let base = *arms.base.of_task(task).first()?;
            let tuned = *adapter.of_task(task).first()?;
            let difference = (MI.value)(tuned)? - (MI.value)(base)?;
            Some(Example {
                base,
                tuned,
                difference,
            })
        })
        .collect();
    // Largest rise first.
    rest.sort_by(|a, b| b.difference.total_cmp(&a.difference));
    let rises = rest
        .iter()
        .take(MOST)
        .filter(|example| example.difference > 0.0)
        .count();
    let largest_rises: Vec<Example> = rest.drain(..rises).collect();
    let falls = rest
        .iter()
        .rev()
        .take(MOST)
        .filter(|example| example.difference < 0.0)
        .count();
    let largest_falls: Vec<Example> = rest.drain(rest.len() - falls..).rev().collect();
    let numbered = |what: &'static str, examples: Vec<Example<'a>>| {
        let named = move |(at, example)| (format!("{what} {}", at + 1), example);
        examples.into_iter().enumerate().map(named)
    };
    let middle = rest.get(rest.len() / 2).copied();
    numbered("Rise", largest_rises)
        .chain(numbered("Fall", largest_falls))
        .chain(middle.map(|example| ("Middle of the others".to_owned(), example)))
        .collect()
}

fn side_by_side(why: &str, adapter: &Arm, example: Example) -> String {
    let Example {
        base,
        tuned,
        difference,
    } = example;
    let code = (MI_CODE.value)(tuned).zip((MI_CODE.value)(base));
    let code = code.map(|(tuned, base)| tuned - base);
    let summary = format!(
        "{why}: {}, MI {} → {} ({}; mi_code {}), tests {} → {}{}",
        html_name(&base.task_id),
        number((MI.value)(base), 1),
        number((MI.value)(tuned), 1),
        signed(difference, 1),
        signed(code, 1),
        base.verdict,
        tuned.verdict,
        if base.program == tuned.program {
            ", the same program"
        } else {
            ""
        },
    );
    let cells = [
        code_block("python", &base.program),
        code_block("python", &tuned.program),
    ];
    details(&summary, &two_columns(adapter, &cells))
}

/// What the model wrote, where no task can be compared.
fn nothing_to_compare(arms: &Arms, adapter: &Arm) -> String {
    let both = arms.tasks.iter().find_map(|task| {
        Some((
            *arms.base.of_task(task).first()?,
            *adapter.of_task(task).first()?,
        ))
    });
    let Some((base, tuned)) = both else {
        return format!(
            "Base model and {} have no task in common.\n",
            super::text::name(adapter.name)
        );
    };
    let cells = [
        code_block("text", &base.completion),
        code_block("text", &tuned.completion),
    ];
    details(
        &format!(
            "No task parses for both; the completions of {} as the model wrote them",
            html_name(&base.task_id)
        ),
        &two_columns(adapter, &cells),
    )
}

/// GitHub reads Markdown inside a cell after a blank line.
fn two_columns(adapter: &Arm, cells: &[String; 2]) -> String {
    format!(
        "<table>\n<tr><th>base</th><th>{}</th></tr>\n<tr><td valign=\"top\">\n\n{}\n</td><td valign=\"top\">\n\n{}\n\
         </td></tr>\n</table>\n",
        html_name(adapter.name),
        cells[0],
        cells[1],
    )
}
