//! Beam search on scripted trees of statements, against brute force over them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use slm_config::{Beam, BeamScore, SamplesSelect, Workflow};

use super::{World, body, calls, continues_to_the_same};
use crate::backend::Query;
use crate::backend::scripted::{Line, Scripted};
use crate::workflow::event::{Event, What};
use slm_artifacts::{Expects, StopReason};

/// Statements of a complete program, and choices of each.
const DEPTH: usize = 4;
const WAYS: usize = 10;

/// The digits of the statements that a query begins with, each a choice.
fn path(query: &Query) -> Vec<usize> {
    let lines = query
        .begun
        .lines()
        .filter_map(|line| line.strip_prefix("    x"));
    let digits = lines.map(|line| line.rsplit(' ').next().expect("a digit"));
    digits
        .map(|digit| digit.parse().expect("a digit"))
        .collect()
}

/// How good a choice is after others; each whole path has another sum.
fn value(path: &[usize]) -> f64 {
    let places = path.iter().enumerate();
    let penalty = places.map(|(at, &way)| {
        let best = (3 * at + path[..at].iter().sum::<usize>() + 7) % WAYS;
        (way.abs_diff(best) as f64) * (1.0 + 0.013 * at as f64)
    });
    -penalty.sum::<f64>()
}

fn statement(at: usize, way: usize) -> String {
    let end = if at + 1 == DEPTH { "" } else { "\n" };
    format!("    x{at} = {way}{end}")
}

/// A model that answers the k-th request for the continuation of a beginning with the k-th choice. The mean log-probability
/// of the statements is the value of the path.
fn tree() -> impl Fn(&Query) -> Line {
    let asked: RefCell<BTreeMap<String, usize>> = RefCell::default();
    move |query| {
        let mut asked = asked.borrow_mut();
        let count = asked.entry(query.begun.clone()).or_default();
        let way = *count % WAYS;
        *count += 1;
        line(&path(query), way)
    }
}

fn line(path: &[usize], way: usize) -> Line {
    let child = [path, &[way]].concat();
    // The mean over all statements is the value of the path, since each has as many tokens.
    let mean = value(&child) * child.len() as f64 - value(path) * path.len() as f64;
    Line::of_tokens(statement(path.len(), way), 5).with_mean(mean)
}

fn world(beam: Beam) -> World {
    World::new().with(|evaluate| {
        evaluate.beam = beam;
        evaluate.budget.calls = 1000;
        evaluate.budget.completion_tokens = 20_000;
        evaluate.budget.executions = 100;
    })
}

fn settings(n: usize, beam_width: usize, subtrees: usize) -> Beam {
    Beam {
        n,
        beam_width,
        subtrees,
        num_iterations: 40,
        score: BeamScore::Likelihood,
    }
}

/// The programs that were run, sorted.
fn programs(events: &[Event]) -> Vec<String> {
    let run = events.iter().filter_map(|event| match &event.what {
        What::Execution(run) => Some(run.code_sha256.clone()),
        _ => None,
    });
    let mut run: Vec<String> = run.collect();
    run.sort();
    run
}

/// The search by its definition, over paths: which complete paths it ends with.
fn brute_force(n: usize, beam_width: usize, subtrees: usize) -> Vec<Vec<usize>> {
    let mut asked: BTreeMap<Vec<usize>, usize> = BTreeMap::new();
    let mut groups: Vec<Vec<Vec<usize>>> = vec![vec![Vec::new(); n / subtrees]; subtrees];
    for _ in 0..DEPTH {
        for group in &mut groups {
            let mut children: Vec<Vec<usize>> = Vec::new();
            for parent in group.iter() {
                for _ in 0..beam_width {
                    let count = asked.entry(parent.clone()).or_default();
                    children.push([&parent[..], &[*count % WAYS]].concat());
                    *count += 1;
                }
            }
            let mut kept: Vec<Vec<usize>> = Vec::new();
            while kept.len() < n / subtrees {
                let new = |of: &&Vec<usize>| !kept.contains(of);
                let best = children.iter().filter(new).max_by(|a, b| {
                    // Of equals the earlier: the later is the smaller here.
                    value(a)
                        .total_cmp(&value(b))
                        .then(std::cmp::Ordering::Greater)
                });
                let Some(best) = best else { break };
                kept.push(best.clone());
            }
            *group = kept;
        }
    }
    groups.concat()
}

fn text(path: &[usize]) -> String {
    let statements = path.iter().enumerate();
    statements.map(|(at, &way)| statement(at, way)).collect()
}

