//! Takes out of an output what may differ between machines: the scratch folder, masked numbers, last digits.

/// Replaces every number that follows one of `words` by `_`: `"seconds": 0.12` becomes `"seconds": _`. A time in minutes or hours, as a
/// busy machine has it, becomes one in seconds.
pub fn mask(text: &str, words: &[String]) -> String {
    let mut text = text.to_string();
    for word in words {
        let mut out = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some(at) = rest.find(word.as_str()) {
            let (before, after) = rest.split_at(at + word.len());
            out.push_str(before);
            let start = after.find(|c: char| !matches!(c, '"' | ':' | '=' | ' ')).unwrap_or(after.len());
            out.push_str(&after[..start]);
            let length = number_length(&after[start..]);
            if length > 0 {
                out.push('_');
            }
            rest = &after[start + length..];
            if let Some(after) = after_minutes(rest).filter(|_| length > 0) {
                out.push_str(" s");
                rest = after;
            }
        }
        out.push_str(rest);
        text = out;
    }
    text
}

/// What follows ` min`, or ` h 5 min`, at the start of `text`.
fn after_minutes(text: &str) -> Option<&str> {
    let hours = text.strip_prefix(" h ").map(|after| &after[number_length(after)..]);
    hours.unwrap_or(text).strip_prefix(" min")
}

/// Rounds every number with a fractional part or an exponent to `digits` significant digits. What is below
/// `10^-digits` becomes 0.
pub fn round(text: &str, digits: usize) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut within_word = false;
    while let Some(c) = rest.chars().next() {
        let length = if within_word { 0 } else { number_length(rest) };
        let number = &rest[..length];
        if number.contains(['.', 'e']) {
            out.push_str(&round_number(number, digits));
            rest = &rest[length..];
        } else {
            let step = length.max(c.len_utf8());
            out.push_str(&rest[..step]);
            rest = &rest[step..];
            within_word = c.is_alphanumeric() || c == '_' || c == '%' || c == '.';
        }
    }
    out
}

fn round_number(number: &str, digits: usize) -> String {
    let Ok(value) = number.parse::<f64>() else { return number.to_string() };
    if value.abs() < 10f64.powi(-(digits as i32)) {
        return "0".to_string();
    }
    let rounded = format!("{:.*e}", digits.max(1) - 1, value);
    rounded.parse::<f64>().map_or(rounded, |value| value.to_string())
}

/// The length of the number that `text` starts with; 0 if there is none.
fn number_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let digits = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    let sign = usize::from(bytes.first() == Some(&b'-'));
    let whole = digits(sign);
    if whole == 0 {
        return 0;
    }
    let mut end = sign + whole;
    if bytes.get(end) == Some(&b'.') && digits(end + 1) > 0 {
        end += 1 + digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'-' | b'+')));
        if end + 1 + sign < bytes.len() && digits(end + 1 + sign) > 0 {
            end += 1 + sign + digits(end + 1 + sign);
        }
    }
    end
}
