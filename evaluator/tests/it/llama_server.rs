//! A real server, llama-cpp-python's, with the real SmolLM2 file: it gets the built-in model's prompts token for
//! token, and returns its answers up to near-ties.
//!
//! Needs `pip install 'llama-cpp-python[server]'` in the Python that `LLAMA_PYTHON` names (default `python3`), and
//! the file that `./quickstart` downloads; without them the test is skipped with a message.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use slm_model::{DeviceChoice, Message, Role, Runtime, Tokenizer, Weights};

use crate::endpoint::{lines, run_of};
use crate::support::{Project, finish};

const MODEL: &str = "HuggingFaceTB/SmolLM2-135M-Instruct";

/// The largest difference of two tokens in logits for which the server may choose the other: llama.cpp rounds
/// activations to 8 bits.
const NEAR_TIE: f32 = 0.5;

/// Longest time until the server has loaded the model.
const START: Duration = Duration::from_mins(2);

#[expect(clippy::print_stderr, reason = "a skipped test must print the reason")]
fn skip(reason: &str) {
    eprintln!("SKIPPED: {reason}");
}

/// The real file: `SLM_MODEL`, or the quickstart's download.
fn real_model() -> Option<PathBuf> {
    fn find(folder: &Path) -> Option<PathBuf> {
        std::fs::read_dir(folder)
            .ok()?
            .filter_map(Result::ok)
            .find_map(|entry| {
                let path = entry.path();
                if path.is_dir() {
                    return find(&path);
                }
                path.ends_with("SmolLM2-135M-Instruct.Q4_1.gguf")
                    .then_some(path)
            })
    }
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let named = variable("SLM_MODEL").filter(|path| path.is_file());
    let cache =
        variable("SLM_CACHE").or_else(|| Some(variable("HOME")?.join(".cache/slm-lora/models")));
    named.or_else(|| find(&cache?))
}

/// A server that is stopped when this is dropped.
struct Server {
    process: Child,
    url: String,
}

