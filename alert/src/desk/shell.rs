//! What every page has around its content: title, navigation, language, the person, the demo's note.

use super::auth::Visitor;
use super::state::Trouble;
use super::text::{Speaks, Texts};
use super::{assets, routes};
use crate::words::Lang;

/// One entry of the navigation.
#[derive(Clone, Debug)]
pub(crate) struct NavItem {
    /// Where to.
    pub(crate) href: &'static str,
    /// Its word.
    pub(crate) word: &'static str,
    /// This page.
    pub(crate) here: bool,
}

/// Who is looking.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    /// Their name.
    pub(crate) name: String,
    /// Their role, as a word.
    pub(crate) role: &'static str,
}

/// The frame of a page.
#[derive(Clone, Debug)]
pub(crate) struct Shell {
    /// The words.
    pub(crate) t: &'static Texts,
    /// The language.
    pub(crate) lang: Lang,
    /// The page's own title.
    pub(crate) title: String,
    /// The person, where one is signed in.
    pub(crate) who: Option<Who>,
    /// The token every form carries.
    pub(crate) csrf: String,
    /// The navigation of this role.
    pub(crate) nav: Vec<NavItem>,
    /// That the clock is virtual.
    pub(crate) demo: Option<&'static str>,
    /// What plume cannot do at the moment, a sentence each.
    pub(crate) troubles: Vec<&'static str>,
    /// This page in the other language.
    pub(crate) switch_href: String,
    /// Address of the live list, on pages that have one.
    pub(crate) live: Option<String>,
}

impl Shell {
    /// The frame of a page for somebody signed in.
    pub(crate) fn new(visitor: &Visitor, title: impl Into<String>) -> Self {
        let lang = visitor.lang;
        let t = lang.texts();
        let role = visitor.viewer.role;
        Self {
            t,
            lang,
            title: title.into(),
            who: Some(Who {
                name: visitor.viewer.name.clone(),
                role: lang.pick(role.zh(), role.en()),
            }),
            csrf: visitor.csrf.clone(),
            nav: routes::navigation(role, t, &visitor.address, visitor.decodes),
            demo: visitor.virtual_clock.then_some(t.demo_note),
            troubles: visitor.troubles.iter().map(|trouble| sentence(*trouble, t)).collect(),
            switch_href: switch_href(&visitor.address, lang.other()),
            live: None,
        }
    }

    /// The frame of a page for somebody unknown.
    pub(crate) fn stranger(lang: Lang, address: &str, title: impl Into<String>) -> Self {
        Self {
            t: lang.texts(),
            lang,
            title: title.into(),
            who: None,
            csrf: String::new(),
            nav: Vec::new(),
            demo: None,
            troubles: Vec::new(),
            switch_href: switch_href(address, lang.other()),
            live: None,
        }
    }

    /// With a live list that starts behind change number `seq`.
    pub(crate) fn live(mut self, seq: i64) -> Self {
        self.live = Some(format!("/events?after={seq}"));
        self
    }

    /// Where an embedded file is.
    #[expect(clippy::unused_self, reason = "templates call it on the shell they have")]
    pub(crate) fn asset(&self, name: &str) -> String {
        assets::href(name)
    }
}

fn sentence(trouble: Trouble, t: &Texts) -> &'static str {
    match trouble {
        Trouble::LogFull => t.trouble_log,
        Trouble::ArchiveStuck => t.trouble_archive,
        Trouble::JudgeStuck => t.trouble_judge,
    }
}

/// The same address with another language.
fn switch_href(address: &str, lang: Lang) -> String {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let kept = query
        .split('&')
        .filter(|part| !part.is_empty() && !part.starts_with("lang=") && !part.starts_with("done="));
    let mut href = format!("{path}?");
    for part in kept {
        href.push_str(part);
        href.push('&');
    }
    href.push_str("lang=");
    href.push_str(lang.code());
    href
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switching_the_language_stays_on_the_page() {
        assert_eq!(switch_href("/", Lang::En), "/?lang=en");
        assert_eq!(
            switch_href("/?lang=en&state=open&done=close", Lang::Zh),
            "/?state=open&lang=zh"
        );
    }
}
