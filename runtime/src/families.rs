//! Tables of families of distributions with one or two numbers: of all distributions over the values of a variable these are
//! some, and a table stays one of them when it is learnt.
//!
//! Over the values `0 .. n`, `n` of them at least 2:
//!
//! * binomial: `p(v) = C(n - 1, v) q^v (1 - q)^(n - 1 - v)`, with `q` from [`LEAST`] to `1 - LEAST`
//! * logistic, made discrete: with `s` the logistic function, `p(v) = s(b(v)) - s(a(v))` where `a(v) = beta (v - 1/2) - alpha` and
//!   `b(v) = beta (v + 1/2) - alpha`; all below the first and above the last value belongs to these. `beta`, one over the scale, lies
//!   between `1 / (10 n)` and [`STEEPEST`], and the middle `alpha / beta` between the first value and the last
//!
//! [`fit`] gives the member with the largest `sum of m(v) ln p(v)`, the maximum-likelihood estimate for observations counted by
//! `m`. For the logistic family this is concave in `(alpha, beta)` (J. Pratt, "Concavity of the log likelihood", 1981): since
//! `ln (s(b) - s(a)) = ln s(b) + ln s(-a) + ln (1 - exp(a - b))` and `b - a = beta`, Newton's steps, halved until they do not lose, find the
//! maximum if it is inside of the region of the two numbers, a quadrilateral; else it is on one of its sides.

use crate::numbers::{exp, ln};
use danaus_artifact::signature::Family;

/// The least probability of the binomial family, of 1 and of 0.
pub const LEAST: f64 = 1e-6;

/// The largest inverse scale of the logistic family.
pub const STEEPEST: f64 = 10.0;

/// Newton's steps at most; few are needed.
const STEPS: usize = 40;

/// Where a step promises less than this part of the masses the maximum is reached.
const TOLERANCE: f64 = 1e-13;

/// The logarithms of the member of a family that fits masses best, of which one is positive. Writes them over the masses.
pub fn fit(family: Family, masses: &mut [f64]) {
    match family {
        Family::Binomial => {
            let total: f64 = masses.iter().sum();
            let mean = masses.iter().enumerate().map(|(value, mass)| value as f64 * mass).sum::<f64>() / total;
            binomial(mean / (masses.len() - 1) as f64, masses);
        }
        Family::Logistic => {
            let (alpha, beta) = fit_logistic(masses);
            logistic(alpha, beta, masses);
        }
    }
}

/// A member of a family from two numbers between 0 and 1: somewhere among the values, neither flat nor steep.
pub fn member(family: Family, place: f64, spread: f64, logarithms: &mut [f64]) {
    let last = (logarithms.len() - 1) as f64;
    match family {
        Family::Binomial => binomial(place, logarithms),
        Family::Logistic => {
            let beta = (1.0 / ((0.02 + 0.08 * spread) * (last + 1.0))).min(STEEPEST);
            logistic(beta * place * last, beta, logarithms);
        }
    }
}

fn binomial(q: f64, logarithms: &mut [f64]) {
    let q = q.clamp(LEAST, 1.0 - LEAST);
    let trials = logarithms.len() - 1;
    let mut choices = 0.0;
    for value in 0..=trials {
        if value > 0 {
            choices += ln((trials - value + 1) as f64) - ln(value as f64);
        }
        logarithms[value] = choices + value as f64 * ln(q) + (trials - value) as f64 * ln(1.0 - q);
    }
}

fn logistic(alpha: f64, beta: f64, logarithms: &mut [f64]) {
    let last = logarithms.len() - 1;
    let inner = ln(1.0 - exp(-beta));
    for value in 0..=last {
        let above = beta * (value as f64 + 0.5) - alpha;
        let mut log = if value < last { log_logistic(above) } else { 0.0 };
        if value > 0 {
            log += log_logistic(beta - above);
        }
        logarithms[value] = if value > 0 && value < last { log + inner } else { log };
    }
}

/// `ln(1 / (1 + exp(-x)))`
fn log_logistic(x: f64) -> f64 {
    x.min(0.0) - ln(1.0 + exp(-x.abs()))
}

