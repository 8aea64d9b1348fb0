//! The families of tables by their definitions, and the member that fits best: by search, not by formulas of derivatives.

use crate::circuit::Family;

/// The least `q` and `1 - q` of a binomial member.
const LEAST: f64 = 1e-6;

/// The largest inverse scale of a logistic member.
const STEEPEST: f64 = 10.0;

/// The probabilities of the member of a family that gives counts the largest log-likelihood.
pub fn fitted(family: Family, counts: &[f64]) -> Vec<f64> {
    let last = (counts.len() - 1) as f64;
    let score = |member: &[f64]| -> f64 {
        counts.iter().zip(member).filter(|(count, _)| **count > 0.0).map(|(count, p)| count * p.ln()).sum()
    };
    match family {
        Family::Binomial => {
            let total: f64 = counts.iter().sum();
            let mean: f64 = counts.iter().enumerate().map(|(value, count)| value as f64 * count).sum::<f64>() / total;
            binomial((mean / last).clamp(LEAST, 1.0 - LEAST), counts.len())
        }
        Family::Logistic => {
            // The log-likelihood is concave in both numbers together, and so is its maximum over one of them in the other.
            let flattest = 0.1 / counts.len() as f64;
            let place = |beta: f64| best(0.0, beta * last, |alpha| score(&logistic(alpha, beta, counts.len())));
            let beta = best(flattest, STEEPEST, |beta| score(&logistic(place(beta), beta, counts.len())));
            logistic(place(beta), beta, counts.len())
        }
    }
}

/// The probabilities of a member whose middle is at `place`, from 0 to 1, among the values.
pub fn member(family: Family, place: f64, values: usize) -> Vec<f64> {
    match family {
        Family::Binomial => binomial(place.clamp(0.01, 0.99), values),
        Family::Logistic => {
            let beta = 4.0 / values as f64;
            logistic(beta * place * (values - 1) as f64, beta, values)
        }
    }
}

fn binomial(q: f64, values: usize) -> Vec<f64> {
    let trials = values - 1;
    let choices = |v: usize| (1..=v).map(|i| ((trials - v + i) as f64 / i as f64).ln()).sum::<f64>();
    let log = |v: usize| choices(v) + v as f64 * q.ln() + (trials - v) as f64 * (1.0 - q).ln();
    (0..values).map(|v| log(v).exp()).collect()
}

fn logistic(alpha: f64, beta: f64, values: usize) -> Vec<f64> {
    let below = |v: usize| 1.0 / (1.0 + (alpha - beta * (v as f64 - 0.5)).exp());
    let above = |v: usize| 1.0 / (1.0 + (beta * (v as f64 - 0.5) - alpha).exp());
    // The difference of two numbers near 1 is that of their distances from 1.
    let between = |v: usize| match (v, v + 1) {
        (0, 1) => below(1),
        (v, next) if next == values => above(v),
        (v, next) if below(v) > 0.5 => above(v) - above(next),
        (v, next) => below(next) - below(v),
    };
    (0..values).map(between).collect()
}

/// Where a concave function is largest between two numbers, by golden sections.
fn best(mut low: f64, mut high: f64, score: impl Fn(f64) -> f64) -> f64 {
    let ratio = (5.0_f64.sqrt() - 1.0) / 2.0;
    for _ in 0..90 {
        let (left, right) = (high - ratio * (high - low), low + ratio * (high - low));
        if score(left) < score(right) { low = left } else { high = right }
    }
    (low + high) / 2.0
}
