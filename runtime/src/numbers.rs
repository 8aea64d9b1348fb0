//! Logarithm and exponential that give the same bits on every machine. The mathematical library of an
//! operating system may differ from another's in the last bit; these use only operations that IEEE 754 rounds exactly.

use multiversion::multiversion;
use std::f64::consts::{LN_2, LOG2_E, SQRT_2};

/// The low part of the logarithm of 2: `LN_2 + LN_2_LOW` has twice the digits.
const LN_2_LOW: f64 = 2.319_046_813_846_299_6e-17;

/// Added to a number it leaves no digits behind the point.
const NEAREST: f64 = 6_755_399_441_055_744.0;

/// One over the factorials of 0 to 14, so that a series has no division.
const FACTORIALS: [f64; 15] = [
    1.0,
    1.0,
    1.0 / 2.0,
    1.0 / 6.0,
    1.0 / 24.0,
    1.0 / 120.0,
    1.0 / 720.0,
    1.0 / 5_040.0,
    1.0 / 40_320.0,
    1.0 / 362_880.0,
    1.0 / 3_628_800.0,
    1.0 / 39_916_800.0,
    1.0 / 479_001_600.0,
    1.0 / 6_227_020_800.0,
    1.0 / 87_178_291_200.0,
];

/// One over the odd numbers from 3 to 23.
const ODD: [f64; 11] = [
    1.0 / 3.0,
    1.0 / 5.0,
    1.0 / 7.0,
    1.0 / 9.0,
    1.0 / 11.0,
    1.0 / 13.0,
    1.0 / 15.0,
    1.0 / 17.0,
    1.0 / 19.0,
    1.0 / 21.0,
    1.0 / 23.0,
];

/// The natural logarithm, to within two units in the last place; `-inf` at 0.
// Choices rather than branches, and no conversions from integers, so that compilers turn loops over it into vectors.
#[inline(always)]
pub fn ln(x: f64) -> f64 {
    logarithm(x, &ODD)
}

#[inline(always)]
fn logarithm(x: f64, inverses: &[f64]) -> f64 {
    let is_tiny = x < f64::MIN_POSITIVE;
    let bits = (if is_tiny { x * (1u64 << 54) as f64 } else { x }).to_bits();
    let mantissa = f64::from_bits((bits & ((1 << 52) - 1)) | (1023 << 52));
    let is_large = mantissa > SQRT_2;
    let mantissa = if is_large { 0.5 * mantissa } else { mantissa };
    // The bits of 2^52 and a small integer are those of their sum.
    let biased = f64::from_bits((bits >> 52) | (1075 << 52)) - (1u64 << 52) as f64;
    let exponent = biased - (1023.0 - f64::from(u8::from(is_large)) + if is_tiny { 54.0 } else { 0.0 });
    // ln m = 2 artanh(s), s = (m - 1) / (m + 1), |s| < 0.172
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let series = inverses.iter().rev().fold(0.0, |sum, inverse| (sum + inverse) * square);
    let found = exponent * LN_2 + (2.0 * s + (2.0 * s * series + exponent * LN_2_LOW));
    let found = if x == f64::INFINITY { x } else { found };
    let found = if x == 0.0 { f64::NEG_INFINITY } else { found };
    if x >= 0.0 { found } else { f64::NAN }
}

/// The exponential, to within two units in the last place; 0 below -708.
#[inline(always)]
pub fn exp(x: f64) -> f64 {
    power(x, &FACTORIALS)
}

#[inline(always)]
fn power(x: f64, inverses: &[f64]) -> f64 {
    let bounded = if x > -708.0 { x } else { -708.0 };
    let bounded = if bounded < 709.0 { bounded } else { 709.0 };
    // To the nearest whole number: what is left of a number of 52 binary digits before the point.
    let shifted = bounded * LOG2_E + NEAREST;
    let exponent = shifted - NEAREST;
    // The high part has few bits, so that its product with the exponent is exact.
    let high = f64::from_bits(LN_2.to_bits() & !((1 << 21) - 1));
    let r = (bounded - exponent * high) - exponent * (LN_2 - high + LN_2_LOW);
    let series = inverses.iter().rev().fold(0.0, |sum, inverse| sum * r + inverse);
    let found = series * f64::from_bits((shifted.to_bits() << 52).wrapping_add(1.0f64.to_bits()));
    let found = if x > 709.0 { f64::INFINITY } else { found };
    let found = if x < -708.0 { 0.0 } else { found };
    if x.is_nan() { x } else { found }
}

/// The exponentials of numbers, to within a part of `1e-11`, which is more than single precision keeps; in vectors as wide as the machine has.
///
/// # Panics
/// If the results are not as many.
#[multiversion(targets = "simd")]
pub fn exp_all(numbers: &[f32], results: &mut [f64]) {
    assert_eq!(numbers.len(), results.len(), "there is a result for each number");
    results.iter_mut().zip(numbers).for_each(|(result, &number)| *result = power(f64::from(number), &FACTORIALS[..10]));
}

