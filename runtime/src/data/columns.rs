//! The variables of a circuit as columns of data.

use danaus_artifact::signature::{Domain, REAL_MISSING, VariableArray};

/// The columns, array after array, the last axis fastest.
#[derive(Clone, Debug, PartialEq)]
pub struct Columns {
    arrays: Vec<VariableArray>,
    /// The first column of each array.
    firsts: Vec<usize>,
    domains: Vec<Domain>,
}

/// What a file says at one place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell {
    /// No value.
    Missing,
    /// A whole number.
    Whole(i128),
    /// Another finite number.
    Real(f64),
    /// Something else.
    Other,
}

impl Columns {
    /// The columns of a circuit.
    pub fn new(variables: &[VariableArray]) -> Columns {
        let mut columns = Columns { arrays: variables.to_vec(), firsts: Vec::new(), domains: Vec::new() };
        for array in variables {
            columns.firsts.push(columns.domains.len());
            let count: usize = array.shape.iter().product();
            columns.domains.resize(columns.domains.len() + count, array.domain);
        }
        columns
    }

    /// The number of columns.
    pub fn len(&self) -> usize {
        self.domains.len()
    }

    /// Whether the circuit has no variables.
    pub fn is_empty(&self) -> bool {
        self.domains.is_empty()
    }

    /// The domain of a column.
    pub fn domain(&self, column: usize) -> Domain {
        self.domains[column]
    }

    /// The name of a column: `x`, `x[3]`, `p[0, 2]`.
    pub fn name(&self, column: usize) -> String {
        let array = self.firsts.partition_point(|first| *first <= column) - 1;
        let mut rest = column - self.firsts[array];
        let mut indices = Vec::new();
        for size in self.arrays[array].shape.iter().rev() {
            indices.insert(0, (rest % size).to_string());
            rest /= size;
        }
        let name = &self.arrays[array].name;
        if indices.is_empty() { name.clone() } else { format!("{name}[{}]", indices.join(", ")) }
    }

    /// The column of a name.
    pub fn find(&self, name: &str) -> Option<usize> {
        let plain: String = name.chars().filter(|c| !c.is_whitespace()).collect();
        (0..self.len()).find(|&column| self.name(column).replace(' ', "") == plain)
    }

    /// How many numbers say what is believed of a column: the probabilities of its values, or mean and variance.
    pub fn beliefs(&self, column: usize) -> usize {
        if self.is_real(column) { 2 } else { self.missing(column) as usize }
    }

    /// Whether a column is real.
    pub fn is_real(&self, column: usize) -> bool {
        self.domains[column] == Domain::Real
    }

    /// The number of a real column.
    pub fn real(&self, column: usize, index: u32) -> Option<f32> {
        (self.is_real(column) && index != self.missing(column)).then(|| f32::from_bits(index))
    }

    /// The value of an index as text; none if it is missing.
    pub fn show(&self, column: usize, index: u32) -> Option<String> {
        match self.is_real(column) {
            true => self.real(column, index).map(|number| number.to_string()),
            false => self.value(column, index).map(|value| value.to_string()),
        }
    }

    /// The value of an index; none if it is missing or the column is real.
    pub fn value(&self, column: usize, index: u32) -> Option<i64> {
        (!self.is_real(column) && index < self.missing(column)).then(|| self.low(column) + i64::from(index))
    }

    /// The first value of a column.
    pub fn low(&self, column: usize) -> i64 {
        match self.domains[column] {
            Domain::Integer(lo, _) => lo,
            Domain::Categorical(_) | Domain::Binary | Domain::Real => 0,
        }
    }

    /// The domain of a column as it is written, and its values.
    pub fn describe(&self, column: usize) -> String {
        describe(self.domains[column])
    }

    /// The arrays of variables.
    pub fn arrays(&self) -> &[VariableArray] {
        &self.arrays
    }

    /// All columns, for messages: `x[0] to x[255]`.
    pub fn span(&self) -> String {
        match self.len() {
            0 => "none".to_string(),
            1 => format!("`{}`", self.name(0)),
            len => format!("`{}` to `{}`", self.name(0), self.name(len - 1)),
        }
    }

    /// The domain of all columns, if they have the same.
    pub fn uniform(&self) -> Option<Domain> {
        let first = *self.domains.first()?;
        self.domains.iter().all(|domain| *domain == first).then_some(first)
    }

    /// The index that stands for a missing value.
    pub fn missing(&self, column: usize) -> u32 {
        self.domains[column].size() as u32
    }

    /// The index of what a file says; `None` if it is no value of the column.
    pub fn index(&self, column: usize, cell: Cell) -> Option<u32> {
        index(self.domains[column], cell)
    }
}

/// The index of what a file says; `None` if it is no value of the domain. `-1` is missing where it is no value.
pub fn index(domain: Domain, cell: Cell) -> Option<u32> {
    let low = match domain {
        Domain::Integer(lo, _) => lo,
        Domain::Categorical(_) | Domain::Binary => 0,
        Domain::Real => return real(cell),
    };
    let size = domain.size() as i128;
    match cell {
        Cell::Missing => Some(size as u32),
        Cell::Other | Cell::Real(_) => None,
        Cell::Whole(value) => match value - i128::from(low) {
            index if (0..size).contains(&index) => Some(index as u32),
            _ if value == -1 => Some(size as u32),
            _ => None,
        },
    }
}

/// The evidence of a real variable: the bits of the number in single precision.
fn real(cell: Cell) -> Option<u32> {
    let number = match cell {
        Cell::Missing => return Some(REAL_MISSING),
        Cell::Whole(value) => value as f32,
        Cell::Real(value) => value as f32,
        Cell::Other => return None,
    };
    number.is_finite().then(|| number.to_bits())
}

/// A domain as it is written, and its values: `categorical(27), whose values are 0 to 26`.
pub fn describe(domain: Domain) -> String {
    match domain {
        Domain::Categorical(size) => format!("categorical({size}), whose values are 0 to {}", size - 1),
        Domain::Binary => "binary, whose values are 0 and 1".to_string(),
        Domain::Integer(lo, hi) => format!("integer({lo}..{hi}), whose values are {lo} to {}", hi - 1),
        Domain::Real => "real, whose values are numbers in single precision".to_string(),
    }
}
