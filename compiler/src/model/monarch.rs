//! Arithmetic of widths: divisors and factorizations to suggest.

/// Help for factors that do not multiply to `width`: `count` balanced ones, or another width.
pub(super) fn suggestion(width: usize, count: usize) -> String {
    if let Some(factors) = balanced(width, count) {
        let factors: Vec<String> = factors.iter().map(usize::to_string).collect();
        return format!("{width} is the product in `monarch({})`", factors.join(", "));
    }
    let root = ((width as f64).powf(1.0 / count as f64).round() as usize).max(2);
    let nearest = (0..count).try_fold(1_usize, |product, _| product.checked_mul(root));
    match nearest {
        Some(nearest) => format!("{width} has no {count} factors of at least 2; a near width that has is {nearest}"),
        None => format!("{width} has no {count} factors of at least 2; use fewer factors"),
    }
}

/// `count` factors of `width`, each at least 2 and as equal as possible, in ascending order.
fn balanced(width: usize, count: usize) -> Option<Vec<usize>> {
    let mut rest = width;
    let mut factors = Vec::new();
    for left in (1..=count).rev() {
        let target = (rest as f64).powf(1.0 / left as f64);
        let room = |divisor: usize| left == 1 || balanced_room(rest / divisor, left - 1);
        let candidates = divisors(rest).into_iter().filter(|divisor| *divisor >= 2 && room(*divisor));
        let distance = |divisor: &usize| ((*divisor as f64) / target).ln().abs();
        let factor = if left == 1 {
            Some(rest).filter(|rest| *rest >= 2)
        } else {
            candidates.min_by(|a, b| distance(a).total_cmp(&distance(b)))
        }?;
        factors.push(factor);
        rest /= factor;
    }
    factors.sort_unstable();
    Some(factors)
}

/// Whether `rest` has at least `count` prime factors.
fn balanced_room(rest: usize, count: usize) -> bool {
    let (mut rest, mut primes, mut prime) = (rest, 0, 2);
    while prime * prime <= rest && primes < count {
        while rest.is_multiple_of(prime) {
            rest /= prime;
            primes += 1;
        }
        prime += 1;
    }
    primes + usize::from(rest > 1) >= count
}

/// All divisors in ascending order.
fn divisors(number: usize) -> Vec<usize> {
    let small: Vec<usize> = (1..).take_while(|n| n * n <= number).filter(|n| number.is_multiple_of(*n)).collect();
    let large = small.iter().rev().map(|n| number / n).filter(|n| n * n != number);
    small.iter().copied().chain(large).collect()
}

/// The divisor of `number` that is nearest to `wanted` as a ratio.
pub(super) fn nearest_divisor(number: usize, wanted: usize) -> usize {
    let distance = |divisor: &usize| ((*divisor as f64) / wanted as f64).ln().abs();
    divisors(number).into_iter().min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factorizations() {
        assert_eq!(balanced(16384, 2), Some(vec![128, 128]));
        assert_eq!(balanced(1000, 2), Some(vec![25, 40]));
        assert_eq!(balanced(4096, 3), Some(vec![16, 16, 16]));
        assert_eq!(balanced(13, 2), None);
        assert_eq!(balanced(12, 3), Some(vec![2, 2, 3]));
        assert_eq!(suggestion(13, 2), "13 has no 2 factors of at least 2; a near width that has is 16");
        assert_eq!(nearest_divisor(1000, 30), 25);
    }
}
