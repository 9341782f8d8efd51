//! Columns that line up, Chinese characters being two cells wide.

use std::fmt;

use unicode_width::UnicodeWidthStr;

/// Blanks between columns.
const GAP: usize = 2;

/// Rows of cells.
#[derive(Clone, Debug, Default)]
pub(in crate::hj212) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Adds a row.
    pub(in crate::hj212) fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows
            .push(cells.into_iter().map(|cell| plain(&cell.into())).collect());
    }
}

/// The text with control characters written out: a packet must not drive the reader's terminal.
pub(in crate::hj212) fn plain(text: &str) -> String {
    let shown = |c: char| {
        if c.is_control() {
            c.escape_default().collect()
        } else {
            c.to_string()
        }
    };
    text.chars().map(shown).collect()
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self
                .rows
                .iter()
                .filter(|row| row.len() > column + 1)
                .filter_map(|row| row.get(column));
            cells.map(|cell| cell.width()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in &self.rows {
            let mut line = String::from("  ");
            for (column, cell) in row.iter().enumerate() {
                line.push_str(cell);
                let wanted = widths.get(column).copied().unwrap_or(0) + GAP;
                line.extend(std::iter::repeat_n(' ', wanted.saturating_sub(cell.width())));
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinese_characters_are_two_cells_wide() {
        let mut table = Table::default();
        table.row(["MN", "设备", "a"]);
        table.row(["请求编码", "x", "b"]);
        assert_eq!(plain("a\x1b[2J\n"), "a\\u{1b}[2J\\n");
        assert_eq!(table.to_string(), "  MN        设备  a\n  请求编码  x     b\n");
    }
}
