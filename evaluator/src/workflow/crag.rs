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
    let best = first.best();
    let text = if best >= grading.upper {
        first.text(&agent, grading.upper)
    } else if best >= grading.lower {
        let words = agent
            .say(Role::Librarian, Prompt::Restate, None, &[])
            .await?;
        let words: Vec<&str> = words.split_whitespace().take(MOST_WORDS).collect();
        let second = found(&agent, words.join(" ")).await?;
        first.joined(second).text(&agent, grading.lower)
    } else {
        String::new()
    };
    let draft = agent.draft_after(&reference(&text)).await?;
    agent.run(&[draft], &[]).await?;
    Ok(StopReason::Finished)
}

/// The chunks of lookups, with their grades.
#[derive(Default)]
struct Graded(Vec<(Hit, f64)>);

impl Graded {
    fn best(&self) -> f64 {
        self.0.iter().map(|(_, grade)| *grade).fold(0.0, f64::max)
    }

    /// Adds chunks that are new.
    fn joined(mut self, other: Self) -> Self {
        for (hit, grade) in other.0 {
            if self.0.iter().all(|(known, _)| known.chunk != hit.chunk) {
                self.0.push((hit, grade));
            }
        }
        self
    }

    /// Returns the relevant parts of the chunks with at least this grade.
    fn text(&self, agent: &Agent, least: f64) -> String {
        let kept = self.0.iter().filter(|(_, grade)| *grade >= least);
        let chunks: Vec<usize> = kept.map(|(hit, _)| hit.chunk).collect();
        agent
            .knowledge()
            .strips_of(agent.task(), &agent.query(), &chunks)
    }
}

/// Looks words up, and grades what is found.
async fn found(agent: &Agent, query: String) -> Result<Graded, StopReason> {
    let look = Look {
        tool: LookupTool::Knowledge,
        query,
        form: Form::Strips,
    };
    let Some(LookupResult { hits, .. }) = agent.look(look).await? else {
        return Ok(Graded::default());
    };
    let mut graded = Vec::new();
    for hit in hits {
        let grade = match agent.grading().by {
            Grade::Overlap => hit.overlap,
            Grade::Model => asked(agent, &hit).await?,
        };
        graded.push((hit, grade));
    }
    Ok(Graded(graded))
}

/// Returns the model's grade of a chunk.
async fn asked(agent: &Agent, hit: &Hit) -> Result<f64, StopReason> {
    let chunk = agent.knowledge().whole(agent.task(), hit.chunk);
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
