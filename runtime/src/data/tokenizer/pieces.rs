//! Long texts in pieces, cut between words, where a tokenizer cuts as well: before a single space or line feed between two letters or digits
//! of ASCII. A byte-level tokenizer divides the pieces as it divides the whole text.

/// Where a piece may end first: before that many bytes no end is looked for.
const SHORTEST: usize = 64 << 10;

/// Where a piece ends at last, whatever is there.
const LONGEST: usize = 1 << 20;

/// The pieces of a text, in order; together they are the text.
pub fn pieces(text: &str) -> impl Iterator<Item = &str> + Send {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (piece, behind) = rest.split_at(end(rest, SHORTEST, LONGEST));
        rest = behind;
        (!piece.is_empty()).then_some(piece)
    })
}

/// The end of the first piece.
fn end(text: &str, shortest: usize, longest: usize) -> usize {
    let bytes = text.as_bytes();
    let is_between_words = |at: &usize| {
        bytes[at - 1].is_ascii_alphanumeric()
            && matches!(bytes[*at], b' ' | b'\n')
            && bytes[at + 1].is_ascii_alphanumeric()
    };
    let last = bytes.len().min(longest);
    if last <= shortest {
        return bytes.len();
    }
    (shortest.max(1)..last.saturating_sub(1))
        .find(is_between_words)
        .unwrap_or_else(|| (0..=last).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(bytes.len()))
}

/// The next pieces: at least one if there is any, no more than `most` times the size of a piece together.
pub(super) fn batch<'t>(pieces: &mut dyn Iterator<Item = &'t str>, most: usize) -> Vec<&'t str> {
    let (mut batch, mut len) = (Vec::new(), 0);
    while len < most * SHORTEST && batch.len() < most * 1024 {
        let Some(piece) = pieces.next() else { break };
        len += piece.len();
        batch.push(piece);
    }
    batch
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_end_between_words() {
        assert_eq!(end("one two three", 1, 100), 3);
        assert_eq!(end("one two three", 4, 100), 7);
        assert_eq!(end("one\ntwo", 2, 100), 3);
        // Not at several blanks, not beside other signs, not in a short text.
        assert_eq!(end("one  two, three. 4 5", 1, 100), 18);
        assert_eq!(end("one two", 7, 100), 7);
        // At the latest at the longest, and never within a character.
        assert_eq!(end("abcdefgh", 2, 5), 5);
        assert_eq!(end("ab\u{e4}\u{e4}\u{e4}", 2, 5), 4);
    }

    #[test]
    fn pieces_are_the_text() {
        let text = "words of some length, \u{fc}nicode  and\nlines ".repeat(20_000);
        let all: Vec<&str> = pieces(&text).collect();
        assert!(all.len() > 5 && all.iter().all(|piece| piece.len() < SHORTEST + 100));
        assert_eq!(all.concat(), text);
        assert_eq!(pieces("").count(), 0);
    }
}
