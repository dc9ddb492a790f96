//! Encrypted connections that do not protect: old versions of the protocol, and partners that are not verified.

use super::super::finding::{Rule, Severity};
use super::super::report::Report;
use super::call::{Call, Value};
use super::rule::rule;
use super::web::is_request;
use crate::ast::{self, Expr, TextRange};

static NO_CERTIFICATE: Rule = rule(
    "request-without-certificate-check",
    "bandit B501",
    "A request over HTTPS does not verify the certificate",
    15.0,
);
static BAD_VERSION: Rule = rule(
    "tls-bad-version",
    "bandit B502",
    "A call asks for an insecure version of SSL or TLS",
    15.0,
);
static BAD_DEFAULT: Rule = rule(
    "tls-bad-default",
    "bandit B503",
    "A parameter has an insecure version of SSL or TLS as its default",
    15.0,
);
static NO_VERSION: Rule = rule(
    "tls-no-version",
    "bandit B504",
    "`ssl.wrap_socket` is called without a version of the protocol",
    10.0,
);
static NO_HOST_KEY: Rule = rule(
    "ssh-no-host-key-check",
    "bandit B507",
    "An SSH client trusts any host key",
    20.0,
);

pub(super) static RULES: [&Rule; 5] = [
    &NO_CERTIFICATE,
    &BAD_VERSION,
    &BAD_DEFAULT,
    &NO_VERSION,
    &NO_HOST_KEY,
];

const BAD_VERSIONS: [&str; 9] = [
    "PROTOCOL_SSLv2",
    "SSLv2_METHOD",
    "SSLv23_METHOD",
    "PROTOCOL_SSLv3",
    "PROTOCOL_TLSv1",
    "SSLv3_METHOD",
    "TLSv1_METHOD",
    "PROTOCOL_TLSv1_1",
    "TLSv1_1_METHOD",
];

/// Reports a call that weakens an encrypted connection.
pub(super) fn check(call: &Call<'_, '_>, report: &mut Report<'_>) {
    if is_request(call) && call.value("verify").is("False") {
        let message = "the certificate is not verified";
        report.add(
            &NO_CERTIFICATE,
            Severity::High,
            call.range_at("verify"),
            message,
        );
    }
    check_version(call, report);
    let sets_policy = call.name.last() == "set_missing_host_key_policy";
    if sets_policy && call.imports.has_like("paramiko") && trusts_any_key(call) {
        let message = "unknown host keys are trusted";
        report.add(&NO_HOST_KEY, Severity::High, call.range(), message);
    }
}

fn check_version(call: &Call<'_, '_>, report: &mut Report<'_>) {
    let is_bad = |name| is_bad_version(call.value(name));
    let message = "the version of SSL or TLS is insecure";
    if call.name.is("ssl.wrap_socket") {
        if is_bad("ssl_version") {
            let range = call.range_at("ssl_version");
            report.add(&BAD_VERSION, Severity::High, range, message);
        } else if call.value("ssl_version").is_unknown() {
            let message = "the default version of the protocol may be insecure";
            let range = call.range_at("ssl_version");
            report.add(&NO_VERSION, Severity::Low, range, message);
        }
    } else if call.name.is("pyOpenSSL.SSL.Context") {
        if is_bad("method") {
            report.add(
                &BAD_VERSION,
                Severity::High,
                call.range_at("method"),
                message,
            );
        }
    } else if is_bad("method") || is_bad("ssl_version") {
        let first = if call.keyword("method").is_some() {
            "method"
        } else {
            "ssl_version"
        };
        report.add(
            &BAD_VERSION,
            Severity::Medium,
            call.range_at(first),
            message,
        );
    }
}

fn is_bad_version(value: Value<'_>) -> bool {
    value
        .word()
        .is_some_and(|word| BAD_VERSIONS.contains(&word))
}

fn trusts_any_key(call: &Call<'_, '_>) -> bool {
    let name = |expr: &Expr| match expr {
        Expr::Attribute(attribute) => {
            matches!(attribute.attr.as_str(), "AutoAddPolicy" | "WarningPolicy")
        }
        Expr::Name(name) => matches!(name.id.as_str(), "AutoAddPolicy" | "WarningPolicy"),
        _ => false,
    };
    match call.args().first() {
        Some(Expr::Call(policy)) => name(&policy.func),
        Some(policy) => name(policy),
        None => false,
    }
}

/// Reports a function at `range` if a parameter that may be passed by position has an insecure version as default.
pub(super) fn check_function(
    function: &ast::StmtFunctionDef,
    range: TextRange,
    report: &mut Report<'_>,
) {
    let parameters = function.parameters.posonlyargs.iter();
    let defaults = parameters
        .chain(&function.parameters.args)
        .filter_map(|parameter| parameter.default.as_deref());
    let is_bad = |default: &Expr| default.is_attribute_expr() && is_bad_version(Value::of(default));
    if defaults.into_iter().any(is_bad) {
        let message = "the default version of SSL or TLS is insecure";
        report.add(&BAD_DEFAULT, Severity::Medium, range, message);
    }
}
