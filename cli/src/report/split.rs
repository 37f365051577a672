//! Splits an input into documents, each with its exact text and its line.
//!
//! Three forms are read: lines of NDJSON, a JSON array, and JSON documents one after the other,
//! such as a single one over several lines. No more than one document is in memory.

use std::io::{BufRead, Chain, Cursor, Read, Result};

use serde::de::IgnoredAny;

/// A part of the input.
#[derive(Debug, PartialEq, Eq)]
pub struct Part {
    /// The line on which it begins, from 1 on.
    pub line: u64,
    /// Its text, or a sentence that says why it is not one.
    pub text: std::result::Result<String, String>,
}

/// The parts of an input.
pub struct Parts<R> {
    input: Chain<Cursor<Vec<u8>>, R>,
    form: Form,
    line: u64,
    max_bytes: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Lines,
    Array,
    Documents,
    Ended,
}

/// A byte order mark, which some programs put in front of UTF-8.
const MARK: &[u8] = "\u{feff}".as_bytes();

impl<R: BufRead> Parts<R> {
    /// Reads an input whose documents have at most `max_bytes` bytes each.
    ///
    /// # Errors
    ///
    /// If the input cannot be read.
    pub fn new(mut input: R, max_bytes: usize) -> Result<Parts<R>> {
        // 1. Read up to the first line that is not blank.
        let mut beginning = Vec::new();
        let mut blank_lines = 0;
        loop {
            beginning.clear();
            read_start(&mut input, &mut beginning, max_bytes)?;
            if beginning.starts_with(MARK) {
                beginning.drain(..MARK.len());
            }
            let is_blank = beginning.trim_ascii().is_empty();
            if !is_blank || beginning.is_empty() {
                break;
            }
            blank_lines += u64::from(beginning.ends_with(b"\n"));
        }
        // 2. An array begins with a bracket. A line that is a document is the first of many. If it
        //    is only the beginning of one, the next line decides: it is a document if this is
        //    NDJSON whose first line was cut.
        let mut form = Form::Lines;
        if beginning.trim_ascii().starts_with(b"[") {
            form = Form::Array;
        } else if is_cut(&beginning) {
            let mut second = Vec::new();
            read_start(&mut input, &mut second, max_bytes)?;
            if !is_object(&second) {
                form = Form::Documents;
            }
            beginning.extend_from_slice(&second);
        }
        // 3. Put back what was read.
        let mut parts = Parts {
            input: Cursor::new(beginning).chain(input),
            form,
            line: 1 + blank_lines,
            max_bytes,
        };
        if form == Form::Array {
            parts.skip_bracket()?;
        }
        Ok(parts)
    }

    /// The next part. `None` at the end.
    ///
    /// # Errors
    ///
    /// If the input cannot be read.
    pub fn next(&mut self) -> Result<Option<Part>> {
        match self.form {
            Form::Lines => self.next_line(),
            Form::Array | Form::Documents => self.next_value(),
            Form::Ended => Ok(None),
        }
    }

    fn next_line(&mut self) -> Result<Option<Part>> {
        loop {
            let line = self.line;
            let mut bytes = Vec::new();
            read_start(&mut self.input, &mut bytes, self.max_bytes)?;
            if bytes.is_empty() {
                return Ok(None);
            }
            self.line += 1;
            let mut read = bytes.trim_ascii().len();
            if !bytes.ends_with(b"\n") {
                read += self.input.skip_until(b'\n')?;
            }
            if read > 0 {
                return Ok(Some(self.part(line, &bytes, read)));
            }
        }
    }

    fn next_value(&mut self) -> Result<Option<Part>> {
        // 1. Skip what separates values.
        let first = loop {
            match self.peek()? {
                None => return Ok(self.end()),
                Some(b']') if self.form == Form::Array => {
                    self.take()?;
                    return self.after_array();
                }
                Some(b',') if self.form == Form::Array => {}
                Some(byte) if byte.is_ascii_whitespace() => {}
                Some(byte) => break byte,
            }
            self.take()?;
        };
        // 2. Read up to the end of the value.
        let line = self.line;
        let mut value = Value::new(first);
        let mut bytes = Vec::new();
        let mut read = 0;
        while let Some(byte) = self.peek()? {
            if value.ends_before(byte) {
                break;
            }
            self.take()?;
            read += 1;
            if read <= self.max_bytes {
                bytes.push(byte);
            }
            if value.ends_with(byte) {
                break;
            }
        }
        Ok(Some(self.part(line, &bytes, read)))
    }

