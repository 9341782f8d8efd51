//! Templates hold no words of their own, pages no inline script or style, and nothing leads to another host.

use std::fs;
use std::path::{Path, PathBuf};

fn files(dir: &str, ending: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut dirs = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(dir)];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty(), "no {ending} below {dir}");
    found
}

/// The text with everything between `open` and `close` taken out.
fn without(text: &str, open: &str, close: &str) -> String {
    let mut rest = text;
    let mut kept = String::new();
    while let Some((before, after)) = rest.split_once(open) {
        kept.push_str(before);
        kept.push(' ');
        rest = after.split_once(close).map_or("", |(_, after)| after);
    }
    kept + rest
}

/// What a person would read of a template: text between tags, and the attributes that are read out.
fn readable(template: &str) -> String {
    let mut bare = template.to_owned();
    for (open, close) in [("{#", "#}"), ("{%", "%}"), ("{{", "}}")] {
        bare = without(&bare, open, close);
    }
    let mut said = without(&bare, "<", ">").replace("&nbsp;", " ");
    for attribute in ["title=\"", "aria-label=\"", "placeholder=\"", "alt=\""] {
        for part in bare.split(attribute).skip(1) {
            said.push_str(part.split('"').next().unwrap());
        }
    }
    said
}

#[test]
fn the_scan_finds_what_it_is_for() {
    assert!(readable("<p title=\"x\">{{ t.y }}</p>").contains('x'));
    assert!(readable("<p>{% if a %}签收{% endif %}</p>").contains('签'));
    assert!(!readable("<p class=\"a\">{{ b }} · {# c #}</p>").contains(char::is_alphabetic));
}

#[test]
fn templates_hold_no_words() {
    for (path, text) in files("templates", ".html") {
        let said = readable(&text);
        let word: String = said.chars().filter(|c| c.is_alphabetic()).collect();
        assert!(
            word.is_empty(),
            "{}: `{word}` belongs into desk/text.rs",
            path.display()
        );
    }
}

#[test]
fn pages_hold_no_code() {
    for (path, text) in files("templates", ".html") {
        for forbidden in [
            "<style",
            " style=\"",
            "<script>",
            " onclick=",
            " onload=",
            "javascript:",
            "http://",
            "https://",
        ] {
            assert!(!text.contains(forbidden), "{}: {forbidden}", path.display());
        }
    }
}

#[test]
fn scripts_and_styles_ask_nothing_of_the_network() {
    for (path, text) in files("assets", ".js").into_iter().chain(files("assets", ".css")) {
        for (number, line) in text.lines().enumerate() {
            let licence = line.starts_with("/*!");
            for host in ["http://", "https://", "//cdn", "@import"] {
                assert!(
                    licence || !line.contains(host),
                    "{}:{}: {host}",
                    path.display(),
                    number + 1
                );
            }
        }
    }
}

/// The table of pages names tests and steps that exist.
#[test]
fn the_table_of_pages_is_true() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let table = fs::read_to_string(root.join("docs/desk/README.md")).unwrap();
    let mut sources = fs::read_to_string(root.join(".ci/desk-browser")).unwrap();
    for entry in fs::read_dir(root.join("alert/tests/it/desk")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "rs") {
            sources += &fs::read_to_string(path).unwrap();
        }
    }
    let mut named = 0;
    for row in table.lines().filter(|line| line.starts_with('|')).skip(2) {
        let cell = row.trim_end_matches('|').rsplit('|').next().unwrap();
        for name in cell.split('`').skip(1).step_by(2) {
            let here = sources.contains(&format!("fn {name}(")) || sources.contains(&format!("def {name}("));
            assert!(here, "no test or step `{name}`");
            named += 1;
        }
    }
    assert!(named > 30, "{named} names were read");
}