/// The value, the gradient and the negative second derivatives of the sum that is maximized.
struct Local {
    value: f64,
    gradient: [f64; 2],
    curvature: [f64; 3],
}

fn local(alpha: f64, beta: f64, masses: &[f64]) -> Local {
    let last = masses.len() - 1;
    let (mut value, mut gradient, mut curvature) = (0.0, [0.0; 2], [0.0; 3]);
    let mut add = |mass: f64, place: f64, sign: f64| {
        // The logarithm of the logistic function of sign * (beta * place - alpha).
        let x = sign * (beta * place - alpha);
        value += mass * log_logistic(x);
        let rest = exp(log_logistic(-x));
        gradient[0] -= mass * sign * rest;
        gradient[1] += mass * sign * rest * place;
        let bend = mass * rest * (1.0 - rest);
        curvature[0] += bend;
        curvature[1] -= bend * place;
        curvature[2] += bend * place * place;
    };
    let mut inner = 0.0;
    for (position, mass) in masses.iter().enumerate().filter(|(_, mass)| **mass > 0.0) {
        if position < last {
            add(*mass, position as f64 + 0.5, 1.0);
        }
        if position > 0 {
            add(*mass, position as f64 - 0.5, -1.0);
        }
        inner += if position > 0 && position < last { *mass } else { 0.0 };
    }
    let growth = exp(beta) - 1.0;
    value += inner * ln(1.0 - exp(-beta));
    gradient[1] += inner / growth;
    curvature[2] += inner * (growth + 1.0) / (growth * growth);
    Local { value, gradient, curvature }
}

fn fit_logistic(masses: &[f64]) -> (f64, f64) {
    let total: f64 = masses.iter().sum();
    let moment = |power: i32| {
        masses.iter().enumerate().map(|(value, mass)| (value as f64).powi(power) * mass).sum::<f64>() / total
    };
    let (mean, last, flattest) = (moment(1), (masses.len() - 1) as f64, 0.1 / masses.len() as f64);
    let deviation = (moment(2) - mean * mean).max(0.0).sqrt();
    let beta = (std::f64::consts::PI / (3.0f64.sqrt() * deviation.max(1e-3))).clamp(flattest, STEEPEST);
    if let Some((alpha, beta)) = newton(masses, total, (beta * mean, beta))
        && (flattest..=STEEPEST).contains(&beta)
        && (0.0..=beta * last).contains(&alpha)
    {
        return (alpha, beta);
    }
    // The maximum is not inside: by concavity it is on one of the four sides.
    let corners = [(0.0, flattest), (0.0, STEEPEST), (STEEPEST * last, STEEPEST), (flattest * last, flattest)];
    let sides = (0..4).map(|side| on_side(masses, corners[side], corners[(side + 1) % 4]));
    let value = |point: &(f64, f64)| local(point.0, point.1, masses).value;
    sides.max_by(|a, b| value(a).total_cmp(&value(b))).expect("there are four sides")
}

/// The maximum over all places and positive inverse scales, if there is one and Newton's steps find it.
fn newton(masses: &[f64], total: f64, (mut alpha, mut beta): (f64, f64)) -> Option<(f64, f64)> {
    let mut here = local(alpha, beta, masses);
    for _ in 0..STEPS {
        let ([a, b, c], [along_alpha, along_beta]) = (here.curvature, here.gradient);
        let determinant = a * c - b * b;
        if !(determinant > 1e-14 * total * total) {
            return None;
        }
        let step = [(c * along_alpha - b * along_beta) / determinant, (a * along_beta - b * along_alpha) / determinant];
        if step[0] * along_alpha + step[1] * along_beta < TOLERANCE * total {
            return Some((alpha, beta));
        }
        let sizes = (0..30).map(|halvings| 0.5f64.powi(halvings));
        let points = sizes.map(|size| (alpha + size * step[0], beta + size * step[1]));
        let mut points = points.filter(|point| point.1 > 0.1 * beta);
        let (next_alpha, next_beta, next) = points.find_map(|(alpha, beta)| {
            let next = local(alpha, beta, masses);
            (next.value >= here.value).then_some((alpha, beta, next))
        })?;
        (alpha, beta, here) = (next_alpha, next_beta, next);
    }
    None
}

