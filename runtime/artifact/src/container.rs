//! The container below an artifact: named sections of bytes, each with a checksum. It knows nothing of circuits.
//!
//! All numbers are little-endian.
//!
//! | offset | bytes | |
//! |---|---|---|
//! | 0 | 8 | magic `89 50 43 42 0D 0A 1A 0A` |
//! | 8 | 4 | format version |
//! | 12 | 4 | number of sections |
//! | 16 | 8 | length of the file |
//! | 24 | 8 | length of the section table |
//! | 32 | 32 | BLAKE3 of bytes 8..32 and the section table |
//! | 64 | | section table: name length (2), name (UTF-8), offset (8), length (8), BLAKE3 of the section (32), per section |
//! | | | sections, in the order of the table, without gaps |
//!
//! Every byte is covered: the magic number and version are compared, the header and table have a checksum, every section has
//! one, and sections follow each other without gaps up to the end. Lengths are compared with the file's before
//! anything is allocated.

use crate::error::ArtifactError;

/// The first bytes. As in PNG, they show when a transfer changed line ends or cut the eighth bit.
pub const MAGIC: [u8; 8] = *b"\x89PCB\r\n\x1a\n";
/// The format version that is written, and the only one that is read.
pub const VERSION: u32 = 2;

const HEADER: usize = 64;

/// One section: its name and its bytes.
pub type Section<'a> = (String, &'a [u8]);

/// Puts sections into one file. Equal sections give equal bytes.
pub fn join(sections: &[(String, Vec<u8>)]) -> Vec<u8> {
    let table_len: usize = sections.iter().map(|(name, _)| 2 + name.len() + 8 + 8 + 32).sum();
    let file_len = HEADER + table_len + sections.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
    let mut table = Vec::with_capacity(table_len);
    let mut offset = (HEADER + table_len) as u64;
    for (name, bytes) in sections {
        let name_len = u16::try_from(name.len()).expect("names of sections are short");
        table.extend(name_len.to_le_bytes());
        table.extend(name.as_bytes());
        table.extend(offset.to_le_bytes());
        table.extend((bytes.len() as u64).to_le_bytes());
        table.extend(blake3::hash(bytes).as_bytes());
        offset += bytes.len() as u64;
    }
    let mut file = Vec::with_capacity(file_len);
    file.extend(MAGIC);
    file.extend(VERSION.to_le_bytes());
    file.extend((sections.len() as u32).to_le_bytes());
    file.extend((file_len as u64).to_le_bytes());
    file.extend((table_len as u64).to_le_bytes());
    let checksum = header_checksum(&file[8..32], &table);
    file.extend(checksum.as_bytes());
    file.extend(table);
    for (_, bytes) in sections {
        file.extend(bytes);
    }
    file
}

/// A section as the table of a file lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Where it starts.
    pub offset: u64,
    /// Its length.
    pub length: u64,
    /// BLAKE3 of its bytes, hexadecimal.
    pub checksum: String,
}

/// Lists the sections of a file, after checking it like [`split`].
pub fn entries(file: &[u8]) -> Result<Vec<Entry>, ArtifactError> {
    let offset = |bytes: &[u8]| (bytes.as_ptr() as usize - file.as_ptr() as usize) as u64;
    let entry = |(name, bytes): Section<'_>| Entry {
        name,
        offset: offset(bytes),
        length: bytes.len() as u64,
        checksum: blake3::hash(bytes).to_hex().to_string(),
    };
    Ok(split(file)?.into_iter().map(entry).collect())
}

