//! What is wrong with a map, and where.

use std::fmt;

/// In which file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MapFile {
    /// The site file.
    Site,
    /// A model, by the name it is used under.
    Model(String),
}

/// One thing wrong with a map.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct MapProblem {
    /// In which file.
    pub file: MapFile,
    /// At which key: `register[3].address`; empty for the file as a whole.
    pub path: String,
    /// Byte offset, where the text cannot be parsed at all.
    pub offset: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What to try.
    pub hint: String,
}

impl MapProblem {
    pub(super) fn new(file: &MapFile, path: impl fmt::Display, message: impl Into<String>, hint: &str) -> Self {
        Self {
            file: file.clone(),
            path: path.to_string(),
            offset: None,
            message: message.into(),
            hint: hint.to_owned(),
        }
    }

    /// A text that is no TOML.
    pub(super) fn syntax(file: &MapFile, error: &toml::de::Error) -> Self {
        Self {
            offset: Some(error.span().map_or(0, |span| span.start)),
            ..Self::new(
                file,
                "",
                error.message(),
                "strings need quotes; see deploy/examples/modbus",
            )
        }
    }

    /// What to try.
    pub fn hint(&self) -> String {
        self.hint.clone()
    }
}
