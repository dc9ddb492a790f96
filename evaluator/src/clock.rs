//! Points in time: the only importer of the calendar.

/// Now, as RFC 3339 in UTC, to the second.
pub(crate) fn now() -> String {
    jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string()
}

/// Seconds from now until a date as HTTP writes it; negative in the past, none for what is no date.
pub(crate) fn seconds_until(http_date: &str) -> Option<f64> {
    let parser = jiff::fmt::rfc2822::DateTimeParser::new();
    let then = parser.parse_timestamp(http_date).ok()?;
    Some((then - jiff::Timestamp::now()).get_seconds() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_of_http_is_read_and_anything_else_is_none() {
        let past = seconds_until("Wed, 21 Oct 2015 07:28:00 GMT").expect("a date");
        assert!(past < -300_000_000.0, "{past}");
        let future = seconds_until("Fri, 01 Jan 2100 00:00:00 GMT").expect("a date");
        assert!(future > 1_000_000_000.0, "{future}");
        assert_eq!(seconds_until("soon"), None);
    }
}
