//! A file or standard input, compressed with gzip or not.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, stdin};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use indicatif::{ProgressBar, ProgressStyle};

/// The name of standard input on a command line.
const STANDARD_INPUT: &str = "-";
/// The first bytes of a gzip stream.
const GZIP: &[u8] = &[0x1f, 0x8b];
const BUFFER_BYTES: usize = 64 * 1024;
/// The form of the progress bar, for a file. A compressed file has an unknown number of events, so
/// the bar shows its bytes.
const OF_A_FILE: &str = "{wide_bar} {bytes} of {total_bytes}, {msg}, {eta} left";
/// The form of the progress bar, for standard input.
const OF_A_PIPE: &str = "{spinner} {msg}, {elapsed}";

/// What is read.
pub struct Input {
    /// The decompressed bytes.
    pub reader: Box<dyn BufRead + Send>,
    /// Moves as the input is read.
    pub bar: ProgressBar,
}

/// Opens a file, or standard input if its name is `-`.
///
/// # Errors
///
/// If the file cannot be opened or read.
pub fn open(file: &Path) -> io::Result<Input> {
    if file.as_os_str() == STANDARD_INPUT {
        let bar = ProgressBar::new_spinner();
        bar.set_style(style(OF_A_PIPE));
        let reader = decompressed(Box::new(stdin()))?;
        return Ok(Input { reader, bar });
    }
    let open = File::open(file)?;
    let details = open.metadata()?;
    if details.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory));
    }
    let bar = ProgressBar::new(details.len());
    bar.set_style(style(OF_A_FILE));
    let reader = decompressed(Box::new(bar.wrap_read(open)))?;
    Ok(Input { reader, bar })
}

fn decompressed(input: Box<dyn Read + Send>) -> io::Result<Box<dyn BufRead + Send>> {
    let mut input = BufReader::with_capacity(BUFFER_BYTES, input);
    if !input.fill_buf()?.starts_with(GZIP) {
        return Ok(Box::new(input));
    }
    let decoder = MultiGzDecoder::new(input);
    Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, decoder)))
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
