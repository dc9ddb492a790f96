//! A server on loopback with OpenAI's API, which counts requests and fails as a test requires.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use slm_model::Tokenizer;

use crate::support::golden;

/// A received request.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// `/models`, `/completions` or `/chat/completions`.
    pub(crate) route: String,
    pub(crate) body: Value,
    pub(crate) authorization: Option<String>,
    /// The prompt as text.
    pub(crate) prompt: String,
    /// How often the same prompt was requested before, without probes.
    pub(crate) before: usize,
    pub(crate) at: Instant,
}

impl Asked {
    /// Whether this is a probe of the server's capabilities, which requests one token.
    pub(crate) fn is_probe(&self) -> bool {
        self.body["max_tokens"] == 1
    }

    /// The number of the task in the prompt.
    pub(crate) fn task(&self) -> usize {
        let name = self.prompt.split("def add_").nth(1).unwrap_or("0");
        let number: String = name.chars().take_while(char::is_ascii_digit).collect();
        number.parse().unwrap_or(0)
    }
}

/// The server's response to a request.
pub(crate) enum Say {
    Json(u16, Value),
    /// With additional header lines, each ended by a line break.
    With(u16, String, Value),
    /// These bytes, then the end of the connection.
    Bytes(Vec<u8>),
    /// One byte at a time, slowly.
    Trickle(Vec<u8>),
    /// Nothing, for as long as the server lives.
    Hang,
}

type Behaviour = dyn Fn(&Asked) -> Say + Send + Sync;

struct State {
    behave: Box<Behaviour>,
    asked: Mutex<Vec<Asked>>,
    tokenizer: Tokenizer,
    over: AtomicBool,
}

/// A server that runs until this is dropped.
pub(crate) struct FakeServer {
    address: SocketAddr,
    state: Arc<State>,
}

impl FakeServer {
    /// Starts a server with this behaviour; the list of models always exists.
    pub(crate) fn new(behave: impl Fn(&Asked) -> Say + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State {
            behave: Box::new(behave),
            asked: Mutex::default(),
            tokenizer: tokenizer(),
            over: AtomicBool::new(false),
        });
        let of_thread = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if of_thread.over.load(Ordering::Relaxed) {
                    return;
                }
                let state = Arc::clone(&of_thread);
                std::thread::spawn(move || {
                    // A client that closed the connection is not an error.
                    let _ = state.talk(&stream);
                });
            }
        });
        Self { address, state }
    }

    /// Starts a server that answers every task correctly.
    pub(crate) fn sound() -> Self {
        Self::new(|asked| text_only(asked).unwrap_or_else(|| right(asked)))
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Every request for an answer, in the order of arrival.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        let asked = self.state.asked.lock().expect("sound").clone();
        let wanted = |asked: &Asked| asked.route != "/models" && !asked.is_probe();
        asked.into_iter().filter(wanted).collect()
    }

    /// The probes of the server's capabilities.
    pub(crate) fn probes(&self) -> Vec<Asked> {
        let asked = self.state.asked.lock().expect("sound").clone();
        asked.into_iter().filter(Asked::is_probe).collect()
    }

    /// How often each task was requested, from task 1 on.
    pub(crate) fn times(&self, tasks: usize) -> Vec<usize> {
        let asked = self.asked();
        let times = |task| asked.iter().filter(|asked| asked.task() == task).count();
        (1..=tasks).map(times).collect()
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.state.over.store(true, Ordering::Relaxed);
        // Wakes the listener up.
        let _ = TcpStream::connect(self.address);
    }
}

/// Returns the tokenizer of the tiny model.
pub(crate) fn tokenizer() -> Tokenizer {
    let json = std::fs::read(golden("tiny-qwen2/tokenizer.json")).expect("a golden");
    Tokenizer::from_json(&json, &[]).expect("a tokenizer")
}

/// Refuses token ids, as llama-cpp-python and Ollama do.
pub(crate) fn text_only(asked: &Asked) -> Option<Say> {
    asked.body["prompt"].is_array().then(|| {
        Say::Json(
            422,
            json!({"detail": [{"msg": "Input should be a valid string"}]}),
        )
    })
}

/// The correct answer to a task, or a word for any other prompt.
pub(crate) fn right(asked: &Asked) -> Say {
    Say::Json(200, completion(asked, &solution(asked), "stop"))
}

/// The body of a task's function.
pub(crate) fn solution(asked: &Asked) -> String {
    format!("    return x + {}", asked.task())
}

/// An answer in the form of its route, with counts of tokens.
pub(crate) fn completion(asked: &Asked, text: &str, finish: &str) -> Value {
    let tokenizer = tokenizer();
    let count = |text: &str| tokenizer.encode(text).expect("ids").len();
    let choice = if asked.route == "/completions" {
        json!({"index": 0, "text": text, "finish_reason": finish})
    } else {
        json!({"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish})
    };
    json!({
        "id": "cmpl-1", "object": "text_completion", "created": 1, "model": asked.body["model"],
        "choices": [choice],
        "usage": {"prompt_tokens": count(&asked.prompt), "completion_tokens": count(text)},
    })
}

impl State {
    /// Answers the requests on one connection until it ends.
    fn talk(&self, stream: &TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        let mut writer = stream;
        while let Some((route, authorization, body)) = read_request(&mut reader)? {
            let prompt = match &body["prompt"] {
                Value::String(text) => text.clone(),
                Value::Array(ids) => {
                    let ids: Vec<u32> = ids
                        .iter()
                        .filter_map(|id| Some(id.as_u64()? as u32))
                        .collect();
                    self.tokenizer.decode(&ids, false).expect("a text")
                }
                _ => body["messages"].to_string(),
            };
            let mut asked = Asked {
                route,
                body,
                authorization,
                prompt,
                before: 0,
                at: Instant::now(),
            };
            {
                let mut all = self.asked.lock().expect("sound");
                let same = |other: &&Asked| {
                    !other.is_probe() && other.prompt == asked.prompt && other.route == asked.route
                };
                asked.before = all.iter().filter(same).count();
                all.push(asked.clone());
            }
            match (self.behave)(&asked) {
                Say::Json(status, value) => writer.write_all(&message(status, "", &value))?,
                Say::With(status, headers, value) => {
                    writer.write_all(&message(status, &headers, &value))?;
                }
                Say::Bytes(bytes) => {
                    writer.write_all(&bytes)?;
                    return stream.shutdown(std::net::Shutdown::Both);
                }
                Say::Trickle(bytes) => {
                    for byte in bytes {
                        writer.write_all(&[byte])?;
                        self.wait(Duration::from_millis(50));
                    }
                }
                Say::Hang => self.wait(Duration::from_mins(10)),
            }
        }
        Ok(())
    }

    fn wait(&self, length: Duration) {
        let until = Instant::now() + length;
        while Instant::now() < until && !self.over.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The bytes of a reply.
pub(crate) fn message(status: u16, headers: &str, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    let length = body.len();
    format!(
        "HTTP/1.1 {status} Status\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    )
    .into_bytes()
}

/// Returns route, authorization and body of a request; `None` at the end of the connection.
fn read_request(
    reader: &mut BufReader<&TcpStream>,
) -> std::io::Result<Option<(String, Option<String>, Value)>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let route = line
        .split(' ')
        .nth(1)
        .unwrap_or("")
        .trim_start_matches("/v1")
        .to_owned();
    let (mut length, mut authorization) = (0, None);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim().split_once(':') else {
            break;
        };
        match name.to_lowercase().as_str() {
            "content-length" => length = value.trim().parse().expect("a length"),
            "authorization" => authorization = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    Ok(Some((route, authorization, body)))
}