/// The maximum between two points, by halving where the derivative changes its sign.
fn on_side(masses: &[f64], from: (f64, f64), to: (f64, f64)) -> (f64, f64) {
    let point = |part: f64| (from.0 + part * (to.0 - from.0), from.1 + part * (to.1 - from.1));
    let slope = |part: f64| {
        let (alpha, beta) = point(part);
        let gradient = local(alpha, beta, masses).gradient;
        gradient[0] * (to.0 - from.0) + gradient[1] * (to.1 - from.1)
    };
    if slope(0.0) <= 0.0 {
        return from;
    }
    if slope(1.0) >= 0.0 {
        return to;
    }
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if slope(middle) > 0.0 { low = middle } else { high = middle }
    }
    point((low + high) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(masses: &[f64], logarithms: &[f64]) -> f64 {
        masses.iter().zip(logarithms).map(|(mass, log)| if *mass > 0.0 { mass * log } else { 0.0 }).sum()
    }

    fn masses(count: usize, seed: u64) -> Vec<f64> {
        let bits = |v: usize| {
            (seed ^ (v as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_mul(0xd134_2543_de82_ef95) >> 40
        };
        (0..count).map(|v| if bits(v) % 4 == 0 { 0.0 } else { bits(v) as f64 / (1 << 24) as f64 }).collect()
    }

    #[test]
    fn members_are_distributions() {
        for family in [Family::Binomial, Family::Logistic] {
            for count in [2, 3, 17, 256] {
                for (place, spread) in [(0.0, 0.0), (0.3, 0.5), (1.0, 1.0)] {
                    let mut logs = vec![0.0; count];
                    member(family, place, spread, &mut logs);
                    assert!((logs.iter().map(|log| log.exp()).sum::<f64>() - 1.0).abs() < 1e-9, "{family:?} {count}");
                }
            }
        }
    }

    #[test]
    fn a_member_is_fitted_by_itself() {
        for family in [Family::Binomial, Family::Logistic] {
            for (place, spread) in [(0.2, 0.1), (0.5, 1.0), (0.9, 0.7)] {
                let mut logs = vec![0.0; 31];
                member(family, place, spread, &mut logs);
                let mut found: Vec<f64> = logs.iter().map(|log| 7.0 * log.exp()).collect();
                fit(family, &mut found);
                assert!(found.iter().zip(&logs).all(|(a, b)| (a - b).abs() < 1e-5 * b.abs().max(1.0)), "{family:?}");
            }
        }
    }

    /// No member nearby is better, whatever the masses are.
    #[test]
    fn what_is_fitted_is_best() {
        for seed in 0..200 {
            let masses = masses(2 + (seed as usize * 7) % 40, seed);
            if masses.iter().sum::<f64>() == 0.0 {
                continue;
            }
            let (alpha, beta) = fit_logistic(&masses);
            let mut logs = vec![0.0; masses.len()];
            let mut value = |alpha: f64, beta: f64| {
                let beta = beta.clamp(0.1 / masses.len() as f64, STEEPEST);
                logistic(alpha.clamp(0.0, beta * (masses.len() - 1) as f64), beta, &mut logs);
                score(&masses, &logs)
            };
            let best = value(alpha, beta);
            assert!(best.is_finite());
            for (da, db) in [
                (1e-3, 0.0),
                (-1e-3, 0.0),
                (0.0, 1e-3),
                (0.0, -1e-3),
                (1e-2, 1e-3),
                (-1e-2, -1e-3),
                (0.1, 0.01),
                (-0.1, -0.01),
            ] {
                assert!(value(alpha + da, beta + db) <= best + 1e-9, "{seed}: {alpha} {beta} + {da} {db}");
            }
        }
    }

    #[test]
    fn single_values_stay_possible_elsewhere() {
        for family in [Family::Binomial, Family::Logistic] {
            for value in [0, 3, 9] {
                let mut masses = vec![0.0; 10];
                masses[value] = 5.0;
                fit(family, &mut masses);
                assert!(masses.iter().all(|log| log.is_finite()), "{family:?} {value} {masses:?}");
                assert!(family == Family::Binomial || masses[value] > -0.2, "{family:?} {value} {masses:?}");
            }
        }
    }
}
