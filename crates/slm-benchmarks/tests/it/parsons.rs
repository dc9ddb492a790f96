//! Parsons problems made of the embedded tasks.

use slm_benchmarks::{
    Evaluated, LeftOut, PARSONS_SUFFIX, Parsons, ScoringPhase, Task, TaskSet, fingerprints, load,
    prompting,
};
use slm_metrics::syntax::LineUse;
use slm_sandbox::Verdict;

use crate::{for_each, hidden, sandbox};

const SETTINGS: Parsons = Parsons {
    distractors: 2,
    keeps_indent: false,
    wording: 1,
    seed: 7,
};

fn problems(settings: Parsons) -> TaskSet {
    let set = load("embedded", None).expect("the embedded tasks");
    set.into_parsons(&settings, &ScoringPhase::begin())
}

/// Returns the shown lines of a problem, in the shown order.
fn shown(task: &Task) -> Vec<String> {
    let lines = task.view().prompt.lines().skip(2);
    let lines = lines.map_while(|line| line.strip_prefix("#     "));
    lines.map(str::to_owned).collect()
}

fn unshuffled(task: &Task) -> String {
    task.unshuffled(&ScoringPhase::begin()).expect("a problem")
}

#[test]
fn every_task_is_a_problem_or_is_counted_with_its_reason() {
    let all = load("embedded", None).expect("tasks").tasks.len();
    let set = problems(SETTINGS);
    assert_eq!(set.tasks.len() + set.left_out.values().sum::<usize>(), all);
    assert!(set.tasks.len() > 20, "{:?}", set.left_out);
    let few = problems(Parsons {
        distractors: 1000,
        ..SETTINGS
    });
    assert!(few.tasks.is_empty());
    assert!(few.left_out["with too few wrong lines of one other token"] > 20);
    let none: LeftOut = problems(Parsons {
        distractors: 0,
        ..SETTINGS
    })
    .left_out;
    assert!(
        none.keys().all(|reason| !reason.contains("wrong")),
        "{none:?}"
    );
}

#[test]
fn the_unshuffled_solution_passes_and_uses_every_line() {
    let (phase, sandbox) = (ScoringPhase::begin(), sandbox());
    for_each(&problems(SETTINGS).tasks, |task| {
        let program = format!("{}{}", task.view().prompt, unshuffled(task));
        let outcome = sandbox.run_tests(&program, hidden(task)).expect("a run");
        assert_eq!(
            outcome.verdict,
            Verdict::Passed,
            "{program}\n{}",
            outcome.detail
        );
        let found = task.line_use(&program, &phase).expect("a problem");
        let given = shown(task).len() - SETTINGS.distractors;
        let expected = LineUse {
            given,
            used: given,
            ..LineUse::default()
        };
        assert_eq!(found, expected, "{program}");
    });
}

#[test]
fn the_shown_lines_are_the_solutions_and_the_distractors_in_another_order() {
    for settings in [0, 1, 2].map(|distractors| Parsons {
        distractors,
        ..SETTINGS
    }) {
        for seed in 0..5 {
            for task in problems(Parsons { seed, ..settings }).tasks {
                let mut left = shown(&task);
                let own: Vec<String> = unshuffled(&task)
                    .lines()
                    .map(|l| l.trim().to_owned())
                    .collect();
                assert_eq!(left.len(), own.len() + settings.distractors);
                let order: Vec<&String> = left.iter().filter(|line| own.contains(line)).collect();
                assert!(!order.into_iter().eq(&own), "{own:?}");
                for line in &own {
                    let at = left.iter().position(|of| of == line).expect("a shown line");
                    left.remove(at);
                }
                assert!(left.iter().all(|wrong| !own.contains(wrong)), "{left:?}");
            }
        }
    }
}

#[test]
fn order_and_distractors_depend_on_the_seed_alone() {
    let prompts = |seed| -> Vec<String> {
        let tasks = problems(Parsons { seed, ..SETTINGS }).tasks;
        tasks
            .iter()
            .map(|task| task.view().prompt.clone())
            .collect()
    };
    assert_eq!(prompts(1), prompts(1));
    let (one, two) = (prompts(1), prompts(2));
    let differ = one.iter().zip(&two).filter(|(a, b)| a != b).count();
    assert!(differ * 10 > one.len() * 9, "{differ} of {}", one.len());
}

#[test]
fn the_solution_stays_hidden_though_its_lines_are_shown() {
    let phase = ScoringPhase::begin();
    for keeps_indent in [false, true] {
        for task in problems(Parsons {
            keeps_indent,
            ..SETTINGS
        })
        .tasks
        {
            let view = serde_json::to_string(task.view()).expect("JSON");
            let inside = |text: &str| {
                let text = serde_json::to_string(text.trim()).expect("JSON");
                view.contains(text.trim_matches('"'))
            };
            assert!(!inside(task.canonical_solution(&phase)) && !inside(&unshuffled(&task)));
            assert!(
                hidden(&task).iter().all(|test| !inside(test))
                    || !task.view().public_examples.is_empty()
            );
            // Masks and gates compare with it, as for every task.
            assert_eq!(
                task.secrets(&phase).solutions,
                [task.canonical_solution(&phase)]
            );
            let kept = shown(&task).iter().any(|line| line.starts_with(' '));
            assert!(keeps_indent || !kept);
        }
    }
}

