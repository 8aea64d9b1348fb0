//! Variables and assignments as the command line names them: `x[3]`, `rain=1`.

use crate::failure::Failure;
use danaus_runtime::data::{Cell, Columns};

/// A variable, and its value if one is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// What stands after `=`.
    pub value: Option<String>,
}

impl std::str::FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Named, String> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.trim().to_string())),
            None => (text, None),
        };
        if name.trim().is_empty() || value.as_ref().is_some_and(String::is_empty) {
            return Err("expected a variable, as in x[3], or a variable and its value, as in x[3]=1".to_string());
        }
        Ok(Named { name: name.trim().to_string(), value })
    }
}

impl Named {
    /// The variable.
    pub fn column(&self, columns: &Columns) -> Result<usize, Failure> {
        columns.find(&self.name).ok_or_else(|| {
            let (name, span) = (&self.name, columns.span());
            Failure::usage(format!("there is no variable `{name}`; the variables of the circuit are {span}"))
        })
    }

    /// The variable and the index of its value; none if no value is given.
    pub fn resolve(&self, columns: &Columns) -> Result<(usize, Option<u32>), Failure> {
        let column = self.column(columns)?;
        let Some(text) = &self.value else { return Ok((column, None)) };
        let whole = text.parse().map(|value: i64| Cell::Whole(value.into()));
        let cell = whole.ok().or_else(|| text.parse().map(Cell::Real).ok());
        let index = cell.and_then(|cell| columns.index(column, cell));
        match index.filter(|&index| index != columns.missing(column)) {
            Some(index) => Ok((column, Some(index))),
            None => Err(Failure::usage(format!(
                "`{text}` is no value of `{}`, which is {}",
                columns.name(column),
                columns.describe(column)
            ))),
        }
    }
}

/// The variables that are asked about; all if none is named.
pub fn selected(names: &[String], columns: &Columns) -> Result<Vec<usize>, Failure> {
    if names.is_empty() {
        return Ok((0..columns.len()).collect());
    }
    names.iter().map(|name| Named { name: name.clone(), value: None }.column(columns)).collect()
}