impl Server {
    fn start(python: &Path, file: &Path) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cluster/serve-gguf.sh");
        let mut process = Command::new("bash")
            .arg(script)
            .arg(file)
            .args([MODEL, &port.to_string()])
            .env("PYTHON", python)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("bash");
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(started.elapsed() < START, "the server does not start");
            assert!(
                process.try_wait().expect("a state").is_none(),
                "the server ended early"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
        let url = format!("http://127.0.0.1:{port}/v1");
        Self { process, url }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // bash was replaced by the server, so this is the process that listens.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Every call of a run by task and step: the parts of the prompt, and the answer.
fn calls(run: &Path) -> std::collections::BTreeMap<String, Value> {
    lines(&run.join("trajectory.jsonl"))
        .into_iter()
        .filter(|event| event["what"].get("call").is_some())
        .map(|event| {
            (
                format!("{} {}", event["trajectory"]["task_id"], event["step"]),
                event["what"]["call"].clone(),
            )
        })
        .collect()
}

#[test]
#[expect(clippy::print_stderr, reason = "what was measured")]
#[expect(
    clippy::too_many_lines,
    reason = "two runs, and what is compared of them"
)]
fn a_real_server_gives_the_built_in_models_answers_up_to_near_ties() {
    let python = std::env::var_os("LLAMA_PYTHON").map_or_else(|| "python3".into(), PathBuf::from);
    let has_server = Command::new(&python)
        .args(["-c", "import llama_cpp.server"])
        .output();
    if !has_server.is_ok_and(|output| output.status.success()) {
        return skip(
            "needs pip install 'llama-cpp-python[server]' in the Python that LLAMA_PYTHON names",
        );
    }
    let Some(file) = real_model() else {
        return skip("needs the real SmolLM2 file; run ./quickstart once, or set SLM_MODEL");
    };
    let project = Project::new();
    let recipe = format!(
        "model: {{name_or_path: {}, hub_name: {MODEL}}}\n\
         data: {{datasets: [{{path: \"stdlib:\", format: python_source}}]}}\n\
         evaluate: {{max_tasks: 8, max_new_tokens: 64, workflows: [single]}}\n",
        file.display()
    );
    project.write("real.yaml", recipe);
    let evaluate = |more: &[&str]| {
        let words = [
            &[
                "compare",
                "--base-only",
                "--recipe",
                "real.yaml",
                "--device",
                "cpu",
            ],
            more,
        ]
        .concat();
        run_of(
            &project,
            &finish(&mut project.command(env!("CARGO_BIN_EXE_evaluator"), &words)).result(),
        )
    };
    let ours = calls(&evaluate(&[]));
    let server = Server::start(&python, &file);
    let one_by_one = [
        "--endpoint",
        &server.url,
        "--set",
        "evaluate.endpoint.concurrency=1",
    ];
    let theirs = calls(&evaluate(&one_by_one));
    assert_eq!(ours.len(), 8);
    assert_eq!(
        ours.keys().collect::<Vec<_>>(),
        theirs.keys().collect::<Vec<_>>()
    );

    let weights = Weights::open(&file).expect("a model");
    let tokenizer = weights.tokenizer().expect("a tokenizer");
    let template = weights
        .chat_template()
        .expect("a template")
        .expect("has one");
    let (_, device) = DeviceChoice::Cpu.open().expect("a CPU");
    let runtime = Runtime::load(&weights, &device, |_, _| ()).expect("weights");
    let (mut equal, mut largest) = (0, 0.0f32);
    for (step, ours) in &ours {
        let theirs = &theirs[step];
        assert_eq!(
            ours["prompt_tokens"], theirs["prompt_tokens"],
            "{step}: another prompt"
        );
        assert_eq!(ours["seed"], theirs["seed"]);
        let text = |call: &Value| call["text"].as_str().expect("a text").to_owned();
        if text(ours) == text(theirs) {
            equal += 1;
            continue;
        }
        let said = |message: &Value| {
            assert_eq!(message["role"], "user");
            Message::new(Role::User, message["content"].as_str().expect("a text"))
        };
        let messages: Vec<Message> = ours["messages"]
            .as_array()
            .expect("messages")
            .iter()
            .map(said)
            .collect();
        let begun = ours["begun"].as_str().expect("a text");
        let prompt = template
            .encode_begun(&tokenizer, &messages, begun)
            .expect("ids");
        let gap = gap_where_they_part(&runtime, &tokenizer, prompt, &text(ours), &text(theirs));
        eprintln!("{step}: parts at a gap of {gap:.3} logits");
        largest = largest.max(gap);
        assert!(
            gap < NEAR_TIE,
            "{step}: no near-tie: {gap}\n{}\n---\n{}",
            text(ours),
            text(theirs)
        );
    }
    eprintln!(
        "{equal} of {} answers are equal, the others diverge at two tokens at most {largest:.3} logits apart",
        ours.len()
    );
}

/// The difference in logits, in the built-in model, between its own and the server's token where two answers diverge.
fn gap_where_they_part(
    runtime: &Runtime,
    tokenizer: &Tokenizer,
    prompt: Vec<u32>,
    ours: &str,
    theirs: &str,
) -> f32 {
    // The answer's text lost a leading newline if the vocabulary left it to the model.
    let candidates = [String::new(), "\n".to_owned()].into_iter().map(|newline| {
        let ids = |text: &str| {
            tokenizer
                .encode_text(&format!("{newline}{text}"))
                .expect("ids")
        };
        let (ours, theirs) = (ids(ours), ids(theirs));
        let shared = ours.iter().zip(&theirs).take_while(|(a, b)| a == b).count();
        let tokens = [&prompt[..], &ours[..shared]].concat();
        let mut cache = runtime.cache(1, tokens.len());
        let logits = runtime.prefill(&mut cache, 0, 0, &tokens, None);
        let best = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let end = tokenizer
            .eos_ids()
            .iter()
            .map(|&id| logits[id as usize])
            .fold(f32::NEG_INFINITY, f32::max);
        let taken = theirs.get(shared).map_or(end, |&id| logits[id as usize]);
        let own = ours.get(shared).map_or(end, |&id| logits[id as usize]);
        (best - own, best - taken)
    });
    // The correct reading is the one under which the built-in model chooses its own token.
    let (_, gap) = candidates
        .min_by(|(a, _), (b, _)| a.total_cmp(b))
        .expect("two readings");
    gap
}
