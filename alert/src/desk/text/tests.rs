//! The words: complete in both languages, and filled in order.

use super::*;

#[test]
fn both_languages_are_complete() {
    for (key, zh, en) in ALL {
        assert!(!zh.is_empty() && !en.is_empty(), "{key} is missing in one language");
        let cjk = |text: &str| text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
        assert!(!cjk(en), "{key}: the English text holds Chinese: {en}");
        assert_eq!(
            zh.matches("{}").count(),
            en.matches("{}").count(),
            "{key}: places differ"
        );
        let halves = |text: &str| text.chars().any(|c| ",;:?!".contains(c)) && cjk(text) && !text.contains("{}");
        assert!(
            !halves(&zh.replace("14:35", "")),
            "{key}: half-width punctuation in Chinese: {zh}"
        );
    }
}

#[test]
fn places_are_filled_in_order() {
    assert_eq!(put("a {} b {} c", &[&1, &"x"]), "a 1 b x c");
    assert_eq!(put("none", &[&1]), "none");
    assert_eq!(put("{}{}", &[&1]), "1");
}
