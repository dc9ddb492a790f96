//! Search for credentials in training examples, so that a model does not learn to print them.
//!
//! The rules follow the token formats that the issuing services document. Two are general: a password in a URL, and a
//! random-looking text assigned to a name such as `api_key`. A match is reported by its kind and place, never by its text.

use std::collections::HashSet;

use regex::{Regex, RegexSet};

/// A kind of credential and the pattern of its text.
type Rule = (&'static str, &'static str);

/// Formats that are documented by the service that issues them.
const RULES: [Rule; 27] = [
    (
        "private key",
        r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----(?:\s|\\n|\\r|[\x22',])*(?:[A-Z][A-Za-z-]+: [^\n]{1,80}\s+)*[A-Za-z0-9+/]{16}",
    ),
    ("AWS access key", r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b"),
    ("GitHub token", r"\bgh[pousr]_[A-Za-z0-9]{36}"),
    ("GitHub token", r"\bgithub_pat_[A-Za-z0-9_]{60}"),
    (
        "GitLab token",
        r"\bgl(?:pat|dt|rt|ptt|cbt|oas|soat|ft|imt|agent)-[A-Za-z0-9_-]{20}",
    ),
    (
        "Slack token",
        r"\bxox[abeoprs](?:\.xox[bp])?-[0-9]+-[A-Za-z0-9-]{10,}",
    ),
    (
        "Slack token",
        r"\bxapp-[0-9]-[A-Z0-9]+-[0-9]+-[a-f0-9]{20,}",
    ),
    (
        "Slack webhook",
        r"https://hooks\.slack\.com/services/T[A-Za-z0-9]+/B[A-Za-z0-9]+/[A-Za-z0-9]{20}",
    ),
    ("Stripe key", r"\b(?:[sr]k_live|whsec)_[A-Za-z0-9]{20}"),
    ("Google API key", r"\bAIza[0-9A-Za-z_-]{35}"),
    (
        "Google OAuth secret",
        r"\b(?:ya29\.[0-9A-Za-z_-]{40}|GOCSPX-[0-9A-Za-z_-]{28})",
    ),
    (
        "OpenAI key",
        r"\bsk-(?:[a-z]+-)?[A-Za-z0-9_-]{20,}T3BlbkFJ[A-Za-z0-9_-]{20}",
    ),
    ("Anthropic key", r"\bsk-ant-[a-z0-9]+-[A-Za-z0-9_-]{80}"),
    ("Hugging Face token", r"\bhf_[A-Za-z]{34}\b"),
    ("PyPI token", r"\bpypi-AgE[A-Za-z0-9_-]{50}"),
    ("npm token", r"\bnpm_[A-Za-z0-9]{36}\b"),
    (
        "SendGrid key",
        r"\bSG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}",
    ),
    ("Twilio key", r"\bSK[0-9a-f]{32}\b"),
    ("Mailchimp key", r"\b[0-9a-f]{32}-us[0-9]{1,2}\b"),
    ("Azure storage key", r"AccountKey=[A-Za-z0-9+/]{86}=="),
    ("DigitalOcean token", r"\bdo[opr]_v1_[0-9a-f]{64}\b"),
    ("Databricks token", r"\bdapi[0-9a-f]{32}\b"),
    ("Telegram bot token", r"\b[0-9]{8,10}:AA[A-Za-z0-9_-]{33}"),
    ("age key", r"AGE-SECRET-KEY-1[0-9A-Z]{58}"),
    (
        "JSON web token",
        r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    ),
    ("Shopify token", r"\bshp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}\b"),
    ("Vault token", r"\bhv[sb]\.[A-Za-z0-9_-]{24}"),
];

/// A password in a URL; the groups are user, password and host.
const URL_PASSWORD: Rule = (
    "password in a URL",
    r#"\b[a-z][a-z0-9+.-]*://([^\s/:@'"{}<>$()]*):([^\s/:@'"{}<>$()]{6,})@([A-Za-z0-9.-]+)"#,
);

/// A text in quotes assigned to a name that ends in that of a credential; the group is the text.
const ASSIGNED: Rule = (
    "assigned secret",
    r#"(?i)(?:secret|token|passw(?:or)?d|api_?key|access_?key|private_?key|secret_?key|auth_?key)\\?["']?\]?\s*(?::\s*[A-Za-z.]+\s*)?(?:==?|:|=>)\s*[bru]?\\?["']([A-Za-z0-9+/=_.~-]{20,200})\\?["']"#,
);

/// The same without quotes, as in files of environment variables.
const ENVIRONMENT: Rule = (
    "assigned secret",
    r"(?m)^\s*(?:export\s+)?[A-Z][A-Z0-9_]*(?:SECRET|TOKEN|PASSWORD|KEY)\s*=\s*([A-Za-z0-9+/=_.~-]{20,200})\s*$",
);

/// Words in the sample credentials of documentation and tests.
const PLACEHOLDERS: [&str; 9] = [
    "example",
    "xxxx",
    "your",
    "dummy",
    "placeholder",
    "changeme",
    "redacted",
    "abcdef",
    "12345",
];

/// Passwords that are no secret.
const PUBLIC_PASSWORDS: [&str; 9] = [
    "password",
    "passwd",
    "secret",
    "postgres",
    "anonymous",
    "guest",
    "admin",
    "root",
    "test",
];

/// Length from which a run of letters and digits can be a credential.
const RUN: usize = 16;

/// The compiled rules.
#[derive(Debug)]
pub(super) struct SecretSearch {
    set: RegexSet,
    rules: Vec<Regex>,
    url_password: Regex,
    assigned: Vec<Regex>,
}

impl SecretSearch {
    pub(super) fn new() -> Self {
        let compiled = |(_, pattern): Rule| Regex::new(pattern).expect("the rules are valid");
        Self {
            set: RegexSet::new(RULES.map(|(_, pattern)| pattern)).expect("the rules are valid"),
            rules: RULES.map(compiled).into(),
            url_password: compiled(URL_PASSWORD),
            assigned: [ASSIGNED, ENVIRONMENT].map(compiled).into(),
        }
    }

    /// Returns the kind of the first credential in a text, if there is one.
    pub(super) fn find(&self, text: &str) -> Option<&'static str> {
        let matched = self.set.matches(text).into_iter().find(|&rule| {
            let mut found = self.rules[rule].find_iter(text);
            found.any(|found| !is_placeholder(found.as_str()))
        });
        if let Some(rule) = matched {
            return Some(RULES[rule].0);
        }
        let mut urls = self.url_password.captures_iter(text);
        if urls.any(|found| is_password(&found[1], &found[2], &found[3])) {
            return Some(URL_PASSWORD.0);
        }
        let is_assigned = |rule: &Regex| {
            let mut found = rule.captures_iter(text);
            found.any(|found| is_random(&found[1]))
        };
        self.assigned.iter().any(is_assigned).then_some(ASSIGNED.0)
    }
}

fn is_placeholder(text: &str) -> bool {
    let text = text.to_lowercase();
    let is_repeated = text.chars().collect::<HashSet<_>>().len() < 5;
    is_repeated || PLACEHOLDERS.iter().any(|word| text.contains(word))
}

/// Whether the password of a URL is one, and not a word of documentation or of a local test database.
fn is_password(user: &str, password: &str, host: &str) -> bool {
    let lower = password.to_lowercase();
    let is_public = PUBLIC_PASSWORDS.iter().any(|word| lower.starts_with(word));
    let is_local = matches!(host, "localhost" | "127.0.0.1");
    password != user && !is_public && !is_local && !is_placeholder(password)
}

/// Whether a text looks random: a long run in which letters and digits alternate often. Words, paths and versions have
/// few digits, or all of them in one place.
fn is_random(text: &str) -> bool {
    !is_placeholder(text) && text.split(['.', '_', '~', '-']).any(is_random_run)
}

fn is_random_run(run: &str) -> bool {
    let kind = |byte: u8| match byte {
        b'a'..=b'z' => 0,
        b'A'..=b'Z' => 1,
        b'0'..=b'9' => 2,
        _ => 3,
    };
    let bytes = run.as_bytes();
    let changes = bytes
        .windows(2)
        .filter(|pair| kind(pair[0]) != kind(pair[1]));
    let digits = bytes.iter().filter(|byte| byte.is_ascii_digit()).count();
    let letters = bytes
        .iter()
        .filter(|byte| byte.is_ascii_alphabetic())
        .count();
    // A random text of three kinds changes at two of three places, hexadecimal digits at one of two.
    bytes.len() >= RUN && digits >= 2 && letters >= 2 && 3 * changes.count() >= bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A credential's text, in parts so that no scanner takes this file for a leak.
    fn joined(parts: &[&str]) -> String {
        parts.concat()
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn credentials_are_found_by_their_formats() {
        let search = SecretSearch::new();
        let hex = "9f86d081884c7d659a2feaa0c55ad015";
        let mixed = "J4mQz8vLw2sXr9TnB6kDf3Qz81kLmP0aYt7Rb2Xc5Vh1Gq";
        let m = |length: usize| mixed.chars().cycle().take(length).collect::<String>();
        let h = |length: usize| hex.chars().cycle().take(length).collect::<String>();
        let letters = "qWeRtYuIoPaSdFgHjKlZxCvBnMqWeRtYuI";
        let samples = [
            (
                joined(&["-----BEGIN RSA ", "PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7"]),
                "private key",
            ),
            (
                joined(&[
                    "pem = \"-----BEGIN ",
                    "PRIVATE KEY-----\\nMIIEvQIBADANBgkq\"",
                ]),
                "private key",
            ),
            (
                joined(&["key = 'AKIA", "IOSFODNN7QRSTUVW'"]),
                "AWS access key",
            ),
            (joined(&["gh", "p_", &m(36)]), "GitHub token"),
            (joined(&["github", "_pat_", &m(60)]), "GitHub token"),
            (joined(&["gl", "pat-", &m(20)]), "GitLab token"),
            (joined(&["gl", "rt-", &m(20)]), "GitLab token"),
            (
                joined(&["xox", "b-", "263594206564-FGqddMF8t08v8N7Oq4i57vs1"]),
                "Slack token",
            ),
            (
                joined(&["xap", "p-1-A0", "17ABC-2635942-", &h(24)]),
                "Slack token",
            ),
            (
                joined(&["https://hooks.slack", ".com/services/T0ABC/B0ABC/", &m(24)]),
                "Slack webhook",
            ),
            (joined(&["sk_", "live_", &m(24)]), "Stripe key"),
            (joined(&["AI", "za", &m(35)]), "Google API key"),
            (joined(&["GOC", "SPX-", &m(28)]), "Google OAuth secret"),
            (
                joined(&["sk-", "proj-", &m(24), "T3Blbk", "FJ", &m(24)]),
                "OpenAI key",
            ),
            (joined(&["sk-", "ant-", "api03-", &m(84)]), "Anthropic key"),
            (joined(&["h", "f_", letters]), "Hugging Face token"),
            (joined(&["py", "pi-AgE", &m(60)]), "PyPI token"),
            (joined(&["np", "m_", &m(36)]), "npm token"),
            (joined(&["SG", ".", &m(22), ".", &m(43)]), "SendGrid key"),
            (joined(&["S", "K", &h(32)]), "Twilio key"),
            (joined(&[&h(32), "-", "us12"]), "Mailchimp key"),
            (
                joined(&["Account", "Key=", &m(86), "=="]),
                "Azure storage key",
            ),
            (joined(&["do", "p_v1_", &h(64)]), "DigitalOcean token"),
            (joined(&["da", "pi", &h(32)]), "Databricks token"),
            (joined(&["83920174", "65:AA", &m(33)]), "Telegram bot token"),
            (
                joined(&["AGE-SECRET", "-KEY-1", &m(58).to_uppercase()]),
                "age key",
            ),
            (
                joined(&["ey", "J", &m(12), ".ey", "J", &m(12), ".", &m(12)]),
                "JSON web token",
            ),
            (joined(&["shp", "at_", &h(32)]), "Shopify token"),
            (joined(&["hv", "s.", &m(24)]), "Vault token"),
            (
                joined(&["postgres://app:", "k9d2Lw0z@db.internal/main"]),
                "password in a URL",
            ),
            (
                joined(&["redis://:", "p4ssw0rdXyZ@cache.internal"]),
                "password in a URL",
            ),
            (joined(&["API_KEY = \"", hex, "\""]), "assigned secret"),
            (
                joined(&["headers = {'token': '", "f3Qz81kLmP0aYt7Rb2Xc", "'}"]),
                "assigned secret",
            ),
            (
                joined(&["client_secret: str = \"", "Gq7~kT2vW9xY4zA6bC8dE", "\""]),
                "assigned secret",
            ),
            (
                joined(&[
                    "AWS_SECRET_ACCESS_KEY=",
                    "wJalrXUtnF3MI/K7MD3NG/bPx9fiCY2Q8",
                ]),
                "assigned secret",
            ),
        ];
        for (text, kind) in &samples {
            assert_eq!(search.find(text), Some(*kind), "{text}");
        }
        for (kind, _) in RULES {
            assert!(
                samples.iter().any(|(_, found)| *found == kind),
                "no sample of: {kind}"
            );
        }
    }

    #[test]
    fn ordinary_code_and_placeholders_are_not_credentials() {
        let search = SecretSearch::new();
        for text in [
            "key = 'AKIAIOSFODNN7EXAMPLE'",
            "token = 'your-token-goes-here-1234567'",
            "password = getpass.getpass('Password for the database: ')",
            "url = 'postgres://user:password@localhost/db'",
            "url = 'postgresql://postgres:postgres@localhost/test'",
            "url = 'ftp://anonymous:anonymous@ftp.example.org/'",
            "url = f'https://{user}:{password}@{host}/'",
            "TOKEN_PATTERN = 'tokenize_everything_in_this_text'",
            "api_key = os.environ['API_KEY']",
            "digest = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'",
            "secret_name = 'projects/my-project/secrets/my-secret'",
            "tokens = tokenizer.encode('A quick brown fox')",
            "-----BEGIN CERTIFICATE-----",
            "if '-----BEGIN PRIVATE KEY-----' in pem:",
            "tokenizer_name = \"distilbert-base-uncased-v2\"",
            "tokenizer=\"Qwen/Qwen2.5-Coder-0.5B\"",
            "tokenizer: str = \"sentence-transformers/all-MiniLM-L6-v2\"",
            "token_endpoint = \"/api/v2/oauth/token/refresh\"",
            "token = \"/api/v2/oauth/token/refresh\"",
            "password_hasher = \"django.contrib.auth.hashers.PBKDF2Hasher\"",
            "credential_scope = \"20150830/us-east-1/iam/aws4_request\"",
            "{\"next_token\": \"page-2-of-search-results\"}",
            "tokenized_path = \"data/wikitext-103-raw-v1/train.bin\"",
            "EOS_TOKEN = '<|endoftext|>'",
        ] {
            assert_eq!(search.find(text), None, "{text}");
        }
    }
}
