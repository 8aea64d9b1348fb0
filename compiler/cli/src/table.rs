//! Aligned plain text.

/// How a column is aligned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Lays rows of cells out in columns two spaces apart, each line after `indent`. The first row may be a header.
pub fn table(indent: &str, align: &[Align], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..align.len()).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row.iter().zip(align).zip(&widths).map(|((c, a), w)| padded(c, *a, *w)).collect();
        text += format!("{indent}{}", cells.join("  ")).trim_end();
        text.push('\n');
    }
    text
}

fn padded(cell: &str, align: Align, width: usize) -> String {
    match align {
        Align::Left => format!("{cell:<width$}"),
        Align::Right => format!("{cell:>width$}"),
    }
}

/// `12,345,678`
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1.5 KiB`
pub fn bytes(number: u64) -> String {
    scaled(number as f64, 1024.0, &["B", "KiB", "MiB", "GiB", "TiB", "PiB"])
}

/// `1.5 GFLOP`
pub fn flops(number: f64) -> String {
    scaled(number, 1000.0, &["FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP", "PFLOP"])
}

/// `1.5 ms`
pub fn seconds(number: f64) -> String {
    match number {
        n if n < 1e-3 => format!("{:.0} us", n * 1e6),
        n if n < 1.0 => format!("{:.1} ms", n * 1e3),
        n => format!("{n:.2} s"),
    }
}

fn scaled(number: f64, base: f64, units: &[&str]) -> String {
    let mut value = number;
    let mut unit = 0;
    while value >= base && unit + 1 < units.len() {
        value /= base;
        unit += 1;
    }
    match unit {
        0 => format!("{value:.0} {}", units[0]),
        _ if value >= 100.0 => format!("{value:.0} {}", units[unit]),
        _ => format!("{value:.1} {}", units[unit]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1000), "1,000");
        assert_eq!(grouped(12_345_678), "12,345,678");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(16 << 20), "16.0 MiB");
        assert_eq!(flops(2.1e9), "2.1 GFLOP");
        assert_eq!(seconds(0.0123), "12.3 ms");
    }

    #[test]
    fn columns_are_aligned() {
        let rows = [vec!["name".to_string(), "size".to_string()], vec!["a".to_string(), "12".to_string()]];
        assert_eq!(table("  ", &[Align::Left, Align::Right], &rows), "  name  size\n  a       12\n");
    }
}
