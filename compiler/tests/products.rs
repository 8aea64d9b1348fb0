//! `multiply-circuits` and `lower-monarch` against the reference: a product of circuits is the product of their values.

mod common;

use common::hmm::{Hmm, hmm};
use common::random_circuit::{Recipe, compatible_circuits, recipes};
use common::{config, mismatch, random_rows, value};
use danaus_compiler::circuit::print::print;
use danaus_compiler::circuit::read::read;
use danaus_compiler::circuit::{Circuit, Init, Module, Op, Product, SumKind};
use danaus_compiler::passes::{DumpRequest, PassContext, by_name, run, run_passes};
use danaus_compiler::reference::{ParameterValues, RandomOptions, Row, explicit_marginal, random_values_with};
use proptest::prelude::*;

fn product(circuits: Vec<Circuit>, untied: bool) -> Module {
    Module { circuits, product: Some(Product { name: "product".into(), untied }) }
}

fn after(module: &Module, passes: &[&str]) -> Circuit {
    let passes: Vec<_> = passes.iter().map(|name| *by_name(name).expect("a pass")).collect();
    let outcome = run_passes(&passes, module.clone(), &PassContext::default(), &DumpRequest::default());
    outcome.unwrap_or_else(|error| panic!("{error}")).module.circuits.remove(0)
}

/// The values of factor `index`, whose tensors the product names `index.name`.
fn factor_values(values: &ParameterValues, index: usize) -> ParameterValues {
    let mut own = ParameterValues::new();
    let prefix = format!("{index}.");
    for (name, numbers) in values.iter() {
        if let Some(name) = name.strip_prefix(&prefix) {
            own.insert(name, numbers.to_vec());
        }
    }
    own
}

/// Random values for the product, tensors of the factors that the product does not use included.
fn all_values(product: &Circuit, factors: &[Circuit], seed: u64, zeros: f64) -> ParameterValues {
    let mut values = random_values_with(product, seed, RandomOptions { zeros });
    for (index, factor) in factors.iter().enumerate() {
        for (name, numbers) in random_values_with(factor, seed, RandomOptions { zeros }).iter() {
            let name = format!("{}.{name}", index + 1);
            if values.get(&name).is_none() {
                values.insert(name, numbers.to_vec());
            }
        }
    }
    values
}

fn sums(factors: &[Circuit], values: &ParameterValues, rows: &[Row]) -> Vec<f64> {
    let mut total = vec![0.0; rows.len()];
    for (index, factor) in factors.iter().enumerate() {
        let own = factor_values(values, index + 1);
        total.iter_mut().zip(value(factor, &own, rows)).for_each(|(sum, term)| *sum += term);
    }
    total
}

fn product_is_product(recipe: &Recipe, count: u64) -> Result<(), TestCaseError> {
    let factors = compatible_circuits(recipe, count);
    let module = product(factors.clone(), false);
    prop_assert_eq!(&read(&print(&module)).expect("the text form reads"), &module);
    let multiplied = after(&module, &["multiply-circuits"]);
    let values = all_values(&multiplied, &factors, recipe.seed, if recipe.zeros { 0.3 } else { 0.0 });
    let complete = random_rows(&multiplied, recipe.seed, 5, 0.0);
    let expected = sums(&factors, &values, &complete);
    prop_assert_eq!(mismatch(&value(&multiplied, &values, &complete), &expected, 1e-9), None);

    let partial = random_rows(&multiplied, recipe.seed, 3, 0.4);
    let explicit: Vec<f64> =
        partial.iter().map(|row| explicit_marginal(&multiplied, &values, row).expect("values")).collect();
    prop_assert_eq!(mismatch(&value(&multiplied, &values, &partial), &explicit, 1e-9), None);

    let lowered = after(&module, &["multiply-circuits", "lower-monarch"]);
    let is_high = |op: &Op| matches!(op, Op::Sum(SumKind::Kronecker(_) | SumKind::Monarch { .. }));
    prop_assert!(!lowered.graph.layers().any(|(_, layer)| is_high(&layer.op)));
    prop_assert_eq!(mismatch(&value(&lowered, &values, &complete), &expected, 1e-9), None);
    let all = run(module, &PassContext::default(), &DumpRequest::default()).expect("the passes run").module;
    prop_assert_eq!(mismatch(&value(&all.circuits[0], &values, &partial), &explicit, 1e-9), None);
    prop_assert_eq!(&read(&print(&all)).expect("the text form reads"), &all);
    Ok(())
}