/// The logarithms of numbers over their `total`, in single precision; in vectors as wide as the machine has.
///
/// # Panics
/// If the results are not as many.
#[multiversion(targets = "simd")]
pub fn ln_shares(numbers: &[f64], total: f64, results: &mut [f32]) {
    assert_eq!(numbers.len(), results.len(), "there is a result for each number");
    results.iter_mut().zip(numbers).for_each(|(result, &number)| *result = logarithm(number / total, &ODD[..6]) as f32);
}

/// Numbers times `kept`, and others times `scale` with `more` added to each.
///
/// # Panics
/// If there are not as many of both.
#[multiversion(targets = "simd")]
pub fn blend(numbers: &mut [f64], kept: f64, others: &[f64], more: f64, scale: f64) {
    assert_eq!(numbers.len(), others.len(), "numbers are paired");
    numbers.iter_mut().zip(others).for_each(|(number, other)| *number = kept * *number + scale * (other + more));
}

/// Numbers over their `total`, in single precision.
///
/// # Panics
/// If the results are not as many.
#[multiversion(targets = "simd")]
pub fn shares(numbers: &[f64], total: f64, results: &mut [f32]) {
    assert_eq!(numbers.len(), results.len(), "there is a result for each number");
    results.iter_mut().zip(numbers).for_each(|(result, &number)| *result = (number / total) as f32);
}

/// The sum of numbers that are not negative, and not a number if one is. In an order of its own that is the same on every machine: sixteen
/// sums side by side.
#[multiversion(targets = "simd")]
pub fn sum(numbers: &[f64]) -> f64 {
    let checked = |number: f64| if number >= 0.0 { number } else { f64::NAN };
    let parts = numbers.chunks_exact(16);
    let rest: f64 = parts.remainder().iter().map(|&number| checked(number)).sum();
    let mut sums = [0.0; 16];
    parts.for_each(|part| sums.iter_mut().zip(part).for_each(|(sum, &number)| *sum += checked(number)));
    sums.iter().sum::<f64>() + rest
}

/// `log(sum(exp(x)))`; `-inf` when all are.
pub fn log_sum_exp(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let max = values.clone().fold(f64::NEG_INFINITY, f64::max);
    if max == f64::NEG_INFINITY {
        return max;
    }
    max + ln(values.map(|value| exp(value - max)).sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn close(a: f64, b: f64) -> bool {
        a == b || (a - b).abs() <= 4.0 * f64::EPSILON * b.abs().max(f64::MIN_POSITIVE)
    }

    #[test]
    fn edges() {
        assert_eq!([ln(0.0), ln(1.0), ln(f64::INFINITY)], [f64::NEG_INFINITY, 0.0, f64::INFINITY]);
        assert!(ln(-1.0).is_nan() && ln(f64::NAN).is_nan());
        assert!(close(ln(5e-324), 5e-324f64.ln()));
        assert_eq!([exp(0.0), exp(f64::NEG_INFINITY), exp(800.0)], [1.0, 0.0, f64::INFINITY]);
        assert!(exp(f64::NAN).is_nan() && exp(-708.5) == 0.0 && exp(709.0) < f64::INFINITY);
        assert_eq!(log_sum_exp([f64::NEG_INFINITY; 2].into_iter()), f64::NEG_INFINITY);
    }

    #[test]
    fn vectors_are_as_good_as_single_precision() {
        let numbers: Vec<f32> = (0..1000).map(|i| (i as f32 - 900.0) * 0.83).collect();
        let (mut powers, mut logs) = (vec![0.0; 1000], vec![0.0; 1000]);
        exp_all(&numbers, &mut powers);
        ln_shares(&powers, 3.0, &mut logs);
        for ((number, power), log) in numbers.iter().zip(&powers).zip(&logs) {
            let exact = f64::from(*number).exp();
            // What is less than normal numbers is zero.
            let close = (power - exact).abs() <= 1e-11 * exact || (*power == 0.0 && exact < f64::MIN_POSITIVE);
            assert!(close, "exp {number}: {power} {exact}");
            let exact = (power / 3.0).ln() as f32;
            assert!(*log == exact || (log - exact).abs() <= f32::EPSILON * exact.abs(), "ln {power}: {log} {exact}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_library(x in 1e-300f64..1e300, near in 0.5f64..2.0, y in -700.0f64..700.0) {
            prop_assert!(close(ln(x), x.ln()), "ln {x}: {} {}", ln(x), x.ln());
            prop_assert!(close(ln(near), near.ln()), "ln {near}: {} {}", ln(near), near.ln());
            prop_assert!(close(exp(y), y.exp()), "exp {y}: {} {}", exp(y), y.exp());
        }
    }
}
