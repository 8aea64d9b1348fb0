//! Logarithm and exponential that give the same bits on every machine. The mathematical library of an
//! operating system may differ from another's in the last bit; these use only operations that IEEE 754 rounds exactly.

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

/// The natural logarithm, to within two units in the last place; `-inf` at 0.
pub fn ln(x: f64) -> f64 {
    if x <= 0.0 || !x.is_finite() {
        return if x == 0.0 {
            f64::NEG_INFINITY
        } else if x == f64::INFINITY {
            x
        } else {
            f64::NAN
        };
    }
    let (x, shift) = if x < f64::MIN_POSITIVE { (x * (1u64 << 54) as f64, 54) } else { (x, 0) };
    let bits = x.to_bits();
    let mut exponent = (bits >> 52) as i64 - 1023;
    let mut mantissa = f64::from_bits((bits & ((1 << 52) - 1)) | (1023 << 52));
    if mantissa > SQRT_2 {
        mantissa *= 0.5;
        exponent += 1;
    }
    // ln m = 2 artanh(s), s = (m - 1) / (m + 1), |s| < 0.172
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let series = (1..=11).rev().fold(0.0, |sum, k| (sum + 1.0 / f64::from(2 * k + 1)) * square);
    let exponent = (exponent - shift) as f64;
    exponent * LN_2 + (2.0 * s + (2.0 * s * series + exponent * LN_2_LOW))
}

/// The exponential, to within two units in the last place.
pub fn exp(x: f64) -> f64 {
    if x.is_nan() || x > 709.0 {
        return if x.is_nan() { x } else { f64::INFINITY };
    }
    if x < -708.0 {
        return 0.0;
    }
    // To the nearest whole number: what is left of a number of 52 binary digits before the point.
    let exponent = (x * LOG2_E + NEAREST) - NEAREST;
    // The high part has few bits, so that its product with the exponent is exact.
    let high = f64::from_bits(LN_2.to_bits() & !((1 << 21) - 1));
    let r = (x - exponent * high) - exponent * (LN_2 - high + LN_2_LOW);
    let series = FACTORIALS.iter().rev().fold(0.0, |sum, inverse| sum * r + inverse);
    series * f64::from_bits(((exponent as i64 + 1023) as u64) << 52)
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
        assert_eq!(log_sum_exp([f64::NEG_INFINITY; 2].into_iter()), f64::NEG_INFINITY);
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
