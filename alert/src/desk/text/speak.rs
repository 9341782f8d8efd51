//! What a page needs to know of a language, and how a text is filled.

use std::fmt::Display;

use super::{EN, Texts, ZH};
use crate::words::Lang;

/// What a page needs to know of a language, besides its words.
pub(crate) trait Speaks {
    /// The tag of HTML's `lang`.
    fn tag(self) -> &'static str;
    /// The one to switch to.
    fn other(self) -> Self;
    /// Its own name.
    fn own_name(self) -> &'static str;
    /// The words of this language.
    fn texts(self) -> &'static Texts;
}

impl Speaks for Lang {
    fn tag(self) -> &'static str {
        match self {
            Self::Zh => "zh-CN",
            Self::En => "en",
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Zh => Self::En,
            Self::En => Self::Zh,
        }
    }

    fn own_name(self) -> &'static str {
        match self {
            Self::Zh => "中文",
            Self::En => "English",
        }
    }

    fn texts(self) -> &'static Texts {
        match self {
            Self::Zh => &ZH,
            Self::En => &EN,
        }
    }
}

/// Fills the `{}` of a text in order.
pub(crate) fn put(text: &str, values: &[&dyn Display]) -> String {
    let mut parts = text.split("{}");
    let mut filled = parts.next().unwrap_or_default().to_owned();
    let mut values = values.iter();
    for part in parts {
        if let Some(value) = values.next() {
            filled.push_str(&value.to_string());
        }
        filled.push_str(part);
    }
    filled
}
