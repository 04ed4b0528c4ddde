//! Letters and numbers in HTML.

use std::fmt::Write as _;

/// Text that may stand in an element or a quoted attribute.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ => safe.push(letter),
        }
    }
    safe
}

/// A number with about four significant digits and no needless zeros.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        return "–".into();
    }
    if size != 0.0 && !(1e-3..1e6).contains(&size) {
        let text = format!("{value:.2e}");
        return text.replace(".00e", "e").replace('-', "−");
    }
    let digits = if size >= 1000.0 || size == 0.0 {
        0
    } else {
        (3 - size.log10().floor() as i32).clamp(0, 6) as usize
    };
    let text = format!("{value:.digits$}");
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    };
    text.replace('-', "−")
}

/// A table with headings that scrolls sideways where the page is narrow. Cells are escaped.
pub(super) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let mut html = String::from("<div class=\"scroll\"><table><thead><tr>");
    for heading in headings {
        let _ = write!(html, "<th scope=\"col\">{}</th>", escape(heading));
    }
    html += "</tr></thead><tbody>";
    for row in rows {
        html += "<tr>";
        for cell in row {
            let _ = write!(html, "<td>{}</td>", escape(cell));
        }
        html += "</tr>";
    }
    html + "</tbody></table></div>"
}

/// A table of names and words.
pub(super) fn facts(rows: &[(String, String)]) -> String {
    let mut html = String::from("<table class=\"words\"><tbody>");
    for (name, value) in rows {
        let _ = write!(html, "<tr><td>{}</td><td>{}</td></tr>", escape(name), escape(value));
    }
    html + "</tbody></table>"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let cases = [0.0, 0.96, 12.5, 1234.5, 0.05, -0.125, 1e-5, 2.5e7, 100.0, f64::NAN];
        let want = ["0", "0.96", "12.5", "1234", "0.05", "−0.125", "1e−5", "2.50e7", "100", "–"];
        assert_eq!(cases.map(number), want);
    }

    #[test]
    fn nothing_dangerous_survives() {
        assert_eq!(escape("<a href=\"x\">&'"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
    }
}