    fn part(&self, line: u64, bytes: &[u8], read: usize) -> Part {
        let text = if read > self.max_bytes {
            Err(format!(
                "it has more than the {} bytes of the largest event; report what is large to \
                 another place, and its SHA-256 here",
                self.max_bytes
            ))
        } else {
            match std::str::from_utf8(bytes) {
                Ok(text) => Ok(text.trim_ascii().to_owned()),
                Err(error) => Err(format!(
                    "the byte at offset {} is not UTF-8; convert the file with iconv",
                    error.valid_up_to()
                )),
            }
        };
        Part { line, text }
    }

    /// An array that has no end was cut, perhaps between two elements.
    fn end(&mut self) -> Option<Part> {
        let is_cut = self.form == Form::Array;
        self.form = Form::Ended;
        is_cut.then(|| Part {
            line: self.line,
            text: Err("the array has no end; the file may have been cut".to_owned()),
        })
    }

    /// What follows an array is no element of it.
    fn after_array(&mut self) -> Result<Option<Part>> {
        self.form = Form::Ended;
        while let Some(byte) = self.peek()? {
            if !byte.is_ascii_whitespace() {
                return Ok(Some(Part {
                    line: self.line,
                    text: Err(
                        "the text after the array was not read; put it into a file of \
                               its own"
                            .to_owned(),
                    ),
                }));
            }
            self.take()?;
        }
        Ok(None)
    }

    fn skip_bracket(&mut self) -> Result<()> {
        while self.peek()? != Some(b'[') {
            self.take()?;
        }
        self.take()
    }

    fn peek(&mut self) -> Result<Option<u8>> {
        Ok(self.input.fill_buf()?.first().copied())
    }

    fn take(&mut self) -> Result<()> {
        if self.peek()? == Some(b'\n') {
            self.line += 1;
        }
        self.input.consume(1);
        Ok(())
    }
}

/// Where a JSON value ends. Its content is not checked.
struct Value {
    levels: usize,
    is_container: bool,
    is_text: bool,
    in_string: bool,
    is_escaped: bool,
}

impl Value {
    fn new(first: u8) -> Value {
        Value {
            levels: 0,
            is_container: matches!(first, b'{' | b'['),
            is_text: first == b'"',
            in_string: false,
            is_escaped: false,
        }
    }

    /// Whether a number or a word ends before this byte.
    fn ends_before(&self, byte: u8) -> bool {
        let is_word = !self.is_container && !self.is_text;
        is_word && (byte.is_ascii_whitespace() || matches!(byte, b',' | b']'))
    }

    /// Whether an object, an array or a string ends with this byte.
    fn ends_with(&mut self, byte: u8) -> bool {
        if self.in_string {
            let was_escaped = std::mem::take(&mut self.is_escaped);
            match byte {
                b'\\' => self.is_escaped = !was_escaped,
                b'"' if !was_escaped => {
                    self.in_string = false;
                    return self.is_text;
                }
                _ => {}
            }
            return false;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.levels += 1,
            b'}' | b']' => {
                self.levels = self.levels.saturating_sub(1);
                return self.levels == 0 && self.is_container;
            }
            _ => {}
        }
        false
    }
}

/// Whether a text is the beginning of a JSON document, and not all of it.
fn is_cut(text: &[u8]) -> bool {
    matches!(serde_json::from_slice::<IgnoredAny>(text), Err(error) if error.is_eof())
}

fn is_object(text: &[u8]) -> bool {
    let is_json = serde_json::from_slice::<IgnoredAny>(text).is_ok();
    is_json && text.trim_ascii().starts_with(b"{")
}