#[test]
fn pruning_equals_brute_force_over_the_tree() {
    for (n, beam_width, subtrees) in [
        (1, 10, 1),
        (2, 3, 1),
        (4, 4, 1),
        (4, 4, 2),
        (4, 5, 4),
        (6, 2, 3),
    ] {
        let world = world(settings(n, beam_width, subtrees));
        let (finished, events) = world.run(Workflow::Beam, tree());
        assert_eq!(finished.stop, StopReason::Finished);
        let mut expected = brute_force(n, beam_width, subtrees);
        let prompt = world.tasks[0].prompt.clone();
        let hash = |path: &Vec<usize>| {
            slm_artifacts::sha256_of_texts([format!("{prompt}{}\n", text(path)).as_str()])
        };
        let mut hashes: Vec<String> = expected.iter().map(hash).collect();
        hashes.sort();
        assert_eq!(programs(&events), hashes, "{n}, {beam_width}, {subtrees}");
        expected.retain(|path| text(path) == body(&finished));
        assert!(!expected.is_empty(), "the kept program is one of them");
    }
}

#[test]
fn a_search_finds_the_best_of_ten_thousand_programs_that_as_many_tokens_of_samples_miss() {
    let mut best: (f64, Vec<usize>) = (f64::NEG_INFINITY, Vec::new());
    for number in 0..WAYS.pow(4) {
        let path: Vec<usize> = (0..4).map(|at| number / WAYS.pow(at) % WAYS).collect();
        if value(&path) > best.0 {
            best = (value(&path), path);
        }
    }
    let searched = world(settings(1, 10, 1));
    let (finished, _) = searched.run(Workflow::Beam, tree());
    assert_eq!(body(&finished), text(&best.1));
    let tokens = finished.spent.completion_tokens;
    assert_eq!(tokens, DEPTH * WAYS * 5);

    // As many tokens buy 10 whole programs; choosing by the same log-probability, none is the best.
    let samples = tokens / (DEPTH * 5);
    for seed in 0..20 {
        let sampled = World::new().with(|evaluate| {
            evaluate.samples = samples;
            evaluate.samples_select = SamplesSelect::Likelihood;
            evaluate.budget.completion_tokens = tokens;
            evaluate.max_new_tokens = DEPTH * 5;
            evaluate.sampling.seed = seed;
        });
        let (found, _) = sampled.run(Workflow::BestOfN, |query| {
            let path: Vec<usize> = (0..4)
                .map(|at| (query.seed.rotate_left(13 * at + 7) % 10) as usize)
                .collect();
            Line::of_tokens(text(&path), DEPTH * 5).with_mean(value(&path))
        });
        assert_eq!(found.spent.completion_tokens, tokens);
        assert_ne!(body(&found), text(&best.1), "seed {seed}");
    }
}

