//! What is to be said to whoever looks after plume: a sentence, since when, and what to do. `plume doctor`,
//! `plume status`, the 系统 page, `/metrics` and the support bundle all say the same ones.

use std::borrow::Cow;
use std::fmt;

use plume_schemas::time::Time;
use serde::{Deserialize, Serialize};

/// How grave it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Grade {
    /// Good to know.
    Note,
    /// Works now, and will not for ever.
    Warning,
    /// Something does not work, or plume would not start.
    Error,
}

impl Grade {
    /// As it stands before a sentence.
    fn word(self) -> &'static str {
        match self {
            Self::Note => "提示 / note",
            Self::Warning => "警告 / warning",
            Self::Error => "错误 / error",
        }
    }
}

/// One thing found, in both languages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Finding {
    /// Its name for programs: stable, never reworded.
    pub(crate) code: Cow<'static, str>,
    /// How grave.
    pub(crate) grade: Grade,
    /// Since when, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<Time>,
    /// What was found.
    pub(crate) zh: String,
    /// The same in English.
    pub(crate) en: String,
    /// What to do.
    pub(crate) todo_zh: String,
    /// The same in English.
    pub(crate) todo_en: String,
}

impl Finding {
    /// Something that does not work.
    pub(crate) fn error(code: &'static str, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self {
            code: Cow::Borrowed(code),
            grade: Grade::Error,
            since: None,
            zh: zh.into(),
            en: en.into(),
            todo_zh: String::new(),
            todo_en: String::new(),
        }
    }

    /// Something that will not work for ever.
    pub(crate) fn warning(code: &'static str, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self {
            grade: Grade::Warning,
            ..Self::error(code, zh, en)
        }
    }

    /// Something good to know.
    pub(crate) fn note(code: &'static str, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self {
            grade: Grade::Note,
            ..Self::error(code, zh, en)
        }
    }

    /// What to do about it.
    pub(crate) fn todo(mut self, zh: impl Into<String>, en: impl Into<String>) -> Self {
        self.todo_zh = zh.into();
        self.todo_en = en.into();
        self
    }

    /// Since when it is so.
    pub(crate) fn since(mut self, since: Option<Time>) -> Self {
        self.since = since;
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}: {} / {}", self.grade.word(), self.code, self.zh, self.en)?;
        if let Some(since) = self.since {
            write!(f, "（自 / since {since}）")?;
        }
        if !self.todo_zh.is_empty() {
            write!(f, "\n    → {} / {}", self.todo_zh, self.todo_en)?;
        }
        Ok(())
    }
}

/// The gravest of them; `None` where there is none.
pub(crate) fn gravest(findings: &[Finding]) -> Option<Grade> {
    findings.iter().map(|finding| finding.grade).max()
}

/// Prints them, the gravest first, and a line that counts; or all of them as JSON.
pub(crate) fn print(findings: &[Finding], json: bool) -> anyhow::Result<()> {
    let mut sorted: Vec<&Finding> = findings.iter().collect();
    sorted.sort_by_key(|finding| std::cmp::Reverse(finding.grade));
    if json {
        crate::out::line(serde_json::to_string_pretty(&sorted)?);
        return Ok(());
    }
    for finding in &sorted {
        crate::out::line(finding);
    }
    let count = |grade| findings.iter().filter(|finding| finding.grade == grade).count();
    let (errors, warnings) = (count(Grade::Error), count(Grade::Warning));
    crate::out::line(if errors + warnings == 0 {
        "一切正常 / all is well".to_owned()
    } else {
        format!("{errors} 个错误，{warnings} 个警告 / {errors} error(s), {warnings} warning(s)")
    });
    Ok(())
}
