//! Copies of a repository, and programs inside them.

use std::fs;

use slm_benchmarks::{RepositoryTarget, RepositoryTest, RepositoryTestKind};
use slm_repository::{
    Listing, ProgramRun, RepositoryError, SpliceFault, TreePool, identity, run_examples,
    run_program,
};
use slm_sandbox::Verdict;

use super::{Repository, sandbox};

fn repository() -> Repository {
    Repository::new(&[
        (".gitignore", "ignored.py\n"),
        (".hidden/a.py", ""),
        (
            "a.py",
            "import os\n\ndef f(x):\n    'F.'\n    return x * 3\n",
        ),
        ("ignored.py", ""),
        ("build/b.py", ""),
        ("build/lib/__init__.py", ""),
        ("pkg/build/__init__.py", ""),
        ("env/pyvenv.cfg", ""),
        ("env/lib.py", ""),
        ("node_modules/x.py", ""),
        (
            "test_a.py",
            "from a import f\ndef test_f(): assert f(2) == 6\n",
        ),
    ])
}

#[test]
fn the_files_that_count_are_listed_and_identify_the_repository() {
    let repository = repository();
    std::os::unix::fs::symlink("a.py", repository.root().join("link.py")).expect("a link");
    let large = fs::File::create(repository.root().join("large.bin")).expect("a file");
    large.set_len((10 << 20) + 1).expect("a size");
    let listing = Listing::of(&repository.root()).expect("a listing");
    assert_eq!(
        listing.files,
        ["a.py", "pkg/build/__init__.py", "test_a.py"]
    );
    assert_eq!(listing.too_large, 1);
    let before = identity(&repository.root(), &listing).expect("an identity");
    fs::write(repository.root().join("ignored.py"), "x = 1").expect("a file");
    let same = identity(&repository.root(), &listing).expect("an identity");
    assert_eq!(before, same);
    // What training and evaluation write, and other files that are not Python.
    for name in ["checkpoints", "reports", "pkg/reports"] {
        let folder = repository.root().join(name);
        fs::create_dir(&folder).expect("a folder");
        fs::write(folder.join("x.txt"), "").expect("a file");
    }
    fs::write(repository.root().join("checkpoints/x.py"), "").expect("a file");
    fs::write(repository.root().join("own.jsonl"), "{}").expect("a file");
    let listing = Listing::of(&repository.root()).expect("a listing");
    assert_eq!(
        listing.files,
        [
            "a.py",
            "own.jsonl",
            "pkg/build/__init__.py",
            "pkg/reports/x.txt",
            "test_a.py"
        ]
    );
    let same = identity(&repository.root(), &listing).expect("an identity");
    assert_eq!(before, same);
    fs::write(repository.root().join("reports/__init__.py"), "").expect("a file");
    fs::write(repository.root().join("a.pyi"), "").expect("a file");
    let listing = Listing::of(&repository.root()).expect("a listing");
    assert!(listing.contains("reports/x.txt"));
    let stubbed = identity(&repository.root(), &listing).expect("an identity");
    assert_ne!(before, stubbed);
    fs::write(repository.root().join("a.py"), "x = 1").expect("a file");
    let other = identity(&repository.root(), &listing).expect("an identity");
    assert_ne!(before, other);
}

#[test]
fn a_repository_of_more_than_a_gibibyte_is_refused() {
    let repository = Repository::new(&[("a.py", "")]);
    for i in 0..103 {
        let path = repository.root().join(format!("data{i}.bin"));
        let file = fs::File::create(path).expect("a file");
        // Without blocks on the disk.
        file.set_len(10 << 20).expect("a size");
    }
    let error = Listing::of(&repository.root())
        .expect_err("a refusal")
        .to_string();
    assert!(
        error.contains("expected at most 1073741824\nhint: "),
        "{error}"
    );
}

#[test]
fn a_changed_repository_is_refused() {
    let repository = repository();
    let pool = TreePool::new(repository.root(), Some("0".repeat(64)));
    let error = pool.lend().expect_err("a refusal");
    assert!(matches!(error, RepositoryError::Changed { .. }));
    assert!(
        error.to_string().contains("run `evaluator tasks` again"),
        "{error}"
    );
}

#[test]
fn copies_are_reused_and_each_is_lent_once() {
    let repository = repository();
    let pool = TreePool::new(repository.root(), None);
    let first = pool.lend().expect("a copy");
    let second = pool.lend().expect("a copy");
    assert_ne!(first.path(), second.path());
    let path = second.path().to_owned();
    drop(second);
    assert_eq!(pool.lend().expect("a copy").path(), path);
}

