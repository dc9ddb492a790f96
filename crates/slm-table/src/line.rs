//! Reading of lines of bounded length.

use std::io::{self, BufRead, Read};

/// Default limit for the bytes of a line or row.
pub const MAX_ROW_BYTES: usize = 64 << 20;
/// Bytes of a longer line that are skipped to find its end; reading ends beyond them.
pub const MAX_SKIPPED_BYTES: u64 = 128 << 20;

/// The result of [`read_line`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineRead {
    /// The end of the text.
    End,
    /// A line is in the buffer, with its `
    /// ` unless the text ended first.
    Whole,
    /// A line beyond the limit was skipped; the buffer is empty.
    TooLong {
        /// Its length, including its `
        /// `.
        bytes: u64,
    },
}

/// Reads a line of at most `most` bytes into `line`, which is cleared first.
///
/// A longer line is skipped without being kept, so that memory is bounded by `most`.
///
/// # Errors
/// The text cannot be read, or a line does not end within [`MAX_SKIPPED_BYTES`] more ([`io::ErrorKind::FileTooLarge`]).
pub fn read_line<R: BufRead + ?Sized>(
    text: &mut R,
    most: usize,
    line: &mut Vec<u8>,
) -> io::Result<LineRead> {
    line.clear();
    (&mut *text).take(most as u64 + 1).read_until(b'\n', line)?;
    if line.is_empty() {
        return Ok(LineRead::End);
    }
    if line.len() <= most {
        return Ok(LineRead::Whole);
    }
    let (kept, is_ended) = (line.len() as u64, line.last() == Some(&b'\n'));
    *line = Vec::new();
    if is_ended {
        return Ok(LineRead::TooLong { bytes: kept });
    }
    let skipped = (&mut *text).take(MAX_SKIPPED_BYTES).skip_until(b'\n')? as u64;
    if skipped == MAX_SKIPPED_BYTES {
        return Err(endless());
    }
    Ok(LineRead::TooLong {
        bytes: kept + skipped,
    })
}

/// Makes the error for a line or row whose end was not found.
pub(crate) fn endless() -> io::Error {
    io::Error::new(
        io::ErrorKind::FileTooLarge,
        format!(
            "a line or row that has not ended after {}",
            in_mb(MAX_SKIPPED_BYTES)
        ),
    )
}

/// Formats a size.
pub(crate) fn in_mb(bytes: u64) -> String {
    match bytes >> 20 {
        0 => format!("{bytes} bytes"),
        mib => format!("{mib} MiB"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_up_to_the_bound_is_kept_and_a_longer_one_is_passed_over() {
        let mut text: &[u8] = b"1234\n12345\n123456789\n\nend";
        let mut line = Vec::new();
        let mut next = |line: &mut Vec<u8>| {
            let read = read_line(&mut text, 5, line).expect("memory");
            (read, String::from_utf8_lossy(line).into_owned())
        };
        let found: Vec<_> = std::iter::repeat_with(|| next(&mut line)).take(6).collect();
        let whole = |text: &str| (LineRead::Whole, text.to_owned());
        let long = |bytes| (LineRead::TooLong { bytes }, String::new());
        let end = (LineRead::End, String::new());
        assert_eq!(
            found,
            [
                whole("1234\n"),
                long(6),
                long(10),
                whole("\n"),
                whole("end"),
                end
            ]
        );
    }

    #[test]
    fn a_line_without_an_end_in_sight_is_an_error() {
        let mut text = io::BufReader::new(io::repeat(b'x'));
        let mut line = Vec::new();
        let error = read_line(&mut text, 8, &mut line).expect_err("endless");
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(line.capacity(), 0, "nothing of it is kept");
    }
}
