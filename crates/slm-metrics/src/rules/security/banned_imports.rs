//! Modules that should not be imported.

use super::super::finding::Severity;
use super::banned::{Banned, banned};
use super::rule::rule;

/// Rules with the names that they forbid, in the order in which they are tried.
pub(super) static IMPORTS: [Banned; 13] = [
    banned(
        rule(
            "import-telnetlib",
            "bandit B401",
            "Telnet does not encrypt",
            60.0,
        ),
        Severity::High,
        "does not encrypt",
        &["telnetlib"],
    ),
    banned(
        rule("import-ftplib", "bandit B402", "FTP does not encrypt", 60.0),
        Severity::High,
        "does not encrypt",
        &["ftplib"],
    ),
    banned(
        rule(
            "import-pickle",
            "bandit B403",
            "A module that loads pickles is imported",
            5.0,
        ),
        Severity::Low,
        "is unsafe for untrusted data",
        &["pickle", "cPickle", "dill", "shelve"],
    ),
    banned(
        rule(
            "import-subprocess",
            "bandit B404",
            "`subprocess` is imported",
            5.0,
        ),
        Severity::Low,
        "starts programs",
        &["subprocess"],
    ),
    banned(
        rule(
            "import-xml-etree",
            "bandit B405",
            "`xml.etree` is imported",
            5.0,
        ),
        Severity::Low,
        "is open to attacks by XML",
        &["xml.etree.cElementTree", "xml.etree.ElementTree"],
    ),
    banned(
        rule(
            "import-xml-sax",
            "bandit B406",
            "`xml.sax` is imported",
            5.0,
        ),
        Severity::Low,
        "is open to attacks by XML",
        &["xml.sax"],
    ),
    banned(
        rule(
            "import-xml-expat",
            "bandit B407",
            "`xml.dom.expatbuilder` is imported",
            5.0,
        ),
        Severity::Low,
        "is open to attacks by XML",
        &["xml.dom.expatbuilder"],
    ),
    banned(
        rule(
            "import-xml-minidom",
            "bandit B408",
            "`xml.dom.minidom` is imported",
            5.0,
        ),
        Severity::Low,
        "is open to attacks by XML",
        &["xml.dom.minidom"],
    ),
    banned(
        rule(
            "import-xml-pulldom",
            "bandit B409",
            "`xml.dom.pulldom` is imported",
            5.0,
        ),
        Severity::Low,
        "is open to attacks by XML",
        &["xml.dom.pulldom"],
    ),
    banned(
        rule("import-xmlrpc", "bandit B411", "`xmlrpc` is imported", 30.0),
        Severity::High,
        "is open to attacks by XML",
        &["xmlrpc"],
    ),
    banned(
        rule(
            "import-cgi-handler",
            "bandit B412",
            "A CGI handler is imported",
            30.0,
        ),
        Severity::High,
        "lets a client set the proxy of later requests",
        &[
            "wsgiref.handlers.CGIHandler",
            "twisted.web.twcgi.CGIScript",
            "twisted.web.twcgi.CGIDirectory",
        ],
    ),
    banned(
        rule(
            "import-pycrypto",
            "bandit B413",
            "PyCrypto is imported",
            60.0,
        ),
        Severity::High,
        "belongs to a library without maintenance",
        &[
            "Crypto.Cipher",
            "Crypto.Hash",
            "Crypto.IO",
            "Crypto.Protocol",
            "Crypto.PublicKey",
            "Crypto.Random",
            "Crypto.Signature",
            "Crypto.Util",
        ],
    ),
    banned(
        rule(
            "import-pyghmi",
            "bandit B415",
            "IPMI does not encrypt",
            60.0,
        ),
        Severity::High,
        "does not encrypt",
        &["pyghmi"],
    ),
];