/// An untied product starts as the tied one would with normalized tables.
fn untied_starts_as_tied(recipe: &Recipe, count: u64) -> Result<(), TestCaseError> {
    let factors = compatible_circuits(recipe, count);
    let mut tied = after(&product(factors.clone(), false), &["multiply-circuits"]);
    let untied_module = product(factors.clone(), true);
    let untied = after(&untied_module, &["multiply-circuits"]);
    let values = all_values(&tied, &factors, recipe.seed, 0.0);
    let indicators: Vec<String> = tied
        .parameters
        .iter()
        .filter(|parameter| matches!(parameter.init, Init::Indicator { .. }))
        .map(|parameter| parameter.name.clone())
        .collect();
    for parameter in &mut tied.parameters {
        if let Init::TableProduct { sources, normalize } = &mut parameter.init {
            *normalize = !sources.iter().all(|(name, _)| indicators.contains(name));
        }
    }
    let rows = random_rows(&tied, recipe.seed, 5, 0.3);
    let expected = value(&tied, &values, &rows);
    prop_assert_eq!(mismatch(&value(&untied, &values, &rows), &expected, 1e-9), None);
    let lowered = after(&untied_module, &["multiply-circuits", "lower-monarch", "share", "prune"]);
    prop_assert_eq!(mismatch(&value(&lowered, &values, &rows), &expected, 1e-9), None);
    let no_kronecker = untied.graph.layers().all(|(_, layer)| !matches!(layer.op, Op::Sum(SumKind::Kronecker(_))));
    prop_assert!(no_kronecker);
    Ok(())
}

proptest! {
    #![proptest_config(config(150))]

    #[test]
    fn products_of_two(recipe in recipes()) {
        product_is_product(&recipe, 2)?;
    }

    #[test]
    fn products_of_three(recipe in recipes()) {
        product_is_product(&Recipe { variables: recipe.variables.min(4), width: recipe.width.min(3), ..recipe }, 3)?;
    }

    #[test]
    fn untied_products(recipe in recipes(), count in 2u64..4) {
        let (variables, width) = (recipe.variables.min(5), recipe.width.min(3));
        untied_starts_as_tied(&Recipe { variables, width, ..recipe }, count)?;
    }

    #[test]
    fn products_of_chains(steps in 2usize..8, a in 1usize..5, b in 1usize..5, seed in any::<u64>()) {
        let model = |states| Hmm { steps, states, values: 3, monarch: Vec::new() };
        let factors = vec![hmm(&model(a)), hmm(&model(b))];
        let multiplied = after(&product(factors.clone(), false), &["multiply-circuits", "lower-monarch", "share"]);
        let values = all_values(&multiplied, &factors, seed, 0.0);
        let rows = random_rows(&multiplied, seed, 4, 0.0);
        let expected = sums(&factors, &values, &rows);
        prop_assert_eq!(mismatch(&value(&multiplied, &values, &rows), &expected, 1e-10), None);
    }
}

#[test]
fn a_product_of_long_chains_is_as_long_as_they_are() {
    let model = |states| Hmm { steps: 4096, states, values: 2, monarch: Vec::new() };
    let module = product(vec![hmm(&model(2)), hmm(&model(3))], true);
    let multiplied = after(&module, &["multiply-circuits"]);
    assert_eq!(multiplied.graph.len(), module.circuits[0].graph.len());
    let names: Vec<&str> = multiplied.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
    assert_eq!(names, ["emission", "transition.1", "transition.2", "initial"]);
}
