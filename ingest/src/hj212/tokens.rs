//! The text of CP cut into `name=value`, on `;` and `,` alike, because the standards' own examples do not keep them
//! apart. Text between `//` and `//` is never cut.

/// One `name=value`, blanks around both taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// Before `=`.
    pub name: &'a [u8],
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

/// Everything before the first byte that `ends`, and what follows that byte.
fn until(text: &[u8], ends: impl Fn(u8) -> bool) -> (&[u8], Option<&[u8]>) {
    match text.iter().position(|&b| ends(b)) {
        Some(at) => (text.get(..at).unwrap_or_default(), text.get(at + 1..)),
        None => (text, None),
    }
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
        let (name, behind) = until(start, |b| b == b'=' || is_separator(b));
        let assigned = start.get(name.len()) == Some(&b'=');
        let behind = behind.unwrap_or_default();
        if !assigned {
            self.end_field(start.len() > name.len(), behind);
            let name = name.trim_ascii();
            return Some(Token {
                name,
                value: None,
                quoted: false,
                odd: true,
            });
        }
        let text = behind.trim_ascii_start();
        if let Some((quoted, after)) = quoted(text) {
            let (junk, next) = until(after, is_separator);
            self.end_field(next.is_some(), next.unwrap_or_default());
            let odd = odd || !junk.trim_ascii().is_empty();
            return Some(Token {
                name: name.trim_ascii(),
                value: Some(quoted),
                quoted: true,
                odd,
            });
        }
        let (value, next) = until(behind, is_separator);
        self.end_field(next.is_some(), next.unwrap_or_default());
        let (clean_name, clean_value) = (name.trim_ascii(), value.trim_ascii());
        let odd = odd || clean_name.len() != name.len() || clean_value.len() != value.len();
        Some(Token {
            name: clean_name,
            value: Some(clean_value),
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
