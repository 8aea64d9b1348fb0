//! Texts as tokens of a learnt vocabulary.

use super::*;
use crate::data::tokenizer::{Cut, Ids, IdsFormat, Text, Tokenizer, pieces};

const WORDS: &str =
    "the cat and the dog saw the café; naïve cats  sat\n\non the mat, 1234 times — and the rest 😀 did not\n";

fn ids(ids: &Ids) -> Vec<u32> {
    ids.bytes.chunks_exact(4).map(|id| u32::from_le_bytes(id.try_into().unwrap())).collect()
}

fn corpus() -> String {
    let start = |i: usize| WORDS.chars().take(8 * (1 + i % 6)).collect::<String>();
    (0..3000usize).map(|i| format!("{}{} ", start(i), i * i % 997)).collect::<String>() + WORDS
}

fn saved(tokenizer: &Tokenizer) -> Temporary {
    Temporary::new("tok.json", tokenizer.to_json().unwrap())
}

fn decoded(tokenizer: &Tokenizer, file: &Temporary) -> String {
    let variables = xs(1, tokenizer.size());
    let tokens = sequence(&file.path, &Kind::Tokens(None), &variables).unwrap();
    tokenizer.decode(&*tokens).map(Result::unwrap).collect()
}

// COVERS: data.tokenizer
#[test]
fn a_vocabulary_has_the_size_asked_for_and_is_always_the_same() {
    let text = corpus();
    let tokenizer = Tokenizer::train(&[&text, WORDS], 400).unwrap();
    assert_eq!(tokenizer.size(), 400);
    for _ in 0..3 {
        assert_eq!(Tokenizer::train(&[&text, WORDS], 400).unwrap().to_json().unwrap(), tokenizer.to_json().unwrap());
    }
    assert_eq!(Tokenizer::train(&["a"], 400).unwrap().size(), 256);
    let reopened = Tokenizer::open(&saved(&tokenizer).path).unwrap();
    assert_eq!(reopened.to_json().unwrap(), tokenizer.to_json().unwrap());
}

#[test]
fn pieces_are_encoded_like_the_whole() {
    let text = corpus();
    let tokenizer = Tokenizer::train(&[&text], 400).unwrap();
    let library = tokenizers::Tokenizer::from_bytes(tokenizer.to_json().unwrap()).unwrap();
    let whole = library.encode(text.as_str(), false).unwrap();
    assert!(pieces::pieces(&text).count() > 1);
    assert_eq!(ids(&tokenizer.encode(&text, Cut::Whole).unwrap()), whole.get_ids());
}

/// What tokens spell, one after the other, is the text, byte by byte.
#[test]
fn tokens_spell_the_text() {
    let text = corpus();
    let tokenizer = Tokenizer::train(&[&text], 400).unwrap();
    let symbols = tokenizer.symbols().unwrap();
    assert!(symbols.len() == 400 && symbols.iter().any(|symbol| symbol.len() > 3));
    assert_eq!((0..=u8::MAX).filter(|byte| symbols.contains(&vec![*byte])).count(), 256);
    let ids = ids(&tokenizer.encode(&text, Cut::Whole).unwrap());
    let spelled: Vec<u8> = ids.iter().flat_map(|&id| symbols[id as usize].clone()).collect();
    assert_eq!(spelled, text.as_bytes());
    let rows = [&ids[..7], &[400, ids[7], 400, 400]];
    let seven: String =
        String::from_utf8_lossy(&ids[..7].iter().flat_map(|&id| symbols[id as usize].clone()).collect::<Vec<_>>())
            .into();
    let eighth = String::from_utf8_lossy(&symbols[ids[7] as usize]).into_owned();
    let written = tokenizer.write(rows.into_iter()).unwrap();
    assert_eq!(String::from_utf8(written).unwrap(), format!("{seven}\n?{eighth}??\n"));
}

#[test]
fn text_goes_to_tokens_and_back() {
    let text = corpus();
    let tokenizer = Tokenizer::train(&[&text], 300).unwrap();
    let encoded = tokenizer.encode(&text, Cut::Whole).unwrap();
    assert!(encoded.len() > 3 * 4096 && encoded.len() < text.len());
    for (format, name) in [(IdsFormat::Npy, "t.npy"), (IdsFormat::U16, "t.u16"), (IdsFormat::U32, "t.u32")] {
        let mut bytes = Vec::new();
        encoded.write(format, tokenizer.size(), &mut bytes).unwrap();
        assert!(decoded(&tokenizer, &Temporary::new(name, bytes)) == text, "{name}");
    }
    let mut lines = Vec::new();
    tokenizer.encode(WORDS, Cut::Lines).unwrap().write(IdsFormat::Text, tokenizer.size(), &mut lines).unwrap();
    let lines = String::from_utf8(lines).unwrap();
    assert_eq!(lines.lines().count(), 3);
    assert_eq!(decoded(&tokenizer, &Temporary::new("t.txt", lines)), WORDS.replace('\n', ""));
}

