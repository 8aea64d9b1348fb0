//! The token ids of a text, and the files they are written to.

use crate::files::Bytes;
use npyz::{WriteOptions, WriterBuilder};
use std::io::{self, Write};
use std::str::FromStr;

/// The token ids of a text, in a temporary file that is mapped: little-endian 32-bit numbers.
pub struct Ids {
    /// The numbers.
    pub bytes: Bytes,
    /// If lines were encoded, the byte of `bytes` at which each starts, and the end.
    pub lines: Vec<u64>,
}

/// How ids are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdsFormat {
    /// A NumPy array with one axis, of 16-bit numbers if they are enough.
    Npy,
    /// Little-endian 16-bit numbers.
    U16,
    /// Little-endian 32-bit numbers.
    U32,
    /// A line of numbers for each line of the text.
    Text,
}

impl FromStr for IdsFormat {
    type Err = String;

    /// By the ending of a file's name.
    fn from_str(ending: &str) -> Result<IdsFormat, String> {
        match ending {
            "npy" => Ok(IdsFormat::Npy),
            "u16" => Ok(IdsFormat::U16),
            "u32" => Ok(IdsFormat::U32),
            "txt" => Ok(IdsFormat::Text),
            _ => Err("its name must end with .npy, .u16, .u32 or .txt, which says how they are written".to_string()),
        }
    }
}

impl Ids {
    /// The number of tokens.
    pub fn len(&self) -> usize {
        self.bytes.len() / 4
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Writes the ids, which are smaller than `size`. `U16` holds no more than 65536 of them.
    pub fn write(&self, format: IdsFormat, size: usize, out: &mut dyn Write) -> io::Result<()> {
        match format {
            IdsFormat::U32 => out.write_all(&self.bytes),
            IdsFormat::U16 => numbers(&self.bytes).try_for_each(|id| out.write_all(&(id as u16).to_le_bytes())),
            IdsFormat::Npy if size <= 1 << 16 => self.array(out, |id| id as u16),
            IdsFormat::Npy => self.array(out, |id| id),
            IdsFormat::Text => self.lines.windows(2).try_for_each(|line| {
                let ids: Vec<String> =
                    numbers(&self.bytes[line[0] as usize..line[1] as usize]).map(|id| id.to_string()).collect();
                writeln!(out, "{}", ids.join(" "))
            }),
        }
    }

    fn array<T: npyz::AutoSerialize>(&self, out: &mut dyn Write, as_number: impl Fn(u32) -> T) -> io::Result<()> {
        let mut writer = WriteOptions::new().default_dtype().shape(&[self.len() as u64]).writer(out).begin_nd()?;
        numbers(&self.bytes).try_for_each(|id| writer.push(&as_number(id)))?;
        writer.finish()
    }
}

fn numbers(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.chunks_exact(4).map(|id| u32::from_le_bytes(id.try_into().expect("4 bytes")))
}
