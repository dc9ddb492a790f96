//! Points in time; the only module that uses the calendar library.

use std::time::SystemTime;

/// Returns the current time as RFC 3339 in UTC, to the second.
pub fn now() -> String {
    jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string()
}

/// Formats a time as RFC 3339 in UTC, to the second; empty beyond the calendar's range.
pub fn rfc_3339(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time).map_or_else(
        |_| String::new(),
        |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    )
}

/// Returns the seconds from now until an HTTP date, negative in the past; `None` if it is not a date.
pub fn seconds_until(http_date: &str) -> Option<f64> {
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
