//! CSV as RFC 4180 has it, for programs and for spreadsheets.

/// One line, with its end.
pub(super) fn line<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let mut line = String::new();
    for (at, cell) in cells.into_iter().enumerate() {
        if at > 0 {
            line.push(',');
        }
        push(&mut line, cell);
    }
    line.push_str("\r\n");
    line
}

/// A spreadsheet runs a cell that begins like a formula, and what a server calls its payments is the
/// server's to choose: such a cell begins with an apostrophe here.
fn push(line: &mut String, cell: &str) {
    let is_formula = cell.starts_with([
        '=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}',
    ]);
    let is_quoted = cell.contains([',', '"', '\r', '\n']) || cell.starts_with(' ');
    if is_quoted {
        line.push('"');
    }
    if is_formula {
        line.push('\'');
    }
    if is_quoted {
        line.push_str(&cell.replace('"', "\"\""));
        line.push('"');
    } else {
        line.push_str(cell);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_no_formula() {
        let check = |cell: &str, expect: &str| {
            assert_eq!(line([cell, ""]), format!("{expect},\r\n"), "{cell:?}");
        };
        check("GET https://a/b?c=d", "GET https://a/b?c=d");
        check("", "");
        check("0.002", "0.002");
        check("a,b", "\"a,b\"");
        check("a\"b", "\"a\"\"b\"");
        check("a\r\nb", "\"a\r\nb\"");
        check("=1+1", "'=1+1");
        check("+1", "'+1");
        check("-1", "'-1");
        check("@SUM(A1)", "'@SUM(A1)");
        check("\t=1", "'\t=1");
        check("\r=1", "\"'\r=1\"");
        check("\n=1", "\"'\n=1\"");
        check("＝1", "'＝1");
        check("=A1,\"x\"", "\"'=A1,\"\"x\"\"\"");
        check(" =1", "\" =1\"");
        check("a=1", "a=1");
    }
}
