//! `exp` and `ln` on vectors of `f32`, made of multiply-adds and integer operations only, so that every
//! runtime keeps them in vector registers.
//!
//! Both follow the textbook scheme: reduce the argument to an interval around zero (`exp`) or one (`ln`) with
//! the help of the exponent field, evaluate a polynomial there, put the exponent back. The polynomials are
//! minimax fits of relative error `3.1e-9` (`exp`, degree 6) and `5.8e-9` (`ln`, degree 10), so what is left
//! is the rounding of single precision, about `1e-7`.

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use cubecl::prelude::*;

/// `1.5 * 2^23`: adding it rounds to the nearest integer and leaves that integer in the low bits.
const ROUND: f32 = 12_582_912.0;

/// Below it `exp` gives 0: the result would not be a normal number.
pub const EXP_FLUSH: f32 = -87.0;

/// `ln 2` in two parts: the first has few enough digits for exact products with small integers.
const LN2_HIGH: f32 = 0.693_359_4;
const LN2_LOW: f32 = -2.121_944_4e-4;

const SQRT_2: f32 = std::f32::consts::SQRT_2;

/// `exp(x)` for `x <= 0`. Zero for `-inf` and for everything below [`EXP_FLUSH`]; the error by that is at most
/// `1.7e-38`.
#[cube]
pub fn exp_nonpositive<N: Size>(x: Vector<f32, N>) -> Vector<f32, N> {
    let low = Vector::<f32, N>::new(EXP_FLUSH);
    let x0 = max(x, low);
    let shifted = fma(x0, Vector::new(std::f32::consts::LOG2_E), Vector::new(ROUND));
    let k = shifted - Vector::new(ROUND);
    let r = fma(k, Vector::new(-LN2_HIGH), x0);
    let r = fma(k, Vector::new(-LN2_LOW), r);
    let p = fma(Vector::<f32, N>::new(0.001_381_431_9), r, Vector::new(0.008_368_852));
    let p = fma(p, r, Vector::new(0.041_668_4));
    let p = fma(p, r, Vector::new(0.166_665_2));
    let p = fma(p, r, Vector::new(0.499_999_93));
    let p = fma(p, r, Vector::new(1.0));
    let p = fma(p, r, Vector::new(1.0));
    let exponent = Vector::<u32, N>::reinterpret(shifted) << Vector::new(23u32);
    let scaled = Vector::<f32, N>::reinterpret(Vector::<u32, N>::reinterpret(p) + exponent);
    select_many(x.less_than(&low), Vector::new(0.0), scaled)
}

/// `ln(x)` for zero (`-inf`) and positive normal `x`.
#[cube]
pub fn ln_nonnegative<N: Size>(x: Vector<f32, N>) -> Vector<f32, N> {
    let bits = Vector::<u32, N>::reinterpret(x);
    let biased = Vector::<i32, N>::cast_from(bits >> Vector::new(23u32)) - Vector::new(127i32);
    let mantissa = Vector::<f32, N>::reinterpret((bits & Vector::new(0x007f_ffffu32)) | Vector::new(0x3f80_0000u32));
    let large = mantissa.greater_than(&Vector::new(SQRT_2));
    let exponent = Vector::<f32, N>::cast_from(biased);
    let exponent = select_many(large, exponent + Vector::new(1.0), exponent);
    let f = select_many(large, mantissa * Vector::new(0.5), mantissa) - Vector::new(1.0);
    let square = f * f;
    let p = fma(Vector::<f32, N>::new(-0.076_344_38), f, Vector::new(0.127_615_63));
    let p = fma(p, f, Vector::new(-0.131_601_98));
    let p = fma(p, f, Vector::new(0.142_017_61));
    let p = fma(p, f, Vector::new(-0.166_233_56));
    let p = fma(p, f, Vector::new(0.200_012_27));
    let p = fma(p, f, Vector::new(-0.250_008_2));
    let p = fma(p, f, Vector::new(0.333_333_32));
    let tail = fma(square, Vector::new(-0.5), square * f * p);
    let low = fma(exponent, Vector::new(LN2_LOW), tail);
    let value = fma(exponent, Vector::new(LN2_HIGH), f + low);
    select_many(x.equal(&Vector::new(0.0)), Vector::new(f32::NEG_INFINITY), value)
}

/// `x` where it is finite, 0 where it is `-inf`: what to subtract before `exp`, so that a column of `-inf`
/// gives `-inf` and no NaN.
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
