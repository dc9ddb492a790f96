//! How `best_of_n` chooses by probabilities, against brute force over all programs.

use std::collections::BTreeMap;

use slm_config::{Role, SamplesSelect, Workflow};

use super::{
    Question, RIGHT, SQUARE, SQUARE_PLUS_1, TESTS, World, ZERO, body, calls, continues_to_the_same,
    question,
};
use crate::backend::Query;
use crate::backend::scripted::Line;
use slm_artifacts::{Expects, FormatFailure, StopReason};

const BODIES: [&str; 4] = [ZERO, RIGHT, SQUARE, SQUARE_PLUS_1];

/// A number from 0 to 1 that depends on a query's seed.
fn drawn(seed: u64) -> f64 {
    (seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f64 / f64::from(1 << 24)
}

/// The verifier's probabilities of yes and no for a query.
fn judgement(query: &Query) -> (f64, f64) {
    (0.7 * drawn(query.seed), 0.3 * drawn(query.seed ^ 1))
}

/// Bodies, log-probabilities and judgements drawn by the query's seed.
fn script(query: &Query) -> Line {
    if query.wanted.judgement {
        let (yes, no) = judgement(query);
        return Line::judging(yes, no);
    }
    if question(query) == Question::Tests {
        return Line::from(TESTS);
    }
    let body = BODIES[(drawn(query.seed ^ 2) * 4.0) as usize];
    Line::from(body).with_mean(-3.0 * drawn(query.seed))
}

/// Writes a wrong program first, which is drawn greedily, and then right ones.
fn wrong_first(query: &Query) -> Line {
    Line::from(if query.sampling.is_greedy() {
        SQUARE
    } else {
        RIGHT
    })
}

fn world(select: SamplesSelect, seed: u64) -> World {
    World::new().with(|evaluate| {
        evaluate.samples = 6;
        evaluate.samples_select = select;
        evaluate.sampling.seed = seed;
        evaluate.sampling.temperature = 0.0;
        evaluate.budget.calls = 20;
    })
}

/// Everything that decides about a program: its body, mean log-probability and probability of yes.
struct Sampled {
    step: u32,
    body: String,
    mean: Option<f64>,
    yes: Option<f64>,
}

/// Runs `best_of_n`, and returns the step of the program it kept with all programs of the log.
fn sampled(select: SamplesSelect, seed: u64) -> (Option<u32>, Vec<Sampled>) {
    let world = world(select, seed);
    let (finished, events) = world.run(Workflow::BestOfN, script);
    assert_eq!(finished.stop, StopReason::Finished);
    let mut judged = BTreeMap::new();
    for event in &events {
        if let crate::workflow::event::What::Call(call) = &event.what
            && let (Some(yes), Some(no)) = (call.p_yes, call.p_no)
        {
            judged.insert(event.parent, yes / (yes + no));
        }
    }
    let programs = events.iter().filter_map(|event| match &event.what {
        crate::workflow::event::What::Call(call) if call.expects == Expects::Program => {
            Some(Sampled {
                step: event.step,
                body: call.text.clone(),
                mean: call
                    .log_probability
                    .zip(call.log_probability_tokens)
                    .map(|(sum, n)| sum / n as f64),
                yes: judged.get(&Some(event.step)).copied(),
            })
        }
        _ => None,
    });
    let mut programs: Vec<Sampled> = programs.collect();
    programs.sort_by_key(|of| of.step);
    let chosen = events.iter().find_map(|event| match &event.what {
        crate::workflow::event::What::Decision(decision) => decision.chosen,
        _ => None,
    });
    (chosen, programs)
}

/// The step with the largest score, by comparing each with every other.
fn largest(programs: &[Sampled], score: impl Fn(&Sampled) -> f64) -> Option<u32> {
    let beats = |a: &Sampled, b: &Sampled| {
        score(a) > score(b) || score(a).total_cmp(&score(b)).is_eq() && a.step <= b.step
    };
    let best = programs
        .iter()
        .find(|a| programs.iter().all(|b| beats(a, b)));
    best.map(|of| of.step)
}

#[test]
fn likelihood_and_verifier_keep_the_program_with_the_largest_score() {
    for seed in 0..40 {
        let (chosen, programs) = sampled(SamplesSelect::Likelihood, seed);
        assert_eq!(programs.len(), 6);
        assert!(programs.iter().all(|of| of.yes.is_none()));
        let mean = |of: &Sampled| of.mean.expect("it was asked for");
        assert_eq!(chosen, largest(&programs, mean), "seed {seed}");

        let (chosen, programs) = sampled(SamplesSelect::Verifier, seed);
        assert!(programs.iter().all(|of| of.mean.is_none()));
        let yes = |of: &Sampled| of.yes.expect("every program is judged");
        assert_eq!(chosen, largest(&programs, yes), "seed {seed}");
    }
}

#[test]
fn weighted_selection_equals_brute_force() {
    let mut differs = 0;
    for seed in 0..60 {
        let (chosen, programs) = sampled(SamplesSelect::Weighted, seed);
        let yes = |of: &Sampled| of.yes.expect("every program is judged");
        // Each body has different results in the three tests, so equal bodies are one answer.
        let weight = |of: &Sampled| -> f64 {
            let same = programs.iter().filter(|other| other.body == of.body);
            same.map(yes).sum()
        };
        // The first program of the heaviest answer, then the best program of that answer.
        let first = largest(&programs, weight);
        let of_first = programs.iter().find(|of| Some(of.step) == first);
        let body = of_first.expect("a program").body.clone();
        let (group, others): (Vec<Sampled>, Vec<Sampled>) =
            programs.into_iter().partition(|of| of.body == body);
        assert_eq!(chosen, largest(&group, yes), "seed {seed}");
        let best_alone = others.iter().map(yes).fold(0.0, f64::max);
        differs += usize::from(group.iter().all(|of| yes(of) < best_alone));
    }
    assert!(differs > 0, "no seed separates votes from single scores");
}

#[test]
fn public_selection_asks_for_no_probability() {
    let (finished, events) = world(SamplesSelect::Public, 1).run(Workflow::BestOfN, |query| {
        assert_eq!(query.wanted, crate::backend::Wanted::default());
        wrong_first(query)
    });
    assert_eq!(body(&finished), RIGHT);
    for call in calls(&events) {
        assert_eq!((call.role, call.log_probability), (Role::Coder, None));
        let line = serde_json::to_string(call).expect("JSON");
        assert!(!line.contains("log_probability") && !line.contains("p_yes"));
    }
}

#[test]
fn a_verifier_costs_a_call_for_each_program_and_is_the_role_verifier() {
    let (finished, events) = world(SamplesSelect::Verifier, 3).run(Workflow::BestOfN, script);
    assert_eq!(finished.spent.calls, 12);
    let calls = calls(&events);
    let asked: Vec<_> = calls
        .iter()
        .filter(|call| call.role == Role::Verifier)
        .collect();
    assert_eq!(asked.len(), 6);
    for call in asked {
        assert_eq!(call.expects, Expects::Judgement);
        assert_eq!((call.completion_tokens, call.max_new_tokens), (1, 1));
        assert!(call.messages[0].content.contains("def double(x):"));
    }
}

#[test]
fn a_judgement_of_neither_yes_nor_no_is_a_format_failure_and_no_score() {
    let (finished, _) = world(SamplesSelect::Verifier, 3).run(Workflow::BestOfN, |query| {
        if query.wanted.judgement {
            return Line::judging(0.0, 0.0);
        }
        wrong_first(query)
    });
    assert_eq!(finished.format_failures, [FormatFailure::NoJudgement; 6]);
    // Without a score the public examples decide.
    assert_eq!(body(&finished), RIGHT);
}

#[test]
fn a_budget_that_ends_before_the_last_judgement_leaves_the_judged_programs() {
    let world = world(SamplesSelect::Verifier, 3).with(|evaluate| evaluate.budget.calls = 8);
    let (finished, _) = world.run(Workflow::BestOfN, |query| {
        if query.wanted.judgement {
            let is_right = query.messages[0].content.contains(RIGHT.trim());
            return Line::judging(if is_right { 0.1 } else { 0.6 }, 0.4);
        }
        wrong_first(query)
    });
    assert_eq!(finished.stop, StopReason::CallsSpent);
    assert_eq!(finished.spent.calls, 8);
    assert_eq!(body(&finished), SQUARE);
}

#[test]
fn selections_that_are_killed_continue_to_the_same_decision() {
    for select in [
        SamplesSelect::Likelihood,
        SamplesSelect::Weighted,
        SamplesSelect::Verifier,
    ] {
        continues_to_the_same(Workflow::BestOfN, || world(select, 5), script);
    }
}
