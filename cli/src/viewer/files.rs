//! The files of the page, as the repository has them. Nothing is built, so `cargo run` needs no
//! other tool.

/// The media type of settings and errors.
pub const JSON: &str = "application/json";
const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// A file of the page.
#[derive(Clone, Copy, Debug)]
pub struct File {
    /// The type that the browser takes it for.
    pub media_type: &'static str,
    /// The content.
    pub text: &'static str,
}

/// Each file under the path that the page asks for.
macro_rules! files {
    ($($name:literal $media_type:ident),* $(,)?) => {
        const FILES: &[(&str, File)] = &[$((
            concat!("/viewer/", $name),
            File {
                media_type: $media_type,
                text: include_str!(concat!("../../../viewer/", $name)),
            },
        )),*];
    };
}

files! {
    "api.js" JAVASCRIPT,
    "app.js" JAVASCRIPT,
    "clipboard.js" JAVASCRIPT,
    "detail.js" JAVASCRIPT,
    "dom.js" JAVASCRIPT,
    "download.js" JAVASCRIPT,
    "event.js" JAVASCRIPT,
    "filters.js" JAVASCRIPT,
    "histogram.js" JAVASCRIPT,
    "icon.svg" SVG,
    "json.js" JAVASCRIPT,
    "list.js" JAVASCRIPT,
    "live.js" JAVASCRIPT,
    "merkle.js" JAVASCRIPT,
    "note.js" JAVASCRIPT,
    "overtime.js" JAVASCRIPT,
    "paging.js" JAVASCRIPT,
    "pretty.js" JAVASCRIPT,
    "problem.js" JAVASCRIPT,
    "proof.js" JAVASCRIPT,
    "save.js" JAVASCRIPT,
    "state.js" JAVASCRIPT,
    "status.js" JAVASCRIPT,
    "style.css" CSS,
    "text.js" JAVASCRIPT,
    "time.js" JAVASCRIPT,
}

/// The page itself, at `/`.
const INDEX: File = File {
    media_type: HTML,
    text: include_str!("../../../viewer/index.html"),
};

/// The file at a path.
pub fn find(path: &str) -> Option<File> {
    if path == "/" {
        return Some(INDEX);
    }
    let (_, file) = FILES.iter().find(|(own, _)| *own == path)?;
    Some(*file)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_file_of_the_folder_is_served() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../viewer");
        let names = std::fs::read_dir(folder).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let expected: BTreeSet<String> = names
            .filter(|name| name != "index.html")
            .map(|name| format!("/viewer/{name}"))
            .collect();
        let served = FILES.iter().map(|(path, _)| (*path).to_owned());
        assert_eq!(served.collect::<BTreeSet<_>>(), expected);
    }
}
