//! Huffman codes of limited length (RFC 1951 §3.2.2).

/// The longest code of literals, lengths and distances, in bits.
pub const MAX_BITS: usize = 15;

/// A code of up to 288 symbols: for each its bits, reversed so that the first is the lowest, and their number.
#[derive(Debug, Clone)]
pub struct Code<const N: usize> {
    pub bits: [u16; N],
    pub lengths: [u8; N],
}

impl<const N: usize> Code<N> {
    /// The canonical code of these lengths.
    pub fn of_lengths(lengths: [u8; N]) -> Self {
        let mut counts = [0u16; MAX_BITS + 1];
        lengths.iter().for_each(|length| counts[usize::from(*length)] += 1);
        counts[0] = 0;
        let mut next = [0u16; MAX_BITS + 2];
        for length in 1..=MAX_BITS {
            next[length + 1] = (next[length] + counts[length]) << 1;
        }
        let mut bits = [0; N];
        for (bits, &length) in bits.iter_mut().zip(&lengths) {
            if length > 0 {
                *bits = next[usize::from(length)].reverse_bits() >> (16 - length);
                next[usize::from(length)] += 1;
            }
        }
        Code { bits, lengths }
    }

    /// A code that suits these frequencies, in which no symbol takes more than `limit` bits.
    ///
    /// Ties are broken by the symbols' order, so that equal frequencies give equal codes. At least two symbols get a
    /// code, as some decoders refuse a code of fewer.
    pub fn of_frequencies(frequencies: &[u32; N], limit: usize) -> Self {
        Self::of_lengths(lengths(frequencies, limit))
    }

    /// Bits that the symbols take together, without their extra bits.
    pub fn cost(&self, frequencies: &[u32; N]) -> u64 {
        self.lengths.iter().zip(frequencies).map(|(length, count)| u64::from(*length) * u64::from(*count)).sum()
    }
}

fn lengths<const N: usize>(frequencies: &[u32; N], limit: usize) -> [u8; N] {
    let mut lengths = [0; N];
    // Rarest first.
    let mut used: Vec<(u32, usize)> = frequencies
        .iter()
        .enumerate()
        .filter(|(_, count)| **count > 0)
        .map(|(symbol, count)| (*count, symbol))
        .collect();
    used.sort_unstable();
    if used.len() < 2 {
        let only = used.first().map_or(0, |(_, symbol)| *symbol);
        lengths[only] = 1;
        lengths[if only == 0 { 1 } else { 0 }] = 1;
        return lengths;
    }

    // Huffman's algorithm with two queues: the leaves, and the nodes in the order in which they are made.
    let leaves = used.len();
    let mut weights: Vec<u64> = used.iter().map(|(count, _)| u64::from(*count)).collect();
    let mut parents = vec![0; 2 * leaves - 1];
    let (mut leaf, mut node) = (0, leaves);
    while weights.len() < 2 * leaves - 1 {
        let mut weight = 0;
        for _ in 0..2 {
            let lightest = if leaf < leaves && (node >= weights.len() || weights[leaf] <= weights[node]) {
                leaf += 1;
                leaf - 1
            } else {
                node += 1;
                node - 1
            };
            weight += weights[lightest];
            parents[lightest] = weights.len();
        }
        weights.push(weight);
    }

    // Depths from the root down; those beyond the limit are cut, and the sum of 2^-depth is mended by lengthening
    // the deepest codes that are still shorter than the limit.
    let mut depths = vec![0usize; 2 * leaves - 1];
    for index in (0..2 * leaves - 2).rev() {
        depths[index] = depths[parents[index]] + 1;
    }
    let mut counts = [0usize; MAX_BITS + 1];
    depths[..leaves].iter().for_each(|depth| counts[(*depth).min(limit)] += 1);
    let mut total: usize = (1..=limit).map(|length| counts[length] << (limit - length)).sum();
    while total > 1 << limit {
        // One code of the limit joins a shorter one that grows by a bit: the sum falls by one unit.
        let Some(shorter) = (1..limit).rev().find(|length| counts[*length] > 0) else { break };
        counts[shorter] -= 1;
        counts[shorter + 1] += 2;
        counts[limit] -= 1;
        total -= 1;
    }
    // The rarest symbols take the longest codes.
    let mut rarest = used.iter();
    for length in (1..=limit).rev() {
        for (_, symbol) in rarest.by_ref().take(counts[length]) {
            lengths[*symbol] = length as u8;
        }
    }
    lengths
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sum of 2^-length over all codes, in units of 2^-15.
    fn used<const N: usize>(code: &Code<N>) -> u32 {
        code.lengths.iter().filter(|length| **length > 0).map(|length| 1 << (15 - length)).sum()
    }

    #[test]
    fn codes_are_complete_and_within_the_limit_whatever_the_frequencies() {
        // Fibonacci's numbers make the deepest trees.
        let mut fibonacci = [0u32; 40];
        fibonacci[..2].fill(1);
        (2..40).for_each(|index| fibonacci[index] = fibonacci[index - 1] + fibonacci[index - 2]);
        for limit in [7, 15] {
            let code = Code::of_frequencies(&fibonacci, limit);
            assert!(code.lengths.iter().all(|length| (1..=limit).contains(&usize::from(*length))));
            assert_eq!(used(&code), 1 << 15);
        }
        let every = Code::of_frequencies(&[1u32; 128], 7);
        assert_eq!(used(&every), 1 << 15);
    }

    #[test]
    fn one_symbol_or_none_still_makes_a_code_of_two() {
        for (frequencies, symbols) in [([0, 0, 0], [0, 1]), ([5, 0, 0], [0, 1]), ([0, 0, 5], [2, 0])] {
            let code = Code::of_frequencies(&frequencies, 15);
            assert!(symbols.iter().all(|symbol| code.lengths[*symbol] == 1), "{frequencies:?}");
            assert_eq!(used(&code), 1 << 15);
        }
    }

    #[test]
    fn frequent_symbols_have_shorter_codes() {
        let code = Code::of_frequencies(&[1, 100, 3, 50, 0, 7], 15);
        assert!(code.lengths[1] < code.lengths[3] && code.lengths[3] < code.lengths[0]);
        assert_eq!(code.lengths[4], 0);
    }
}
