//! Ranks of measured values.

/// Ranks less their mean; equal values share theirs.
pub fn centred_ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let middle = values.len().saturating_sub(1) as f64 / 2.0;
    let mut start = 0;
    while start < order.len() {
        let same = order[start..].iter().take_while(|&&place| values[place] == values[order[start]]).count();
        let shared = start as f64 + (same - 1) as f64 / 2.0 - middle;
        for &place in &order[start..start + same] {
            ranks[place] = shared;
        }
        start += same;
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_share_their_rank() {
        assert_eq!(centred_ranks(&[5.0, 1.0, 5.0, 9.0]), [0.0, -1.5, 0.0, 1.5]);
    }
}
