//! Finds the events in the text of an export, so that one that was interrupted can continue.

use audit_log_client::Format;

/// What each line of NDJSON begins with.
const BEFORE_ID: &[u8] = br#"{"id":""#;
/// The length of an id.
const ID_CHARS: usize = 36;
/// What the header of CSV begins with.
const HEADER: &[u8] = b"id,";

/// The events of a text that is read piece by piece.
pub struct Records {
    format: Format,
    /// How many events are complete.
    pub events: u64,
    /// Where the last complete event or the header ends, in bytes.
    pub end: u64,
    /// The id of the last complete event.
    pub last: Option<String>,
    /// Where the text ends that was read.
    offset: u64,
    /// The beginning of the event that is not complete yet, as far as its id reaches.
    beginning: Vec<u8>,
    /// Whether a cell is open: it can have line breaks.
    is_quoted: bool,
}

impl Records {
    /// No events.
    pub fn new(format: Format) -> Records {
        Records {
            format,
            events: 0,
            end: 0,
            last: None,
            offset: 0,
            beginning: Vec::new(),
            is_quoted: false,
        }
    }

    /// Reads the next piece of the text.
    ///
    /// # Errors
    ///
    /// An event without an id.
    pub fn read(&mut self, text: &[u8]) -> Result<(), &'static str> {
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            let missing = BEFORE_ID.len() + ID_CHARS - self.beginning.len();
            let beginning = line.get(..missing).unwrap_or(line);
            self.beginning.extend_from_slice(beginning);
            self.offset += line.len() as u64;
            if self.format == Format::Csv {
                let quotes = line.iter().filter(|byte| **byte == b'"').count();
                self.is_quoted ^= quotes % 2 == 1;
            }
            if !self.is_quoted && line.ends_with(b"\n") {
                self.complete()?;
            }
        }
        Ok(())
    }

    fn complete(&mut self) -> Result<(), &'static str> {
        self.end = self.offset;
        let beginning = std::mem::take(&mut self.beginning);
        let is_header = self.format == Format::Csv && beginning.starts_with(HEADER);
        if is_header {
            return Ok(());
        }
        let id = match self.format {
            Format::Ndjson => beginning.strip_prefix(BEFORE_ID),
            Format::Csv => Some(&beginning[..]),
        };
        let id = id
            .and_then(|id| std::str::from_utf8(id.get(..ID_CHARS)?).ok())
            .ok_or("an event has no id in front")?;
        self.last = Some(id.to_owned());
        self.events += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "018cc251-f400-7000-803e-38b8163c9160";

    /// The result is the same, wherever the text is cut.
    fn read(format: Format, text: &str) -> (u64, u64, Option<String>) {
        let read = |pieces: &[&[u8]]| {
            let mut records = Records::new(format);
            for piece in pieces {
                records.read(piece).unwrap();
            }
            (records.events, records.end, records.last)
        };
        let text = text.as_bytes();
        let whole = read(&[text]);
        for cut in 0..text.len() {
            assert_eq!(read(&[&text[..cut], &text[cut..]]), whole, "{cut}");
        }
        whole
    }

    #[test]
    fn half_a_line_is_no_event() {
        let line = format!("{{\"id\":\"{ID}\",\"recorded\":{{}}}}\n");
        let bytes = line.len() as u64;
        let last = Some(ID.to_owned());
        assert_eq!(read(Format::Ndjson, ""), (0, 0, None));
        assert_eq!(read(Format::Ndjson, &line), (1, bytes, last.clone()));
        let half = format!("{line}{}", line.trim_end());
        assert_eq!(read(Format::Ndjson, &half), (1, bytes, last));
    }

    #[test]
    fn a_cell_of_csv_can_have_line_breaks() {
        let header = "id,timestamp\r\n";
        let row = format!("{ID},\"a\r\n\"\"b\"\r\n");
        let (both, last) = (header.len() + row.len(), Some(ID.to_owned()));
        assert_eq!(read(Format::Csv, header), (0, header.len() as u64, None));
        let whole = format!("{header}{row}");
        assert_eq!(read(Format::Csv, &whole), (1, both as u64, last.clone()));
        let half = format!("{whole}{ID},\"a\r\n");
        assert_eq!(read(Format::Csv, &half), (1, both as u64, last));
    }

    #[test]
    fn a_file_that_is_no_export_is_refused() {
        let mut records = Records::new(Format::Ndjson);
        assert!(records.read(b"text\n").is_err());
        let mut records = Records::new(Format::Csv);
        assert!(records.read(b"text\n").is_err());
    }
}
