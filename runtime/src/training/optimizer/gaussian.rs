//! Gaussian units in updates. A row is a mean `m` and a variance `v`; its flows are the sums of `F`, `F z` and `F z^2` with
//! `z = (x - m) / sqrt(v)`, so that the flows of the unit as it is are `[1, 0, 1]` times how often it is used. Masses of that kind are blended
//! like those of any other row, and with the masses `[M0, M1, M2]` the unit becomes the one of the same moments:
//!
//! ```text
//! m' = m + sqrt(v) M1 / M0        v' = max(floor, v (M2 / M0 - (M1 / M0)^2))
//! ```
//!
//! For full-batch expectation-maximization this is the maximum of the expected log-likelihood (R. Redner, H. Walker, "Mixture densities, maximum
//! likelihood and the EM algorithm", 1984). In units of the deviation nothing is lost where means are large and variances small.

use danaus_artifact::signature::{MEANS, VARIANCES};

/// The masses of the unit as it is.
pub const OWN: [f64; 3] = [1.0, 0.0, 1.0];

fn unit(row: &[f32]) -> (f64, f64) {
    (f64::from(row[0]), f64::from(row[1]))
}

/// Replaces a unit by the one with the moments of masses; one without mass stays as it is.
pub fn write(masses: &[f64], row: &mut [f32], floor: f64) {
    let (first, second) = (masses[1] / masses[0], masses[2] / masses[0]);
    let (mean, variance) = unit(row);
    put(row, mean + variance.sqrt() * first, variance * (second - first * first), floor);
}

/// Moves a unit: its mean by so many deviations, the logarithm of its deviation by so much.
pub fn shift(row: &mut [f32], [by_mean, by_deviation]: [f64; 2], floor: f64) {
    let (mean, variance) = unit(row);
    put(
        row,
        mean + variance.sqrt() * by_mean,
        variance * crate::numbers::exp(2.0 * by_deviation.clamp(-10.0, 10.0)),
        floor,
    );
}

fn put(row: &mut [f32], mean: f64, variance: f64, floor: f64) {
    if mean.is_finite() && variance.is_finite() {
        row[0] = mean.clamp(*MEANS.start(), *MEANS.end()) as f32;
        row[1] = variance.max(floor).min(*VARIANCES.end()) as f32;
    }
}

/// Masses as sums of `F`, `F x` and `F x^2`, which mean the same when the unit has changed.
pub fn to_moments(row: &[f32], masses: &mut [f64]) {
    let (mean, variance) = unit(row);
    let [all, first, second] = [masses[0], masses[1] * variance.sqrt(), masses[2] * variance];
    masses.copy_from_slice(&[all, first + all * mean, second + mean * (2.0 * first + all * mean)]);
}

/// The inverse of [`to_moments()`].
pub fn from_moments(row: &[f32], masses: &mut [f64]) {
    let (mean, variance) = unit(row);
    let [all, first, second] = [masses[0], masses[1] - masses[0] * mean, masses[2]];
    let second = (second - mean * (2.0 * first + all * mean)).max(0.0);
    masses.copy_from_slice(&[all, first / variance.sqrt(), second / variance]);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The flows of observations that a unit has for itself.
    fn flows(row: &[f32], numbers: &[f64]) -> [f64; 3] {
        let (mean, variance) = unit(row);
        let mut sums = [0.0; 3];
        for x in numbers {
            let z = (x - mean) / variance.sqrt();
            [1.0, z, z * z].iter().zip(&mut sums).for_each(|(power, sum)| *sum += power);
        }
        sums
    }

    #[test]
    fn a_step_finds_mean_and_variance() {
        // COVERS: training.gaussian
        let mut row = [3.0f32, 0.5];
        write(&flows(&row, &[1000.0, 1002.0, 1004.0]), &mut row, 1e-4);
        assert_eq!(row, [1002.0, 8.0 / 3.0]);
        write(&flows(&row, &[7.0, 7.0]), &mut row, 0.25);
        assert_eq!(row, [7.0, 0.25]);
        write(&OWN, &mut row, 0.25);
        assert_eq!(row, [7.0, 0.25]);
        write(&[0.0; 3], &mut row, 0.25);
        assert_eq!(row, [7.0, 0.25]);
    }

    #[test]
    fn moments_survive_a_change_of_the_unit() {
        let (old, mut new) = ([1.5f32, 0.3], [-2.0f32, 4.0]);
        let mut masses = flows(&old, &[1.0, 2.5, 3.25]);
        to_moments(&old, &mut masses);
        assert!(masses.iter().zip([3.0, 6.75, 1.0 + 6.25 + 10.5625]).all(|(a, b)| (a - b).abs() < 1e-9));
        from_moments(&new, &mut masses);
        assert!(masses.iter().zip(flows(&new, &[1.0, 2.5, 3.25])).all(|(a, b)| (a - b).abs() < 1e-9));
        write(&masses, &mut new, 1e-4);
        assert!((f64::from(new[0]) - 2.25).abs() < 1e-6 && (f64::from(new[1]) - 7.0 / 8.0).abs() < 1e-6);
    }
}
