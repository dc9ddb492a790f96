//! An index of a few files, for tests of workflows.

use std::fs;
use std::rc::Rc;

use slm_retrieval::{Index, Secret, Sources, collect};

use super::{Knowledge, TaskKnowledge};

impl Knowledge {
    /// Indexes files, given by name and text: `.py` as code, others as documentation. A word counts as a token.
    pub(crate) fn of_files(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut docs, mut code) = (Vec::new(), Vec::new());
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(&path, text).expect("a file");
            if path.extension().is_some_and(|extension| extension == "py") {
                code.push(path);
            } else {
                docs.push(path.display().to_string());
            }
        }
        let sources = Sources {
            docs,
            code,
            root: folder.path().to_owned(),
        };
        let collected = collect(&sources, &|_| None).expect("sources");
        Self {
            index: Some(Index::new(collected).expect("an index")),
            top_k: 3,
            max_tokens: 600,
            count_tokens: Rc::new(|text| text.split_whitespace().count()),
            ..Self::none()
        }
    }

    /// Hides for a task what shares text with its solution.
    pub(crate) fn hiding(mut self, task_id: &str, solution: &str) -> Self {
        let index = self.index.as_ref().expect("an index");
        let secret = Secret {
            solutions: &[solution],
            tests: &[],
            target: None,
        };
        let of_task = TaskKnowledge {
            mask: index.mask(&secret),
            references: Vec::new(),
        };
        self.tasks.insert(task_id.to_owned(), of_task);
        self
    }
}