#[test]
fn a_problem_is_its_task_for_the_gates_against_leakage() {
    let phase = ScoringPhase::begin();
    let set = problems(SETTINGS);
    let free = load("embedded", None).expect("tasks").tasks;
    let gate = Evaluated::new(&free, &phase);
    let shared = gate.shared(&fingerprints(&set.tasks, &phase));
    assert_eq!(shared.len(), set.tasks.len());
    for of in shared {
        assert_eq!(of.learned, format!("{}{PARSONS_SUFFIX}", of.evaluated));
    }
}

#[test]
fn each_wording_names_the_distractors_and_the_lost_indentation() {
    let mut openings = Vec::new();
    for wording in 1..=slm_benchmarks::PARSONS_WORDINGS {
        for (distractors, keeps_indent) in [(0, true), (1, false), (2, true), (2, false)] {
            let set = problems(Parsons {
                distractors,
                keeps_indent,
                wording,
                ..SETTINGS
            });
            let prompt = &set.tasks[0].view().prompt;
            let first = prompt.lines().next().expect("an instruction");
            assert_eq!(
                first.contains(&format!(" {distractors} ")),
                distractors > 0,
                "{first}"
            );
            assert_eq!(
                first.to_lowercase().contains("indent"),
                !keeps_indent,
                "{first}"
            );
            openings.push(first.to_owned());
        }
    }
    openings.sort();
    openings.dedup();
    assert_eq!(openings.len(), 12);
}

#[test]
fn lines_are_altered_added_unused_or_distractors() {
    let phase = ScoringPhase::begin();
    let set = problems(SETTINGS);
    let task = &set.tasks[0];
    let (prompt, solution) = (&task.view().prompt, unshuffled(task));
    let of = |body: &str| {
        task.line_use(&format!("{prompt}{body}"), &phase)
            .expect("it parses")
    };
    let given = of(&solution).given;
    // `pass` and a print are like no line of a solution.
    let added = of(&format!("    pass\n    print('here', 1, [2])\n{solution}"));
    assert_eq!((added.used, added.added, added.altered), (given, 2, 0));
    let none = of("    pass\n");
    assert_eq!((none.used, none.unused), (0, given));
    assert_eq!(task.line_use("def f(:\n", &phase), None);
    let own: Vec<&str> = solution.lines().map(str::trim).collect();
    let lines = shown(task);
    let wrong = lines
        .iter()
        .find(|line| !own.contains(&line.as_str()) && !line.ends_with(':'));
    if let Some(wrong) = wrong {
        assert_eq!(of(&format!("    {wrong}\n{solution}")).distractors_used, 1);
    }
    let free = load("embedded", None).expect("tasks").tasks.swap_remove(0);
    assert_eq!(free.line_use(&solution, &phase), None);
}

#[test]
fn a_changed_signature_is_no_line_of_the_answer() {
    let phase = ScoringPhase::begin();
    for task in problems(SETTINGS).tasks {
        let (view, solution) = (task.view(), unshuffled(&task));
        let header = format!("def {}(", view.entry_point);
        let Some(at) = view.prompt.rfind(&header) else {
            continue;
        };
        let changed = format!(
            "{}{}",
            &view.prompt[..at],
            view.prompt[at..].replacen(&header, &format!("{header}*args, "), 1)
        );
        let found = task.line_use(&format!("{changed}{solution}"), &phase);
        assert!(
            found.is_none_or(|found| found.added == 0 && found.altered == 0),
            "{found:?}"
        );
    }
}

#[test]
fn a_request_in_prose_gets_the_lines_and_a_docstring_alone_is_still_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("mbpp.jsonl");
    let row = r#"{"task_id": 1, "text": "Write a function to add.", "code": "def add(xs):\n    total = 0\n    for x in xs:\n        total += x\n    return total", "test_setup_code": "", "test_list": ["assert add([1]) == 1"]}"#;
    std::fs::write(&path, row).expect("a file");
    let set = load("mbpp", Some(&path)).expect("a task");
    let free = set.tasks[0].view().clone();
    let set = set.into_parsons(
        &Parsons {
            distractors: 1,
            ..SETTINGS
        },
        &ScoringPhase::begin(),
    );
    let view = set.tasks[0].view();
    let base = prompting::request(prompting::Style::Base, view);
    assert_eq!(
        base.stops,
        prompting::request(prompting::Style::Base, &free).stops
    );
    assert!(shown(&set.tasks[0]).contains(&"def add(xs):".to_owned()));
    for (before, after) in free.instruction.iter().zip(&view.instruction) {
        assert!(
            after.starts_with(before.trim_end()) && after.contains("\ntotal = 0\n"),
            "{after}"
        );
    }
}