/// Reads a line with its end, or so much of it that it is certainly too long.
fn read_start<R: BufRead>(input: &mut R, line: &mut Vec<u8>, max_bytes: usize) -> Result<()> {
    let with_its_end = max_bytes as u64 + 2;
    input.take(with_its_end).read_until(b'\n', line)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_BYTES: usize = 20;

    fn parts(input: &str) -> Vec<(u64, std::result::Result<String, String>)> {
        let mut parts = Parts::new(input.as_bytes(), MAX_BYTES).unwrap();
        let mut all = Vec::new();
        while let Some(Part { line, text }) = parts.next().unwrap() {
            all.push((line, text));
        }
        all
    }

    fn texts(input: &str) -> Vec<(u64, String)> {
        let parts = parts(input).into_iter();
        parts.map(|(line, text)| (line, text.unwrap())).collect()
    }

    fn expected(parts: &[(u64, &str)]) -> Vec<(u64, String)> {
        let parts = parts.iter();
        parts
            .map(|(line, text)| (*line, (*text).to_owned()))
            .collect()
    }

    #[test]
    fn lines_keep_their_text_and_their_number() {
        let input = "\u{feff}\n{\"a\": 1.0}\r\n\n  {\"b\":[ ]}\nbroken\n{}";
        let lines = [
            (2, "{\"a\": 1.0}"),
            (4, "{\"b\":[ ]}"),
            (5, "broken"),
            (6, "{}"),
        ];
        assert_eq!(texts(input), expected(&lines));
        assert_eq!(texts(""), []);
        assert_eq!(texts(" \n\n"), []);
    }

    #[test]
    fn a_document_over_several_lines_is_one() {
        let document = "{\n \"a\": \"}\\\"\"\n}";
        assert_eq!(texts(document), expected(&[(1, document)]));
        let two = format!("{document}\n{document} {{}}");
        let three = [(1, document), (4, document), (6, "{}")];
        assert_eq!(texts(&two), expected(&three));
    }

    #[test]
    fn the_elements_of_an_array_are_documents() {
        let input = " [{\"a\":[1,\"]\"]},\n {\"b\":\n2},7,\"x\\\\\",null]\n";
        let elements = [
            (1, "{\"a\":[1,\"]\"]}"),
            (2, "{\"b\":\n2}"),
            (3, "7"),
            (3, "\"x\\\\\""),
            (3, "null"),
        ];
        assert_eq!(texts(input), expected(&elements));
        assert_eq!(texts("[]"), []);
    }

    #[test]
    fn an_array_that_was_cut_or_goes_on_is_a_problem() {
        for (input, line, problem) in [
            ("[{}\n", 2, "has no end"),
            ("[{},", 1, "has no end"),
            ("[{}]\n\n{}", 3, "after the array"),
        ] {
            let parts = parts(input);
            assert_eq!(parts.len(), 2, "{parts:?}");
            assert_eq!(parts[1].0, line);
            assert!(parts[1].1.as_ref().unwrap_err().contains(problem));
        }
    }

    #[test]
    fn a_cut_line_does_not_take_the_next_ones_with_it() {
        let input = "{\"a\": \"cut\n{}\n{}\n";
        let lines = [(1, "{\"a\": \"cut"), (2, "{}"), (3, "{}")];
        assert_eq!(texts(input), expected(&lines));
        assert_eq!(texts("{}\n{\"a\""), expected(&[(1, "{}"), (2, "{\"a\"")]));
    }

    #[test]
    fn what_is_too_long_or_not_utf_8_is_a_problem_of_its_own() {
        let fits = format!("{{\"{}\":1}}", "a".repeat(MAX_BYTES - 6));
        assert_eq!(fits.len(), MAX_BYTES);
        let long = format!("{{\"{}\":1}}", "a".repeat(MAX_BYTES));
        let separators = ["\n", "\r\n"];
        for separator in separators {
            let input = [&*fits, &long, "{}"].join(separator);
            let parts = parts(&input);
            assert_eq!(parts[0], (1, Ok(fits.clone())));
            assert!(parts[1].1.as_ref().unwrap_err().contains("20 bytes"));
            assert_eq!(parts[2], (3, Ok("{}".to_owned())));
        }
        let array = parts(&format!("[{fits},{long},{{}}]"));
        assert_eq!(array.len(), 3);
        assert!(array[1].1.is_err());

        let mut parts = Parts::new(&b"{}\n\xff\n"[..], MAX_BYTES).unwrap();
        parts.next().unwrap();
        let problem = parts.next().unwrap().unwrap().text.unwrap_err();
        assert!(problem.contains("not UTF-8"), "{problem}");
    }
}
