//! Web applications, templates, requests and messages of other network protocols.

use super::super::finding::{Rule, Severity};
use super::super::report::Report;
use super::call::{Call, Value};
use super::rule::rule;
use crate::ast::visitor::{self, Visitor};
use crate::ast::{self, Expr, Number};

static NO_TIMEOUT: Rule = rule(
    "request-without-timeout",
    "bandit B113",
    "A request over HTTP may wait forever",
    5.0,
);
static FLASK_DEBUG: Rule = rule(
    "flask-debug",
    "bandit B201",
    "A Flask application runs with its debugger, which executes any code",
    5.0,
);
static SNMP_VERSION: Rule = rule(
    "snmp-version",
    "bandit B508",
    "SNMP is used in a version without encryption",
    30.0,
);
static SNMP_PLAIN: Rule = rule(
    "snmp-without-encryption",
    "bandit B509",
    "SNMP is used without authentication or encryption",
    30.0,
);
static REMOTE_COMMAND: Rule = rule(
    "ssh-command",
    "bandit B601",
    "A command is run over SSH; check where it comes from",
    15.0,
);
static JINJA_ESCAPE: Rule = rule(
    "jinja2-without-autoescape",
    "bandit B701",
    "A Jinja2 environment does not escape HTML",
    10.0,
);
static MAKO: Rule = rule(
    "mako-template",
    "bandit B702",
    "A Mako template does not escape HTML by default",
    20.0,
);
static MARKUP: Rule = rule(
    "markup-of-value",
    "bandit B704",
    "A computed text is declared to be safe HTML",
    20.0,
);

pub(super) static RULES: [&Rule; 8] = [
    &NO_TIMEOUT,
    &FLASK_DEBUG,
    &SNMP_VERSION,
    &SNMP_PLAIN,
    &REMOTE_COMMAND,
    &JINJA_ESCAPE,
    &MAKO,
    &MARKUP,
];

fn is_verb(name: &str) -> bool {
    matches!(
        name,
        "get" | "options" | "head" | "post" | "put" | "patch" | "delete"
    )
}

fn is_requests(call: &Call<'_, '_>) -> bool {
    call.name.first() == "requests" && is_verb(call.name.last())
}

/// Returns whether the call sends a request with `requests` or `httpx`, or makes a client of the latter.
pub(super) fn is_request(call: &Call<'_, '_>) -> bool {
    let last = call.name.last();
    let is_httpx =
        || matches!(last, "request" | "stream" | "Client" | "AsyncClient") || is_verb(last);
    is_requests(call) || call.name.first() == "httpx" && is_httpx()
}

/// Reports a call of a web framework, a template or a network library.
pub(super) fn check(call: &Call<'_, '_>, report: &mut Report<'_>) {
    let timeout = call.value("timeout");
    if is_requests(call) && timeout.is_unknown() || is_request(call) && timeout.is("None") {
        report.add(
            &NO_TIMEOUT,
            Severity::Medium,
            call.range(),
            "the request has no timeout",
        );
    }
    let runs_app = call.name.last() == "run" && call.name.is_dotted();
    if runs_app && call.imports.has_like("flask") && call.value("debug").is("True") {
        let message = "the debugger executes code of anyone who reaches it";
        report.add(
            &FLASK_DEBUG,
            Severity::High,
            call.range_at("debug"),
            message,
        );
    }
    if call.name.is("pysnmp.hlapi.CommunityData") && is_zero_or_one(call.value("mpModel")) {
        let message = "versions 1 and 2 of SNMP are not encrypted";
        report.add(
            &SNMP_VERSION,
            Severity::Medium,
            call.range_at("CommunityData"),
            message,
        );
    }
    if call.name.is("pysnmp.hlapi.UsmUserData") && call.args().len() < 3 {
        let message = "the user has no keys for authentication and encryption";
        report.add(
            &SNMP_PLAIN,
            Severity::Medium,
            call.range_at("UsmUserData"),
            message,
        );
    }
    if call.name.last() == "exec_command" && call.imports.has_like("paramiko") {
        let message = "check that the command cannot come from untrusted input";
        report.add(&REMOTE_COMMAND, Severity::Medium, call.range(), message);
    }
    check_templates(call, report);
}

fn check_templates(call: &Call<'_, '_>, report: &mut Report<'_>) {
    if call.name.has_part("jinja2") && call.name.last() == "Environment" && !escapes(call.node) {
        let message = "the templates do not escape HTML";
        report.add(&JINJA_ESCAPE, Severity::High, call.range(), message);
    }
    if call.name.has_part("mako") && call.name.last() == "Template" {
        let message = "the template does not escape HTML by default";
        report.add(&MAKO, Severity::Medium, call.range(), message);
    }
    let is_computed = || {
        call.args()
            .first()
            .is_some_and(|arg| !arg.is_literal_expr())
    };
    if call.name.is_any(&["markupsafe.Markup", "flask.Markup"]) && is_computed() {
        let message = "a computed text is declared to be safe HTML";
        report.add(&MARKUP, Severity::Medium, call.range(), message);
    }
}

fn is_zero_or_one(value: Value<'_>) -> bool {
    match value {
        Value::Number(Number::Int(int)) => matches!(int.as_u64(), Some(0 | 1)),
        Value::Number(Number::Float(float)) => *float == 0.0 || (*float - 1.0).abs() == 0.0,
        _ => false,
    }
}

/// Returns whether the first argument `autoescape` in the tree of a call turns escaping on.
///
/// Like bandit, this also searches the calls among the arguments, level by level.
fn escapes(call: &ast::ExprCall) -> bool {
    let mut search = Autoescape {
        depth: 0,
        found: None,
    };
    search.visit_expr(&call.func);
    search.visit_arguments(&call.arguments);
    match search.found.map(|(_, value)| value) {
        Some(Expr::BooleanLiteral(boolean)) => boolean.value,
        Some(Expr::Call(call)) => match &*call.func {
            Expr::Attribute(attribute) => attribute.attr.as_str() == "select_autoescape",
            Expr::Name(name) => name.id == "select_autoescape",
            _ => false,
        },
        _ => false,
    }
}

/// Searches for the argument `autoescape` of the lowest depth.
struct Autoescape<'a> {
    depth: usize,
    found: Option<(usize, &'a Expr)>,
}

impl<'a> Visitor<'a> for Autoescape<'a> {
    fn visit_expr(&mut self, expr: &'a Expr) {
        self.depth += 1;
        visitor::walk_expr(self, expr);
        self.depth -= 1;
    }

    fn visit_keyword(&mut self, keyword: &'a ast::Keyword) {
        let is_higher = self.found.is_none_or(|(depth, _)| self.depth < depth);
        if is_higher && keyword.arg.as_deref() == Some("autoescape") {
            self.found = Some((self.depth, &keyword.value));
        }
        self.depth += 1;
        visitor::walk_keyword(self, keyword);
        self.depth -= 1;
    }

    fn visit_comprehension(&mut self, comprehension: &'a ast::Comprehension) {
        self.depth += 1;
        visitor::walk_comprehension(self, comprehension);
        self.depth -= 1;
    }

    fn visit_interpolated_string_element(&mut self, element: &'a ast::InterpolatedStringElement) {
        self.depth += 1;
        visitor::walk_interpolated_string_element(self, element);
        self.depth -= 1;
    }

    fn visit_parameters(&mut self, parameters: &'a ast::Parameters) {
        self.depth += 1;
        visitor::walk_parameters(self, parameters);
        self.depth -= 1;
    }
}