/// A model of five programs of different lengths: the k-th first statement is that of the k-th program, and a beginning is
/// continued as its program continues.
fn fixed_programs() -> ([&'static str; 5], impl Fn(&Query) -> Line) {
    let programs = [
        "    a = 1\n    return 2 * x",
        "    b = 1\n    if b:\n        return x\n    return x * x",
        "    return -1",
        "    c = 1\n    d = 2\n    e = 3\n    return 2 * x",
        "    for f in [x]:\n        return f\n    return x",
    ];
    let started = Cell::new(0);
    let script = move |query: &Query| {
        let before = query.begun.split("\"\"\"\n").last().expect("a body");
        let program = if before.is_empty() {
            started.set(started.get() + 1);
            programs[(started.get() - 1) % 5]
        } else {
            let of = programs.iter().find(|of| of.starts_with(before));
            of.copied().expect("a program's beginning")
        };
        let rest = &program[before.len()..];
        let ends = rest.match_indices('\n').map(|(at, _)| at + 1);
        let mut ends = ends.filter(|&at| !rest[at..].starts_with("     "));
        let end = match query.wanted.one_statement {
            Some(indent) => {
                assert_eq!(indent, 4);
                ends.next().unwrap_or(rest.len())
            }
            None => rest.len(),
        };
        Line::of_tokens(&rest[..end], 3)
    };
    (programs, script)
}

#[test]
fn with_one_continuation_the_search_is_as_many_samples() {
    let (_, script) = fixed_programs();
    let (_, events) = world(settings(5, 1, 1)).run(Workflow::Beam, script);
    let searched = programs(&events);
    let (_, script) = fixed_programs();
    let (_, events) = World::new()
        .with(|evaluate| evaluate.samples = 5)
        .run(Workflow::BestOfN, script);
    let sampled = programs(&events);
    assert_eq!(searched.len(), 5);
    assert_eq!(searched, sampled);
}

#[test]
fn the_beginning_is_part_of_the_request_and_statements_are_asked_for_one_at_a_time() {
    let model = Scripted::new(tree());
    world(settings(2, 2, 1))
        .try_run(Workflow::Beam, &model)
        .expect("an end");
    let asked = model.asked();
    assert_eq!(asked.len(), 2 * 2 * DEPTH);
    for query in &asked {
        assert_eq!(query.wanted.one_statement, Some(4));
        assert!(query.wanted.log_probability);
        let begun = format!("{}{}", "```python\n", super::task("double").prompt);
        assert!(query.begun.starts_with(&begun), "{}", query.begun);
    }
    assert!(asked.last().expect("a query").begun.contains("    x2 = "));
}

#[test]
fn dead_ends_are_dropped_and_counted() {
    let (finished, events) = world(settings(2, 2, 1)).run(Workflow::Beam, |query| {
        // The likelier statement does not parse.
        match query.seed % 2 {
            0 => Line::of_tokens("    return (", 3).with_mean(-0.1),
            _ => Line::of_tokens("    return 2 * x", 3).with_mean(-2.0),
        }
    });
    let broken = calls(&events)
        .iter()
        .filter(|call| call.text.ends_with('('))
        .count();
    assert_eq!(finished.format_failures.len(), broken);
    assert_eq!(finished.spent.calls, 4);
    let expected = if broken < 4 {
        "    return 2 * x"
    } else {
        "    return ("
    };
    assert_eq!(body(&finished), expected);
}

#[test]
fn a_statement_without_end_is_a_dead_end() {
    let beam = settings(2, 2, 1);
    let world = world(beam).with(|evaluate| evaluate.max_new_tokens = 50);
    let (finished, events) = world.run(Workflow::Beam, |_| Line::endless("    x = 1 +"));
    assert_eq!(finished.stop, StopReason::Finished);
    assert_eq!(calls(&events).len(), 4);
    assert_eq!(finished.format_failures.len(), 4);
    // The best of what there is.
    assert_eq!(body(&finished), "    x = 1 +");
    assert_eq!(finished.spent.executions, 0, "it cannot be run");
}

#[test]
fn a_budget_that_ends_the_search_keeps_the_best_partial_program() {
    for tokens in [5, 6, 44, 45, 90] {
        let world = world(settings(2, 2, 1)).with(|evaluate| {
            evaluate.budget.completion_tokens = tokens;
            evaluate.max_new_tokens = 20;
        });
        let (finished, events) = world.run(Workflow::Beam, tree());
        let written: usize = calls(&events)
            .iter()
            .map(|call| call.completion_tokens)
            .sum();
        assert_eq!(finished.spent.completion_tokens, written);
        assert!(written <= tokens);
        assert!(finished.chosen.is_some(), "{tokens} tokens");
        if tokens < 80 {
            assert_eq!(finished.stop, StopReason::CompletionTokensSpent);
        }
    }
}

#[test]
fn most_statements_end_a_program_that_has_no_end() {
    let beam = Beam {
        num_iterations: 3,
        ..settings(1, 2, 1)
    };
    let (finished, events) =
        world(beam).run(Workflow::Beam, |_| Line::of_tokens("    x += 1\n", 4));
    assert_eq!(finished.stop, StopReason::Finished);
    assert_eq!(calls(&events).len(), 6);
    assert_eq!(body(&finished), "    x += 1\n".repeat(3));
}

#[test]
fn the_verifier_prunes_by_its_score_and_costs_a_call_for_each_partial_program() {
    let beam = Beam {
        score: BeamScore::Verifier,
        ..settings(1, 10, 1)
    };
    let tree = tree();
    let (finished, events) = world(beam).run(Workflow::Beam, |query| {
        if !query.wanted.judgement {
            assert!(!query.wanted.log_probability);
            return tree(query);
        }
        let shown = &query.messages[0].content;
        let lines = shown.lines().filter(|line| line.starts_with("    x"));
        let digits = lines.map(|line| line.rsplit(' ').next().expect("a digit"));
        let path: Vec<usize> = digits.map(|of| of.parse().expect("a digit")).collect();
        Line::judging(value(&path).exp(), 1.0)
    });
    let expected = brute_force(1, 10, 1);
    assert_eq!(body(&finished), text(&expected[0]));
    let judged = calls(&events)
        .iter()
        .filter(|call| call.expects == Expects::Judgement)
        .count();
    assert_eq!(judged, DEPTH * 10);
}

#[test]
fn a_search_that_is_killed_continues_to_the_same_program() {
    let script = |query: &Query| {
        let path = path(query);
        line(&path, (query.seed % 10) as usize)
    };
    continues_to_the_same(Workflow::Beam, || world(settings(4, 2, 2)), script);
}

#[test]
fn a_context_without_room_for_a_statement_ends_a_search_that_has_no_program() {
    let (finished, _) = world(settings(1, 2, 1)).run(Workflow::Beam, |query| {
        if query.begun.contains("    x = 1\n") {
            return Line::without_room();
        }
        Line::of_tokens("    x = 1\n", 4)
    });
    assert_eq!(finished.stop, StopReason::ContextFull);
    assert_eq!(body(&finished), "    x = 1\n");
}
