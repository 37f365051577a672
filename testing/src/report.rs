//! What a bench found: Markdown on standard output and, with `--write`, in docs/performance.md between the marks of its
//! name.

use std::fmt::Write;
use std::path::PathBuf;

use crate::repo_path;

/// The figures of one bench.
pub struct Report {
    name: &'static str,
    markdown: String,
    promises: Vec<Vec<String>>,
    failed: bool,
    files: Vec<(PathBuf, String)>,
}

/// How far beyond its promise a figure may be before a short run fails: CI's machines are not quiet.
const GROSS: f64 = 3.0;

impl Report {
    /// The report of the bench `name`.
    pub fn new(name: &'static str) -> Report {
        Report { name, markdown: String::new(), promises: Vec::new(), failed: false, files: Vec::new() }
    }

    /// A line of text.
    pub fn note(&mut self, text: &str) {
        let _ = writeln!(self.markdown, "{text}\n");
    }

    /// A table.
    pub fn table(&mut self, title: &str, columns: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
        let _ = writeln!(self.markdown, "{title}:\n\n| {} |\n|{}", columns.join(" | "), "---|".repeat(columns.len()));
        for row in rows {
            let _ = writeln!(self.markdown, "| {} |", row.join(" | "));
        }
        self.markdown.push('\n');
    }

    /// A figure that is to be at most `most`. With `judge`, the run fails where it is grossly more.
    pub fn promise(&mut self, what: &str, measured: f64, most: f64, judge: bool) {
        self.promised(what, &format!("at most {most}"), measured, measured <= most);
        self.failed |= judge && (measured.is_nan() || measured > most * GROSS);
    }

    /// A figure that is to be at least `least`. With `judge`, the run fails where it is less than `floor`.
    pub fn promise_at_least(&mut self, what: &str, measured: f64, least: f64, floor: f64, judge: bool) {
        self.promised(what, &format!("at least {least}"), measured, measured >= least);
        self.failed |= judge && (measured.is_nan() || measured < floor);
    }

    fn promised(&mut self, what: &str, bound: &str, measured: f64, kept: bool) {
        let kept = if kept { "yes" } else { "**no**" };
        self.promises.push(vec![what.to_owned(), bound.to_owned(), format!("{measured:.2}"), kept.to_owned()]);
    }

    /// What another tool printed.
    pub fn verbatim(&mut self, text: &str) {
        let _ = writeln!(self.markdown, "```\n{}\n```\n", text.trim_end());
    }

    /// A bar for each entry, of two parts.
    pub fn chart(&mut self, file: &str, title: &str, parts: [&str; 2], bars: &[(&str, [f64; 2])]) {
        let path = repo_path(file);
        let most = bars.iter().map(|(_, [a, b])| a + b).fold(1.0, f64::max);
        let scale = 480.0 / most;
        let height = 70 + 30 * bars.len();
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 760 {height}\" font-family=\"sans-serif\" \
             font-size=\"13\">\n<rect width=\"760\" height=\"{height}\" fill=\"#fff\"/>\n\
             <text x=\"10\" y=\"22\" font-weight=\"bold\">{title}</text>\n\
             <rect x=\"10\" y=\"34\" width=\"12\" height=\"12\" fill=\"#b9c6d8\"/><text x=\"27\" y=\"45\">{}</text>\n\
             <rect x=\"80\" y=\"34\" width=\"12\" height=\"12\" fill=\"#35618f\"/><text x=\"97\" y=\"45\">{}</text>\n",
            parts[0], parts[1]
        );
        for (at, (name, [a, b])) in bars.iter().enumerate() {
            let (y, left, right) = (62 + 30 * at, a * scale, b * scale);
            let _ = writeln!(
                svg,
                "<text x=\"10\" y=\"{}\">{name}</text><rect x=\"165\" y=\"{y}\" width=\"{left:.1}\" height=\"20\" \
                 fill=\"#b9c6d8\"/><rect x=\"{:.1}\" y=\"{y}\" width=\"{right:.1}\" height=\"20\" fill=\"#35618f\"/>\
                 <text x=\"{:.1}\" y=\"{}\">{a:.0} + {b:.0}</text>",
                y + 15,
                165.0 + left,
                172.0 + left + right,
                y + 15
            );
        }
        svg.push_str("</svg>\n");
        self.files.push((path, svg));
        let _ = writeln!(self.markdown, "![{title}]({})\n", file.strip_prefix("docs/").unwrap_or(file));
    }

    /// Prints the report, writes it if that was asked for, and ends the process with 1 if a promise was broken grossly.
    pub fn finish(mut self) {
        if !self.promises.is_empty() {
            let promises = std::mem::take(&mut self.promises);
            self.table("Promised", &["what", "", "measured", "kept"], promises);
        }
        println!("{}", self.markdown);
        if std::env::args().any(|argument| argument == "--write") {
            let path = repo_path("docs/performance.md");
            let text = std::fs::read_to_string(&path).unwrap();
            let (start, end) = (format!("<!-- {} -->\n", self.name), format!("<!-- end of {} -->\n", self.name));
            let (before, rest) = text.split_once(&start).expect("docs/performance.md has the marks");
            let (_, after) = rest.split_once(&end).expect("docs/performance.md has the marks");
            std::fs::write(&path, format!("{before}{start}\n{}{end}{after}", self.markdown)).unwrap();
            for (path, text) in &self.files {
                std::fs::write(path, text).unwrap();
            }
        }
        if self.failed {
            eprintln!("A figure is grossly off: more than {GROSS} times its promise, or below its floor.");
            std::process::exit(1);
        }
    }
}

/// The value in the middle.
pub fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// The median, and between which values nine of ten lie.
pub fn spread(values: &[f64]) -> String {
    format!("{:.2} ({:.2} to {:.2})", median(values), quantile(values, 0.05), quantile(values, 0.95))
}

/// The value below which this part of them lies.
pub fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (sorted.len().saturating_sub(1) as f64 * part).round() as usize;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}