#[test]
fn characters_of_several_tokens_are_not_torn() {
    // No merges: each of the four bytes is a token, so blocks of tokens end within characters.
    let tokenizer = Tokenizer::train(&["-"], 256).unwrap();
    for shift in 0..4 {
        let text = format!("{}{}", "-".repeat(shift), "😀".repeat(4000));
        let mut bytes = Vec::new();
        tokenizer.encode(&text, Cut::Whole).unwrap().write(IdsFormat::U32, 256, &mut bytes).unwrap();
        assert!(decoded(&tokenizer, &Temporary::new("t.u32", bytes)) == text, "{shift}");
    }
}

// COVERS: data.tokenizer
#[test]
fn text_is_read_as_tokens() {
    let text = corpus();
    let tokenizer = Tokenizer::train(&[&text], 300).unwrap();
    let (file, saved) = (Temporary::new("t.txt", &text), saved(&tokenizer));
    let kind = Kind::Encoded(saved.path.clone());
    let whole = sequence(&file.path, &kind, &xs(4, 300)).unwrap();
    assert_eq!(whole.fill(0..whole.len()).unwrap(), ids(&tokenizer.encode(&text, Cut::Whole).unwrap()));
    let part = PathBuf::from(format!("{}@8..24", file.path.display()));
    let part = sequence(&part, &kind, &xs(4, 300)).unwrap();
    assert_eq!(part.fill(0..part.len()).unwrap(), ids(&tokenizer.encode(&text[8..24], Cut::Whole).unwrap()));
    let lines = Temporary::new("t.txt", WORDS);
    let kind = Kind::Lines(Lines::Encoded(saved.path.clone()));
    let rows = lines.rows(&kind, &xs(20, 300));
    let mut expected: Vec<Vec<u32>> =
        [0, 2].map(|line| ids(&tokenizer.encode(WORDS.lines().nth(line).unwrap(), Cut::Whole).unwrap())).into();
    expected.iter_mut().for_each(|row| row.resize(20, 300));
    assert_eq!(rows, expected);
}

#[test]
fn tokenizer_messages() {
    let saved = saved(&Tokenizer::train(&[WORDS], 260).unwrap());
    let kind = Kind::Encoded(saved.path.clone());
    let message = |text: &[u8], values| Temporary::new("t.txt", text).message(&kind, &xs(2, values));
    assert_eq!(
        message(b"abc", 100).replace(&saved.path.display().to_string(), "tok.json"),
        "the circuit cannot read tokens: its variables are categorical(100), whose values are 0 to 99, but the tokenizer \
         `tok.json` has 260 tokens"
    );
    assert_eq!(
        message(b"ab\nc\xffd", 260),
        "`t.txt`: line 2, column 2: byte 0xff is not UTF-8; a tokenizer reads text in UTF-8"
    );
    assert_eq!(message(b"", 260), "`t.txt` is empty: expected text");
    let open = |bytes: &[u8]| {
        let file = Temporary::new("tok.json", bytes);
        let error = Tokenizer::open(&file.path).err().unwrap().to_string();
        error.replace(&file.path.display().to_string(), "tok.json")
    };
    assert!(open(b"{\"a\": 1}").starts_with("`tok.json`: the file is not a tokenizer: "));
    assert!(open(b"\xff").starts_with("`tok.json`: the file is not a tokenizer: "));
    let file = Temporary::new("t.txt", "é");
    let source = Source::find(&PathBuf::from(format!("{}@1..", file.path.display()))).unwrap();
    let error = Text::open(&source).err().unwrap().to_string();
    assert!(error.ends_with("@1..`: the range, which counts bytes, ends within a character"), "{error}");
    let tokenizer = Tokenizer::open(&saved.path).unwrap();
    let tokens = Temporary::new("t.txt", "97 ? 98");
    let tokens = sequence(&tokens.path, &Kind::Tokens(None), &xs(1, 260)).unwrap();
    let error = tokenizer.decode(&*tokens).next().unwrap().unwrap_err().to_string();
    assert!(error.ends_with("tok.json`: the tokenizer cannot decode: token 1 is missing"), "{error}");
}
