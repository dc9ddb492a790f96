//! Corrective retrieval: grades what a lookup finds, and keeps, doubts or drops it. There is no web to search instead.
//!
//! | grades | then |
//! |---|---|
//! | one at least `upper`: correct | the relevant parts of the chunks that are graded so |
//! | one at least `lower`: ambiguous | these parts, and what a second query finds, which the model words |
//! | all below `lower`: incorrect | nothing, as in `single` |
//!
//! # Source
//! Yan et al. 2024, arXiv:2401.15884.

use slm_artifacts::StopReason;
use slm_config::{Grade, Role};

use super::agent::Agent;
use super::event::{Hit, LookupResult, LookupTool};
use super::prompt::Prompt;
use super::rag::reference;
use crate::knowledge::{Form, Look};

/// Most words of a second query.
const MOST_WORDS: usize = 10;

/// The grade of a chunk to which the model replied neither yes nor no.
const UNDECIDED: f64 = 0.5;

pub(super) async fn run(agent: Agent) -> Result<StopReason, StopReason> {
    let first = found(&agent, agent.query()).await?;
    let grading = agent.grading();
    let best = best(&first);
    let text = if best >= grading.upper {
        text(&agent, &first, grading.upper)
    } else if best >= grading.lower {
        let words = agent
            .say(Role::Librarian, Prompt::Restate, None, &[])
            .await?;
        let words: Vec<&str> = words.split_whitespace().take(MOST_WORDS).collect();
        let mut all = first;
        for of in found(&agent, words.join(" ")).await? {
            if all.iter().all(|known| known.hit.chunk != of.hit.chunk) {
                all.push(of);
            }
        }
        text(&agent, &all, grading.lower)
    } else {
        String::new()
    };
    let draft = agent.draft_after(&reference(&text)).await?;
    agent.run(&[draft], &[]).await?;
    Ok(StopReason::Finished)
}

/// A chunk that a lookup found, with its grade.
struct Graded {
    hit: Hit,
    grade: f64,
    /// The words that found it, by which its relevant parts are chosen.
    query: String,
}

fn best(graded: &[Graded]) -> f64 {
    graded.iter().map(|of| of.grade).fold(0.0, f64::max)
}

/// Returns the relevant parts of the chunks with at least this grade.
fn text(agent: &Agent, graded: &[Graded], least: f64) -> String {
    let kept = graded.iter().filter(|of| of.grade >= least);
    let chunks: Vec<(usize, &str)> = kept.map(|of| (of.hit.chunk, of.query.as_str())).collect();
    let (text, shown) = agent.knowledge().strips_of(agent.task(), &chunks);
    agent.mark_shown(&shown);
    text
}

/// Looks words up, and grades what is found.
async fn found(agent: &Agent, query: String) -> Result<Vec<Graded>, StopReason> {
    let look = Look {
        tool: LookupTool::Knowledge,
        query: query.clone(),
        form: Form::Graded,
    };
    let Some(LookupResult { hits, .. }) = agent.look(look).await? else {
        return Ok(Vec::new());
    };
    let mut graded = Vec::new();
    for hit in hits {
        let grade = match agent.grading().by {
            Grade::Overlap => hit.overlap,
            Grade::Model => asked(agent, &hit).await?,
        };
        graded.push(Graded {
            hit,
            grade,
            query: query.clone(),
        });
    }
    Ok(graded)
}

/// Returns the model's grade of a chunk.
async fn asked(agent: &Agent, hit: &Hit) -> Result<f64, StopReason> {
    let chunk = agent.knowledge().whole(agent.task(), hit.chunk);
    if chunk.is_empty() {
        // Nothing of it may be shown.
        return Ok(0.0);
    }
    let values = [("chunk", chunk.as_str())];
    let answer = agent
        .say(Role::Librarian, Prompt::Grade, None, &values)
        .await?;
    let word = answer
        .split(|c: char| !c.is_alphabetic())
        .find(|word| !word.is_empty());
    Ok(match word.map(str::to_lowercase).as_deref() {
        Some("yes") => 1.0,
        Some("no") => 0.0,
        _ => UNDECIDED,
    })
}