/// Takes a file apart, and checks everything a container promises.
pub fn split(file: &[u8]) -> Result<Vec<Section<'_>>, ArtifactError> {
    check_magic(file)?;
    let mut header = Reader { bytes: file, at: MAGIC.len(), file_len: file.len() };
    let version = header.u32()?;
    if version > VERSION {
        return Err(ArtifactError::Newer { found: version, supported: VERSION });
    }
    if version < VERSION {
        return Err(ArtifactError::Older { found: version, supported: VERSION });
    }
    let count = header.u32()?;
    let file_len = header.u64()?;
    let table_len = header.u64()?;
    let checksum = header.take(32)?;
    let table = header.take(table_len)?;
    if header_checksum(&file[8..32], table) != *<&[u8; 32]>::try_from(checksum).expect("32 bytes were taken") {
        return Err(ArtifactError::DamagedHeader { what: "its checksum differs".to_string() });
    }
    let found = file.len() as u64;
    if found < file_len {
        return Err(ArtifactError::Truncated { expected: file_len, found });
    }
    if found > file_len {
        return Err(ArtifactError::Trailing { extra: found - file_len });
    }
    read_sections(file, table, count)
}

fn read_sections<'a>(file: &'a [u8], table: &[u8], count: u32) -> Result<Vec<Section<'a>>, ArtifactError> {
    let mut entries = Reader { bytes: table, at: 0, file_len: file.len() };
    let mut next = HEADER + table.len();
    let mut sections: Vec<Section<'a>> = Vec::new();
    for _ in 0..count {
        let name_len = entries.u16()?;
        let name = std::str::from_utf8(entries.take(name_len.into())?)
            .map_err(|_| damaged("a section's name is not UTF-8"))?
            .to_string();
        let (offset, len) = (entries.u64()?, entries.u64()?);
        let checksum = entries.take(32)?;
        let end = usize::try_from(len).ok().and_then(|len| next.checked_add(len)).filter(|end| *end <= file.len());
        let Some(end) = end.filter(|_| offset == next as u64) else {
            return Err(damaged("sections do not follow each other"));
        };
        let bytes = &file[next..end];
        if blake3::hash(bytes).as_bytes() != checksum {
            return Err(ArtifactError::DamagedSection { section: name });
        }
        if sections.iter().any(|(other, _)| *other == name) {
            return Err(damaged("two sections have the same name"));
        }
        sections.push((name, bytes));
        next = end;
    }
    if entries.at != table.len() || next != file.len() {
        return Err(damaged("the section table does not cover the file"));
    }
    Ok(sections)
}

fn header_checksum(fields: &[u8], table: &[u8]) -> blake3::Hash {
    blake3::Hasher::new().update(fields).update(table).finalize()
}

fn damaged(what: &str) -> ArtifactError {
    ArtifactError::DamagedHeader { what: what.to_string() }
}

fn check_magic(file: &[u8]) -> Result<(), ArtifactError> {
    if file.starts_with(&MAGIC) {
        return Ok(());
    }
    if !file.is_empty() && MAGIC.starts_with(file) {
        return Err(ArtifactError::Truncated { expected: HEADER as u64, found: file.len() as u64 });
    }
    Err(ArtifactError::Foreign { looks: recognize(file) })
}

