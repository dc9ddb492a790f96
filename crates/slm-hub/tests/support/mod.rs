//! A fake hub on the loopback interface, with the routes and headers of the real one, a second host for large files as
//! its CDN, and simulated network faults.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use slm_artifacts::sha256;
use slm_hub::hash::git_blob;

/// Files of this size and above are in large-file storage.
const LARGE_BYTES: usize = 1000;

/// A fault of a server.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// Returns another status, with these headers and this body.
    Status(u16, Vec<(&'static str, String)>, &'static str),
    /// Announces the full length, sends this many bytes, and closes the connection.
    CutAfter(usize),
    /// Sends this many bytes, and then nothing for two seconds.
    SilentAfter(usize),
    /// Accepts the request and sends nothing for two seconds.
    Silent,
    /// Sends the right number of bytes, the last of which is wrong.
    WrongBytes,
    /// Sends this many bytes as if they were the whole file; a negative number for more than all.
    Length(i64),
    /// Ignores a range and sends all bytes.
    IgnoreRange,
    /// Sends another range than the requested one.
    OtherRange,
}

impl Fault {
    /// An error as the hub reports it.
    pub(crate) fn hub(status: u16, code: &'static str) -> Self {
        Self::Status(status, vec![("X-Error-Code", code.to_owned())], "")
    }
}

/// A request that a server received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// `hub` or `cdn`.
    pub(crate) server: &'static str,
    pub(crate) method: String,
    /// With the query.
    pub(crate) path: String,
    pub(crate) range: Option<String>,
    pub(crate) authorization: Option<String>,
}

struct Repository {
    /// `models` or `datasets`.
    folder: &'static str,
    id: String,
    /// Branches and tags.
    refs: BTreeMap<String, String>,
    /// By commit.
    states: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
}

#[derive(Default)]
struct State {
    repositories: Mutex<Vec<Repository>>,
    /// For each fault: a part of the request line that it applies to, how often it happens, and the fault.
    faults: Mutex<Vec<(String, usize, Fault)>>,
    seen: Mutex<Vec<Seen>>,
    /// The only accepted token, if one is required.
    token: Mutex<Option<String>>,
    /// Whether listings omit sizes and hashes.
    is_terse: Mutex<bool>,
}

/// Two servers, which end with the test's process.
pub(crate) struct FakeHub {
    state: Arc<State>,
    hub: String,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no server panicked")
}

impl FakeHub {
    pub(crate) fn new() -> Self {
        let state = Arc::new(State::default());
        // Two names of this machine, so that the second is a different host by every rule.
        let listen = || TcpListener::bind("127.0.0.1:0").expect("a port");
        let (hub, cdn) = (listen(), listen());
        let port = |listener: &TcpListener| listener.local_addr().expect("an address").port();
        let cdn_url = format!("http://localhost:{}", port(&cdn));
        let hub_url = format!("http://127.0.0.1:{}", port(&hub));
        for (name, listener) in [("hub", hub), ("cdn", cdn)] {
            let (state, cdn_url) = (Arc::clone(&state), cdn_url.clone());
            thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let (state, cdn_url) = (Arc::clone(&state), cdn_url.clone());
                    // A client that disconnects is not an error.
                    thread::spawn(move || answer(name, &stream, &state, &cdn_url).ok());
                }
            });
        }
        Self {
            state,
            hub: hub_url,
        }
    }

    /// Returns the value for `HF_ENDPOINT`.
    pub(crate) fn url(&self) -> &str {
        &self.hub
    }

    /// Publishes a state of a repository, and returns its commit.
    pub(crate) fn publish(
        &self,
        folder: &'static str,
        id: &str,
        revision: &str,
        files: &[(&str, &[u8])],
    ) -> String {
        let files: BTreeMap<String, Vec<u8>> = files
            .iter()
            .map(|(path, bytes)| ((*path).to_owned(), bytes.to_vec()))
            .collect();
        let commit = git_blob(format!("{id}{revision}{files:?}").as_bytes());
        let mut repositories = held(&self.state.repositories);
        let known = |it: &Repository| it.folder == folder && it.id == id;
        let at = repositories.iter().position(known).unwrap_or_else(|| {
            repositories.push(Repository {
                folder,
                id: id.to_owned(),
                refs: BTreeMap::new(),
                states: BTreeMap::new(),
            });
            repositories.len() - 1
        });
        let repository = &mut repositories[at];
        repository.refs.insert(revision.to_owned(), commit.clone());
        repository.states.insert(commit.clone(), files);
        commit
    }

    /// Applies `fault` to the next `times` requests that contain `part`, as in `GET /blob/`.
    pub(crate) fn fail(&self, part: &str, times: usize, fault: Fault) {
        held(&self.state.faults).push((part.to_owned(), times, fault));
    }

    pub(crate) fn heal(&self) {
        held(&self.state.faults).clear();
    }

    /// From now on, only this token gives access to repositories.
    pub(crate) fn want_token(&self, token: &str) {
        *held(&self.state.token) = Some(token.to_owned());
    }

    /// From now on, listings contain only names, as those of some mirrors do.
    pub(crate) fn be_terse(&self) {
        *held(&self.state.is_terse) = true;
    }

    /// Returns the requests since the last call.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut held(&self.state.seen))
    }
}

struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
}

impl Request {
    fn read(stream: &TcpStream) -> std::io::Result<Self> {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let mut words = line.split_whitespace().map(str::to_owned);
        let (method, path) = (words.next(), words.next());
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 || line == "\r\n" {
                break;
            }
            if let Some((name, value)) = line.split_once(':') {
                headers.push((name.to_lowercase(), value.trim().to_owned()));
            }
        }
        Ok(Self {
            method: method.unwrap_or_default(),
            path: path.unwrap_or_default(),
            headers,
        })
    }

    fn header(&self, name: &str) -> Option<String> {
        let (_, value) = self.headers.iter().find(|(known, _)| known == name)?;
        Some(value.clone())
    }
}

struct Response {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Response {
    fn error(status: u16, code: &'static str, message: &str) -> Self {
        Self {
            status,
            headers: vec![
                ("X-Error-Code", code.to_owned()),
                ("X-Error-Message", message.to_owned()),
            ],
            body: json!({ "error": message }).to_string().into_bytes(),
        }
    }

    fn json(value: &Value) -> Self {
        Self {
            status: 200,
            headers: vec![("Content-Type", "application/json".to_owned())],
            body: value.to_string().into_bytes(),
        }
    }
}

fn answer(
    server: &'static str,
    stream: &TcpStream,
    state: &State,
    cdn_url: &str,
) -> std::io::Result<()> {
    let mut request = Request::read(stream)?;
    held(&state.seen).push(Seen {
        server,
        method: request.method.clone(),
        path: request.path.clone(),
        range: request.header("range"),
        authorization: request.header("authorization"),
    });
    let fault = take_fault(state, &format!("{} {}", request.method, request.path));
    if let Some(Fault::Silent) = fault {
        thread::sleep(Duration::from_secs(2));
        return Ok(());
    }
    if let Some(Fault::Status(status, headers, body)) = fault {
        let body = body.as_bytes().to_vec();
        let response = Response {
            status,
            headers,
            body,
        };
        return send(stream, &request, response, None);
    }
    if let Some(Fault::IgnoreRange) = fault {
        request.headers.retain(|(name, _)| name != "range");
    }
    let response = match server {
        "hub" => hub(&request, state, cdn_url),
        _ => cdn(&request, state),
    };
    send(stream, &request, response, fault)
}

fn take_fault(state: &State, line: &str) -> Option<Fault> {
    let mut faults = held(&state.faults);
    let (_, times, fault) = faults
        .iter_mut()
        .find(|(part, times, _)| *times > 0 && line.contains(part.as_str()))?;
    *times -= 1;
    Some(fault.clone())
}

/// Handles a request to the hub itself.
fn hub(request: &Request, state: &State, cdn_url: &str) -> Response {
    if let Some(token) = &*held(&state.token) {
        match request.header("authorization") {
            None => return Response::error(401, "RepoNotFound", "Repository not found"),
            Some(found) if found != format!("Bearer {token}") => {
                return Response {
                    status: 401,
                    headers: vec![(
                        "X-Error-Message",
                        "Invalid credentials in Authorization header".to_owned(),
                    )],
                    body: Vec::new(),
                };
            }
            Some(_) => {}
        }
    }
    let path = request.path.split('?').next().unwrap_or_default();
    let mut parts: Vec<String> = path.split('/').skip(1).map(unquoted).collect();
    let api = parts.first().is_some_and(|part| part == "api");
    if api {
        parts.remove(0);
    }
    if parts.first().is_some_and(|part| part == "resolve-cache") {
        parts.remove(0);
        let [folder, owner, name, commit, rest @ ..] = &parts[..] else {
            return Response::error(404, "", "no route");
        };
        let path = rest.join("/");
        return with_state(state, folder, owner, name, commit, |_, files| {
            small_file(request, commit, files.get(&path).expect("it was there"))
        });
    }
    let folder = match parts.first().map(String::as_str) {
        Some("datasets") => "datasets",
        _ => "models",
    };
    if api || folder == "datasets" {
        parts.remove(0);
    }
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match (api, &parts[..]) {
        (true, [owner, name]) => with_state(state, folder, owner, name, "main", |commit, files| {
            info(state, commit, files)
        }),
        (true, [owner, name, "revision", revision]) => {
            with_state(state, folder, owner, name, revision, |commit, files| {
                info(state, commit, files)
            })
        }
        (true, [owner, name, "tree", revision]) => {
            with_state(state, folder, owner, name, revision, |_, files| tree(files))
        }
        (false, [owner, name, "resolve", revision, path @ ..]) => {
            let path = path.join("/");
            with_state(state, folder, owner, name, revision, |commit, files| {
                let Some(bytes) = files.get(&path) else {
                    let mut response = Response::error(404, "EntryNotFound", "Entry not found");
                    response.headers.push(("X-Repo-Commit", commit.to_owned()));
                    return response;
                };
                if bytes.len() >= LARGE_BYTES {
                    let hash = sha256(bytes);
                    return Response {
                        status: 302,
                        headers: vec![
                            (
                                "Location",
                                format!("{cdn_url}/blob/{hash}?Signature=secret"),
                            ),
                            ("X-Repo-Commit", commit.to_owned()),
                            ("X-Linked-Size", bytes.len().to_string()),
                            ("X-Linked-Etag", format!("\"{hash}\"")),
                        ],
                        body: b"Found. Redirecting".to_vec(),
                    };
                }
                Response {
                    status: 307,
                    headers: vec![
                        (
                            "Location",
                            format!("/api/resolve-cache/{folder}/{owner}/{name}/{commit}/{path}"),
                        ),
                        ("X-Repo-Commit", commit.to_owned()),
                        ("X-Linked-Size", bytes.len().to_string()),
                        ("X-Linked-Etag", format!("\"{}\"", git_blob(bytes))),
                    ],
                    body: b"Temporary Redirect".to_vec(),
                }
            })
        }
        _ => Response::error(404, "", "no route"),
    }
}

fn unquoted(part: &str) -> String {
    part.replace("%2F", "/").replace("%20", " ")
}

/// Responds from a repository's state, if it exists.
fn with_state(
    state: &State,
    folder: &str,
    owner: &str,
    name: &str,
    revision: &str,
    respond: impl FnOnce(&str, &BTreeMap<String, Vec<u8>>) -> Response,
) -> Response {
    let repositories = held(&state.repositories);
    let id = format!("{owner}/{name}");
    let repository = repositories
        .iter()
        .find(|it| it.folder == folder && it.id == id);
    let Some(repository) = repository else {
        return Response::error(404, "RepoNotFound", "Repository not found");
    };
    let commit = repository
        .refs
        .get(revision)
        .map_or(revision, String::as_str);
    match repository.states.get(commit) {
        Some(files) => respond(commit, files),
        None => Response::error(404, "RevisionNotFound", "Invalid rev id"),
    }
}

/// Returns the pointer file that git stores in place of a large file.
fn pointer(bytes: &[u8]) -> String {
    format!(
        "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {}\n",
        sha256(bytes),
        bytes.len()
    )
}

fn blob_id(bytes: &[u8]) -> String {
    if bytes.len() >= LARGE_BYTES {
        git_blob(pointer(bytes).as_bytes())
    } else {
        git_blob(bytes)
    }
}

fn info(state: &State, commit: &str, files: &BTreeMap<String, Vec<u8>>) -> Response {
    let is_terse = *held(&state.is_terse);
    let siblings: Vec<Value> = files
        .iter()
        .map(|(path, bytes)| {
            let mut item = json!({ "rfilename": path });
            if !is_terse {
                item["size"] = bytes.len().into();
                item["blobId"] = blob_id(bytes).into();
                if bytes.len() >= LARGE_BYTES {
                    item["lfs"] = json!({
                        "sha256": sha256(bytes), "size": bytes.len(),
                        "pointerSize": pointer(bytes).len(),
                    });
                }
            }
            item
        })
        .collect();
    Response::json(&json!({
        "_id": "0", "id": "x/y", "private": false, "gated": false, "disabled": false,
        "downloads": 0, "likes": 0, "tags": [], "sha": commit, "siblings": siblings,
    }))
}

fn tree(files: &BTreeMap<String, Vec<u8>>) -> Response {
    let items = files.iter().map(|(path, bytes)| {
        let mut item = json!({
            "type": "file", "path": path, "size": bytes.len(), "oid": blob_id(bytes),
        });
        if bytes.len() >= LARGE_BYTES {
            item["lfs"] = json!({
                "oid": sha256(bytes), "size": bytes.len(), "pointerSize": pointer(bytes).len(),
            });
        }
        item
    });
    Response::json(&items.collect())
}

fn small_file(request: &Request, commit: &str, bytes: &[u8]) -> Response {
    let mut response = ranged(request, bytes);
    response
        .headers
        .push(("ETag", format!("\"{}\"", git_blob(bytes))));
    response.headers.push(("X-Repo-Commit", commit.to_owned()));
    response
}

/// Handles a request to the CDN: content by hash, without a token.
fn cdn(request: &Request, state: &State) -> Response {
    let hash = request.path.trim_start_matches("/blob/");
    let hash = hash.split('?').next().unwrap_or_default();
    let repositories = held(&state.repositories);
    let files = repositories.iter().flat_map(|it| it.states.values());
    match files
        .flat_map(BTreeMap::values)
        .find(|it| sha256(it) == hash)
    {
        Some(bytes) => {
            let mut response = ranged(request, bytes);
            // An entity tag of the CDN's own, which is not a hash of the content.
            response
                .headers
                .push(("ETag", "\"0123456789-7\"".to_owned()));
            response
        }
        None => Response::error(403, "", "signature expired"),
    }
}

fn ranged(request: &Request, bytes: &[u8]) -> Response {
    let range = request.header("range");
    let first = range.as_deref().and_then(|range| {
        range
            .strip_prefix("bytes=")?
            .split('-')
            .next()?
            .parse()
            .ok()
    });
    let headers = vec![("Accept-Ranges", "bytes".to_owned())];
    match first {
        None => Response {
            status: 200,
            headers,
            body: bytes.to_vec(),
        },
        Some(first) if first < bytes.len() => {
            let range = format!("bytes {first}-{}/{}", bytes.len() - 1, bytes.len());
            Response {
                status: 206,
                headers: [headers, vec![("Content-Range", range)]].concat(),
                body: bytes[first..].to_vec(),
            }
        }
        Some(_) => Response {
            status: 416,
            headers: vec![("Content-Range", format!("bytes */{}", bytes.len()))],
            body: Vec::new(),
        },
    }
}

fn send(
    mut stream: &TcpStream,
    request: &Request,
    mut response: Response,
    fault: Option<Fault>,
) -> std::io::Result<()> {
    let is_file = matches!(response.status, 200 | 206);
    let mut promised = None;
    match fault {
        Some(Fault::WrongBytes) if is_file => {
            if let Some(last) = response.body.last_mut() {
                *last ^= 1;
            }
        }
        Some(Fault::Length(length)) if is_file => {
            if let Ok(length) = usize::try_from(length) {
                response.body.truncate(length);
            } else {
                let more = vec![b'x'; length.unsigned_abs() as usize];
                response.body.extend(more);
            }
        }
        Some(Fault::OtherRange) if response.status == 206 => {
            for (name, value) in &mut response.headers {
                if *name == "Content-Range" {
                    *value = format!("bytes 0-{}/{}", response.body.len(), response.body.len());
                }
            }
        }
        Some(Fault::CutAfter(n) | Fault::SilentAfter(n)) => {
            promised = Some(response.body.len());
            response.body.truncate(n);
        }
        _ => {}
    }
    let reason = "Whatever";
    let length = promised.unwrap_or(response.body.len());
    let mut head = format!(
        "HTTP/1.1 {} {reason}\r\nContent-Length: {length}\r\nConnection: close\r\n",
        response.status
    );
    for (name, value) in &response.headers {
        head.extend([name, ": ", value.as_str(), "\r\n"]);
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    if request.method != "HEAD" {
        stream.write_all(&response.body)?;
    }
    stream.flush()?;
    if let Some(Fault::SilentAfter(_)) = fault {
        thread::sleep(Duration::from_secs(2));
    }
    Ok(())
}
