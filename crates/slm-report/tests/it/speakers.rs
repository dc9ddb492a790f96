//! Roles that another model than the arm's answers for.

use slm_report::SpeakerInfo;

use crate::page::check;
use crate::synthetic::{records, run};

#[test]
fn every_role_of_another_speaker_is_named_with_its_source() {
    let mut run = run(&[]);
    let records = records(&[], 6);
    let without = check(&records, &run).markdown;
    assert!(!without.contains("answers for the role"), "{without}");
    let speaker = |role: &str, speaker: &str, source: Option<&str>| SpeakerInfo {
        role: role.to_owned(),
        speaker: speaker.to_owned(),
        source: source.map(str::to_owned),
        sha256: None,
        learned_tasks: Vec::new(),
    };
    run.speakers = vec![
        speaker("planner", "base", None),
        speaker("reviewer", "tuned", Some("checkpoints/tuned/adapter")),
    ];
    let page = check(&records, &run).markdown;
    let line = "In every arm `base` answers for the role `planner`, \
                `tuned` (`checkpoints/tuned/adapter`) answers for the role `reviewer`.";
    assert!(page.contains(line), "{page}");
    assert!(!page.contains("**Learned tasks.**"), "{page}");
    run.speakers[1].learned_tasks = vec!["starter/01".to_owned(), "starter/02".to_owned()];
    let page = check(&records, &run).markdown;
    let threat = "**Learned tasks.** `tuned`, which answers for the role `reviewer`, was trained on answers to 2 tasks of this run \
                  (`starter/01`, `starter/02`), which `--allow-learned-tasks` permitted: results on them measure memory.";
    assert!(page.contains(threat), "{page}");
}
