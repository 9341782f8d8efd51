//! The text of CP cut into `name=value`, on `;` and `,` alike, because the standards' own examples do not keep them
//! apart. Text between `//` and `//` is never cut.

/// One `name=value`, blanks around both taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// Before `=`.
    pub name: &'a [u8],
    /// Where the last hyphen of the name stands.
    pub hyphen: Option<usize>,
    /// Behind it; `None` where there was no `=`.
    pub value: Option<&'a [u8]>,
    /// The value stood between `//` and `//`.
    pub quoted: bool,
    /// Blanks, an empty field before it, or text behind the closing `//`.
    pub odd: bool,
}

/// The tokens of a CP.
#[derive(Clone, Debug)]
pub struct Tokens<'a> {
    rest: &'a [u8],
    /// The last field was empty (`;` before the closing `&&`).
    pub trailing_separator: bool,
}

impl<'a> Tokens<'a> {
    /// Cuts what stands between `CP=&&` and `&&`.
    pub fn new(cp: &'a [u8]) -> Self {
        Self {
            rest: cp,
            trailing_separator: false,
        }
    }
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b';' | b',')
}

/// Everything before the first separator, and what follows it.
fn until_separator(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    match text.iter().position(|&b| is_separator(b)) {
        Some(at) => (text.get(..at).unwrap_or_default(), text.get(at + 1..)),
        None => (text, None),
    }
}

/// How long the name at the beginning of the text is, and where its last hyphen stands.
fn scan_name(text: &[u8]) -> (usize, Option<usize>) {
    let mut hyphen = None;
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            b'=' | b';' | b',' => return (at, hyphen),
            b'-' => hyphen = Some(at),
            _ => {}
        }
    }
    (text.len(), hyphen)
}

/// A name without blanks around it, its hyphen moved along.
fn trim_name(name: &[u8], hyphen: Option<usize>) -> (&[u8], Option<usize>) {
    let start = name.trim_ascii_start();
    let moved = name.len() - start.len();
    (start.trim_ascii_end(), hyphen.and_then(|at| at.checked_sub(moved)))
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let mut odd = false;
        while let Some((&first, rest)) = self.rest.split_first() {
            if !is_separator(first) && !first.is_ascii_whitespace() {
                break;
            }
            odd = true;
            self.rest = rest;
        }
        if self.rest.is_empty() {
            self.trailing_separator |= odd;
            return None;
        }
        let start = self.rest;
        let (length, hyphen) = scan_name(start);
        let whole_name = start.get(..length).unwrap_or_default();
        let behind = start.get(length + 1..).unwrap_or_default();
        let (name, hyphen) = trim_name(whole_name, hyphen);
        if start.get(length) != Some(&b'=') {
            self.end_field(start.len() > length, behind);
            return Some(Token {
                name,
                hyphen,
                value: None,
                quoted: false,
                odd: true,
            });
        }
        odd |= name.len() != whole_name.len();
        if let Some((quoted, after)) = quoted(behind.trim_ascii_start()) {
            let (junk, next) = until_separator(after);
            self.end_field(next.is_some(), next.unwrap_or_default());
            odd |= !junk.trim_ascii().is_empty();
            return Some(Token {
                name,
                hyphen,
                value: Some(quoted),
                quoted: true,
                odd,
            });
        }
        let (whole_value, next) = until_separator(behind);
        self.end_field(next.is_some(), next.unwrap_or_default());
        let value = whole_value.trim_ascii();
        odd |= value.len() != whole_value.len();
        Some(Token {
            name,
            hyphen,
            value: Some(value),
            quoted: false,
            odd,
        })
    }
}

impl<'a> Tokens<'a> {
    fn end_field(&mut self, separated: bool, next: &'a [u8]) {
        self.rest = next;
        self.trailing_separator = separated && next.is_empty();
    }
}

/// What stands between `//` and `//`, and what follows.
fn quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let inside = text.strip_prefix(b"//")?;
    let end = inside.windows(2).position(|two| two == b"//")?;
    Some((inside.get(..end)?, inside.get(end + 2..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(cp: &str) -> Vec<(String, Option<String>, bool)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Tokens::new(cp.as_bytes())
            .map(|t| (text(t.name), t.value.map(text), t.odd))
            .collect()
    }

    fn token(name: &str, value: &str, odd: bool) -> (String, Option<String>, bool) {
        (name.to_owned(), Some(value.to_owned()), odd)
    }

    #[test]
    fn both_separators_blanks_and_slips() {
        assert_eq!(
            tokens("a=1,b=2;c=3"),
            [token("a", "1", false), token("b", "2", false), token("c", "3", false)]
        );
        assert_eq!(tokens(" a =1; b=2 "), [token("a", "1", true), token("b", "2", true)]);
        assert_eq!(tokens("a=;b=,;"), [token("a", "", false), token("b", "", false)]);
        assert_eq!(
            tokens("FANSTATUS;a=b=c"),
            [("FANSTATUS".to_owned(), None, true), token("a", "b=c", false)]
        );
        assert_eq!(tokens(""), []);
        assert_eq!(tokens(" "), []);
        let mut iterator = Tokens::new(b"a=1;");
        assert!(iterator.next().is_some() && iterator.next().is_none());
        assert!(iterator.trailing_separator);
    }

    #[test]
    fn log_text_is_not_cut() {
        let text = "DataTime=1;i11001-Info=//a;b,c=d&e//;x=2";
        assert_eq!(
            tokens(text),
            [
                token("DataTime", "1", false),
                token("i11001-Info", "a;b,c=d&e", false),
                token("x", "2", false)
            ]
        );
        // Without its end it is a text like any other.
        assert_eq!(tokens("i=//a;b=1"), [token("i", "//a", false), token("b", "1", false)]);
    }
}