/// What a file that is no artifact looks like, for the error message.
fn recognize(file: &[u8]) -> &'static str {
    let start = &file[..file.len().min(4096)];
    let safetensors =
        file.len() > 8 && file[8] == b'{' && u64::from_le_bytes(file[..8].try_into().expect("8")) < 1 << 27;
    let is_text = std::str::from_utf8(start).map_or_else(|error| error.valid_up_to() + 4 > start.len(), |_| true)
        && !start.contains(&0);
    if file.is_empty() {
        "is empty"
    } else if start.get(1..4) == Some(b"PCB") {
        "starts like an artifact, but line ends or bits were changed, as a transfer in text mode does"
    } else if safetensors {
        "looks like a safetensors file with parameters"
    } else if start.starts_with(b"\x93NUMPY") {
        "looks like a NumPy array"
    } else if start.starts_with(b"PK\x03\x04") {
        "looks like a ZIP or .npz archive"
    } else if start.starts_with(b"\x1f\x8b") {
        "looks like a gzip file"
    } else if start.starts_with(b"\x7fELF") {
        "looks like a program"
    } else if is_text && String::from_utf8_lossy(start).contains("circuit") {
        "looks like the source text of a circuit"
    } else if is_text {
        "looks like text"
    } else {
        "has an unknown format"
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    file_len: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: u64) -> Result<&'a [u8], ArtifactError> {
        let left = (self.bytes.len() - self.at) as u64;
        if len > left {
            let found = self.file_len as u64;
            return Err(ArtifactError::Truncated { expected: found.saturating_add(len - left), found });
        }
        let taken = &self.bytes[self.at..self.at + len as usize];
        self.at += len as usize;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ArtifactError> {
        Ok(self.take(N as u64)?.try_into().expect("as many bytes were taken"))
    }

    fn u16(&mut self) -> Result<u16, ArtifactError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u32, ArtifactError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, ArtifactError> {
        Ok(u64::from_le_bytes(self.array()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sections() -> Vec<(String, Vec<u8>)> {
        vec![("a".into(), vec![1, 2, 3]), ("empty".into(), vec![]), ("b:c".into(), vec![0; 70])]
    }

    fn message(file: &[u8]) -> String {
        split(file).expect_err("the file is bad").to_string()
    }

    #[test]
    fn what_is_joined_is_split() {
        let file = join(&sections());
        let back: Vec<(String, Vec<u8>)> =
            split(&file).unwrap().into_iter().map(|(name, bytes)| (name, bytes.to_vec())).collect();
        assert_eq!(back, sections());
        assert_eq!(file, join(&back));
    }

    #[test]
    fn sections_are_listed() {
        let file = join(&sections());
        let listed = entries(&file).unwrap();
        let mut ends = listed.iter().map(|entry| entry.offset + entry.length);
        assert_eq!(ends.next_back(), Some(file.len() as u64));
        assert_eq!((listed[0].name.as_str(), listed[0].length, listed[0].checksum.len()), ("a", 3, 64));
    }

    #[test]
    fn every_flipped_bit_is_an_error() {
        let file = join(&sections());
        for byte in 0..file.len() {
            for bit in 0..8 {
                let mut changed = file.clone();
                changed[byte] ^= 1 << bit;
                assert!(split(&changed).is_err(), "bit {bit} of byte {byte}");
            }
        }
    }

    #[test]
    fn every_truncation_is_an_error() {
        let file = join(&sections());
        for len in 8..file.len() {
            assert!(matches!(split(&file[..len]), Err(ArtifactError::Truncated { .. })), "{len}");
        }
        let mut longer = file.clone();
        longer.push(0);
        assert_eq!(split(&longer), Err(ArtifactError::Trailing { extra: 1 }));
    }

    #[test]
    fn foreign_files_are_recognized() {
        let help = "; make one with `danaus compile MODEL.pc -o MODEL.pcb`";
        let cases: [(&[u8], &str); 7] = [
            (b"", "is empty"),
            (b"circuit c { }", "looks like the source text of a circuit"),
            (b"hello", "looks like text"),
            (b"\x93NUMPY\x01\x00", "looks like a NumPy array"),
            (b"\x10\0\0\0\0\0\0\0{\"a\":0}", "looks like a safetensors file with parameters"),
            (b"PK\x03\x04\0\0", "looks like a ZIP or .npz archive"),
            (b"\xff\xfe\x00\x01", "has an unknown format"),
        ];
        for (file, looks) in cases {
            assert_eq!(message(file), format!("not a .pcb artifact: the file {looks}{help}"));
        }
    }

    #[test]
    fn other_versions_are_named() {
        let mut file = join(&sections());
        file[8] = 7;
        assert_eq!(
            message(&file),
            "the artifact has format version 7, this program reads version 2: update Danaus, or compile the circuit again \
             with this version"
        );
        file[8] = 0;
        assert!(message(&file).contains("no longer read"));
    }

    #[test]
    fn hostile_lengths_allocate_nothing() {
        let mut file = join(&sections());
        file[24..32].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(matches!(split(&file), Err(ArtifactError::Truncated { expected: u64::MAX, .. })));
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(split(&bytes).is_err());
            let mut with_magic = MAGIC.to_vec();
            with_magic.extend(VERSION.to_le_bytes());
            with_magic.extend(bytes);
            prop_assert!(split(&with_magic).is_err());
        }
    }
}
