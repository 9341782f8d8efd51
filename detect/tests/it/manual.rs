//! The manual is complete, says the defaults that ship, and lies fresh in docs/rules.md.

use std::path::Path;

use plume_detect::rules::{manual, pages};
use plume_schemas::rule::RuleCode;

#[test]
fn every_rule_file_has_its_page() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/rules");
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let first = text.lines().next().unwrap().trim_start_matches("//! ").to_owned();
        if let Some(rule) = RuleCode::from_code(&first) {
            files += 1;
            let page = pages().into_iter().find(|page| page.rule == rule);
            let page = page.unwrap_or_else(|| panic!("{rule} has no complete page"));
            assert_eq!(page.order, rule.order().code(), "{rule}");
            assert!(!page.parameters.is_empty(), "{rule}");
        }
    }
    assert_eq!(files, pages().len());
}

#[test]
fn defaults_of_the_manual_are_those_that_ship() {
    let settings: toml::Table = toml::from_str(include_str!("../settings.toml")).unwrap();
    for page in pages() {
        for parameter in page.parameters {
            let (section, key) = parameter.key.split_once('.').unwrap();
            let value = settings.get(section).and_then(|section| section.get(key));
            let value = value.unwrap_or_else(|| panic!("{} of {} is no setting", parameter.key, page.rule));
            let shown = value.to_string().replace(['"', '[', ']'], "");
            assert_eq!(
                parameter.default.replace(['[', ']'], ""),
                shown,
                "{} of {}",
                parameter.key,
                page.rule
            );
        }
    }
}

#[test]
fn docs_rules_md_is_fresh() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/rules.md");
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    if committed != manual() {
        std::fs::write(&path, manual()).unwrap();
        panic!("docs/rules.md had gone stale and was made anew: look at the difference and commit it");
    }
}
