//! Small tables, aligned by spaces.

use std::fmt;

/// Rows of cells. Displays as lines without a trailing line break or trailing spaces; nothing at all without rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    right: Vec<usize>,
}

impl Table {
    pub fn new<'a>(header: impl IntoIterator<Item = &'a str>) -> Self {
        Table { header: header.into_iter().map(str::to_owned).collect(), ..Table::default() }
    }

    /// Aligns the column, counted from 0, to the right: numbers.
    #[must_use]
    pub fn right(mut self, column: usize) -> Self {
        self.right.push(column);
        self
    }

    /// Adds a row; cells beyond the header's are shown, and missing ones are empty.
    pub fn row<C: ToString>(&mut self, cells: impl IntoIterator<Item = C>) {
        // A line break in a cell would end the row.
        self.rows.push(cells.into_iter().map(|cell| cell.to_string().replace(['\n', '\r', '\t'], " ")).collect());
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return Ok(());
        }
        let lines: Vec<&Vec<String>> =
            Some(&self.header).into_iter().filter(|header| !header.is_empty()).chain(&self.rows).collect();
        let columns = lines.iter().map(|line| line.len()).max().unwrap_or(0);
        let width = |column: usize| {
            lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (number, line) in lines.iter().enumerate() {
            let cells: Vec<String> = line
                .iter()
                .enumerate()
                .map(|(column, cell)| match self.right.contains(&column) {
                    true => format!("{cell:>width$}", width = widths[column]),
                    false => format!("{cell:<width$}", width = widths[column]),
                })
                .collect();
            if number > 0 {
                f.write_str("\n")?;
            }
            f.write_str(cells.join("  ").trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Size;

    #[test]
    fn columns_are_aligned_and_numbers_stand_right() {
        let mut table = Table::new(["LAYER", "SIZE", "NOTE"]).right(1);
        table.row(["application".to_owned(), Size(12_345).to_string(), String::new()]);
        table.row(["lib".to_owned(), Size(61_937_152).to_string(), "über\nzwei".to_owned()]);
        insta::assert_snapshot!(table.to_string(), @r"
        LAYER           SIZE  NOTE
        application  12.3 kB
        lib          61.9 MB  über zwei
        ");
    }

    #[test]
    fn a_table_without_rows_is_nothing() {
        assert_eq!(Table::new(["A"]).to_string(), "");
    }

    #[test]
    fn rows_may_be_longer_or_shorter_than_the_header() {
        let mut table = Table::new(["A"]);
        table.row(["1", "2"]);
        table.row::<&str>([]);
        assert_eq!(table.to_string(), "A\n1  2\n");
    }
}
