//! `exp` and `ln` on vectors of `f32`, made of multiply-adds and integer operations only, so that every
//! runtime keeps them in vector registers.
//!
//! Both follow the textbook scheme: reduce the argument to an interval around zero (`exp`) or one (`ln`) with
//! the help of the exponent field, evaluate a polynomial there, put the exponent back. The polynomials are
//! minimax fits of relative error `9.3e-8` (`exp`, degree 5) and `2.6e-8` (`ln`, degree 9); rounding adds as much.
//!
//! # Design
//!
//! Neither function treats `-inf` or zero specially; their callers do not need it and it would cost a third of the
//! time. Log-sum-exp of a column of `-inf` is `ln(something positive) + high` with `high = -inf`; what `exp` gives
//! too much for an input of `-inf` is below `1.7e-38`, and sums that small are computed again by
//! [`exact`](crate::stage::exact()).

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use cubecl::prelude::*;
pub use danaus_artifact::pack::{EXP_LEAST, ROUND};

/// Bits of 2/3.
const TWO_THIRDS: u32 = 0x3f2a_aaab;

/// Bits of 1 less those of 2/3: adding them puts the mantissas from 2/3 to 4/3 under one exponent, that of 1.
const ONE_BY_TWO_THIRDS: u32 = 0x3f80_0000 - TWO_THIRDS;

/// The greater of two numbers. One instruction where `max` takes three, because it does not look for NaN.
#[cube]
pub fn greater<N: Size>(a: Vector<f32, N>, b: Vector<f32, N>) -> Vector<f32, N> {
    select_many(a.greater_than(&b), a, b)
}

/// The lesser of two numbers; see [`greater()`].
#[cube]
pub fn lesser<N: Size>(a: Vector<f32, N>, b: Vector<f32, N>) -> Vector<f32, N> {
    select_many(a.less_than(&b), a, b)
}

/// `exp(max(x, -87))` for `x <= 0`; `1.6e-38` for `-inf`.
#[cube]
pub fn exp_nonpositive<N: Size>(x: Vector<f32, N>) -> Vector<f32, N> {
    let x = greater::<N>(x, Vector::new(EXP_LEAST));
    let shifted = fma(x, Vector::new(std::f32::consts::LOG2_E), Vector::new(ROUND));
    // The digits of ln 2 that are missing here cost `2e-9` times the number of halvings, of terms that small.
    let r = fma(shifted - Vector::new(ROUND), Vector::new(-std::f32::consts::LN_2), x);
    let p = fma(Vector::<f32, N>::new(0.008_290_142), r, Vector::new(0.041_898_854));
    let p = fma(p, r, Vector::new(0.166_676_44));
    let p = fma(p, r, Vector::new(0.499_991_43));
    let p = fma(p, r, Vector::new(0.999_999_7));
    let p = fma(p, r, Vector::new(1.0));
    let exponent = Vector::<u32, N>::reinterpret(shifted) << Vector::new(23u32);
    Vector::<f32, N>::reinterpret(Vector::<u32, N>::reinterpret(p) + exponent)
}

/// `exp(x)` for `-87 <= x <= 87`; beyond them what it is there.
#[cube]
pub fn exp_bounded<N: Size>(x: Vector<f32, N>) -> Vector<f32, N> {
    exp_nonpositive::<N>(lesser::<N>(x, Vector::new(-EXP_LEAST)))
}

/// `ln(x)` for positive normal `x`; some finite number for zero.
#[cube]
pub fn ln_positive<N: Size>(x: Vector<f32, N>) -> Vector<f32, N> {
    let bits = Vector::<u32, N>::reinterpret(x) + Vector::new(ONE_BY_TWO_THIRDS);
    let biased = Vector::<i32, N>::cast_from(bits >> Vector::new(23u32));
    let exponent = Vector::<f32, N>::cast_from(biased - Vector::new(127i32));
    let mantissa = (bits & Vector::new(0x007f_ffffu32)) + Vector::new(TWO_THIRDS);
    let f = Vector::<f32, N>::reinterpret(mantissa) - Vector::new(1.0);
    let p = fma(Vector::<f32, N>::new(0.140_262_65), f, Vector::new(-0.153_885_73));
    let p = fma(p, f, Vector::new(0.139_958_25));
    let p = fma(p, f, Vector::new(-0.164_159_55));
    let p = fma(p, f, Vector::new(0.200_111_68));
    let p = fma(p, f, Vector::new(-0.250_078_2));
    let p = fma(p, f, Vector::new(0.333_331_98));
    let p = fma(p, f, Vector::new(-0.499_999_36));
    let p = fma(f * f, p, f);
    fma(exponent, Vector::new(std::f32::consts::LN_2), p)
}

/// `x` where it is finite, 0 where it is `-inf`: what to subtract before `exp`, so that a column of `-inf`
/// gives no NaN.
#[cube]
pub fn shift_of<N: Size>(x: Vector<f32, N>) -> Vector<f32, N> {
    select_many(x.equal(&Vector::new(f32::NEG_INFINITY)), Vector::new(0.0), x)
}

/// The least lane.
#[cube]
pub fn least_lane<N: Size>(x: Vector<f32, N>) -> f32 {
    let n = N::value();
    let mut least = x.extract(0usize);
    #[unroll]
    for lane in 1..n {
        least = min(least, x.extract(lane));
    }
    least
}

/// The greatest lane.
#[cube]
pub fn greatest_lane<N: Size>(x: Vector<f32, N>) -> f32 {
    let n = N::value();
    let mut greatest = x.extract(0usize);
    #[unroll]
    for lane in 1..n {
        greatest = max(greatest, x.extract(lane));
    }
    greatest
}

/// The sum of the lanes.
#[cube]
pub fn total<N: Size>(x: Vector<f32, N>) -> f32 {
    let n = N::value();
    let mut sum = x.extract(0usize);
    #[unroll]
    for lane in 1..n {
        sum += x.extract(lane);
    }
    sum
}

/// `2^64`.
const SCALE: f32 = 18_446_744_073_709_551_616.0;

/// The logarithm of a weight: `-inf` for zero, and right for numbers that are not normal too.
#[cube]
pub fn ln_weight(weight: f32) -> f32 {
    let scaled = weight * SCALE;
    let log = ln_positive::<Const<1>>(Vector::new(scaled)).extract(0usize) - 64.0 * std::f32::consts::LN_2;
    select(weight > 0.0, log, f32::NEG_INFINITY)
}