#[test]
fn a_program_replaces_the_function_for_one_run() {
    let Some(sandbox) = sandbox() else { return };
    let repository = repository();
    let pool = TreePool::new(repository.root(), None);
    let target = RepositoryTarget {
        root: repository.root(),
        sha256: String::new(),
        file: "a.py".to_owned(),
        qualified_name: "f".to_owned(),
        first_line: 3,
    };
    let tests = [RepositoryTest {
        kind: RepositoryTestKind::Plain,
        id: "test_a.py::test_f".to_owned(),
        text: String::new(),
    }];
    let prompt = "def f(x):\n    'F.'\n";
    let verdict =
        |program: &str| match run_program(sandbox, &pool, &target, prompt, &tests, program)
            .expect("a run")
        {
            ProgramRun::Refused(fault) => Err(fault),
            ProgramRun::Tested { results, .. } => Ok(results[0].0),
        };
    assert_eq!(verdict("def f(x):\n    return x * 3"), Ok(Verdict::Passed));
    assert_eq!(verdict("def f(x):\n    return x * 4"), Ok(Verdict::Failed));
    assert_eq!(
        verdict("def f(x):\n    return g(x)\ndef g(x): return 6"),
        Ok(Verdict::Passed)
    );
    assert_eq!(
        verdict("def f(x):\n    return os.sep * 6"),
        Ok(Verdict::Failed)
    );
    assert_eq!(
        verdict("def f(x):\n    raise KeyError(x)"),
        Ok(Verdict::Error)
    );
    assert_eq!(
        verdict("def f(x):\n    while x: pass"),
        Ok(Verdict::Timeout)
    );
    // Top-level calls are not part of the definition.
    assert_eq!(
        verdict("import os\nos._exit(0)\ndef f(x): return 6"),
        Ok(Verdict::Passed)
    );
    assert_eq!(
        verdict("def f(x):\n    import os\n    os._exit(0)"),
        Ok(Verdict::Error)
    );
    assert_eq!(verdict("def f(x) return"), Err(SpliceFault::Unparsable));
    assert_eq!(
        verdict("def h(x): return 6"),
        Err(SpliceFault::NoDefinition)
    );
    // What a whole program declares is part of it, wherever it is.
    assert_eq!(
        verdict(
            "'''A program.'''\nfrom __future__ import annotations\ntry:\n    import no_such_module\nexcept ImportError:\n    no_such_module = None\ndef f(x: Missing):\n    return K if no_such_module is None else x\nK = 5\nK += 1\nresult = f(2)\nprint(result)"
        ),
        Ok(Verdict::Passed)
    );
    // The file is restored after each run.
    assert_eq!(verdict("def f(x):\n    return x * 3"), Ok(Verdict::Passed));
    let examples = [">>> f(1)\n3\n".to_owned(), ">>> f(2)\n7\n".to_owned()];
    let program = "def f(x):\n    return x * 3";
    let run = run_examples(sandbox, &pool, &target, prompt, &examples, program).expect("a run");
    let ProgramRun::Tested { results, .. } = run else {
        panic!("{run:?}");
    };
    assert_eq!(results[0].0, Verdict::Passed);
    assert_eq!(results[1].0, Verdict::Failed);
    // Without examples the module is imported.
    let import = |program: &str| {
        let run = run_examples(sandbox, &pool, &target, prompt, &[], program).expect("a run");
        match run {
            ProgramRun::Tested { mut results, .. } if results.len() == 1 => results.remove(0),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(import(program), (Verdict::Passed, String::new()));
    let (verdict, detail) = import("K = 1 / 0\ndef f(x): return K\nprint(f(1))");
    assert_eq!(verdict, Verdict::Error);
    assert_eq!(
        detail,
        "ZeroDivisionError: division by zero; left out of the program: print(f(1))"
    );
    assert_eq!(
        import("while_ = 0\ndef f(x, y=[0] * (1 << 40)): pass").0,
        Verdict::Error
    );
}

#[test]
fn a_function_that_the_file_does_not_contain_is_an_error() {
    let Some(sandbox) = sandbox() else { return };
    let repository = repository();
    let pool = TreePool::new(repository.root(), None);
    for (file, qualified_name, first_line) in [("a.py", "f", 4), ("a.py", "g", 3), ("b.py", "f", 3)]
    {
        let target = RepositoryTarget {
            root: repository.root(),
            sha256: String::new(),
            file: file.to_owned(),
            qualified_name: qualified_name.to_owned(),
            first_line,
        };
        let program = "def f(x): return 1";
        let error = run_program(sandbox, &pool, &target, "", &[], program).expect_err("an error");
        assert!(
            matches!(error, RepositoryError::NoFunction { .. }),
            "{error}"
        );
    }
}

#[test]
fn a_program_that_cannot_break_a_broken_module_passes_its_import() {
    let Some(sandbox) = sandbox() else { return };
    let repository = Repository::new(&[("a.py", "import no_such_module\ndef f(x): return 1\n")]);
    let pool = TreePool::new(repository.root(), None);
    let target = RepositoryTarget {
        root: repository.root(),
        sha256: String::new(),
        file: "a.py".to_owned(),
        qualified_name: "f".to_owned(),
        first_line: 2,
    };
    let program = "def f(x): return 2";
    let run = run_examples(sandbox, &pool, &target, "", &[], program).expect("a run");
    assert!(run.passes(), "{run:?}");
}
