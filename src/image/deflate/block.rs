//! One compressed block: the cheapest of the three kinds (RFC 1951 §3.2.3).

use super::bits::BitWriter;
use super::huffman::Code;
use super::tokens::{END_OF_BLOCK, Token};

/// Symbols of the code for literals and lengths; the last two never occur.
const LITERALS: usize = 288;

/// Symbols of the code for distances; the last two never occur.
const DISTANCES: usize = 32;

/// The order in which the lengths of the code-length code are written.
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// Extra bits of the code-length symbols 16, 17 and 18.
const REPEAT_BITS: [u32; 3] = [2, 3, 7];

/// Blocks of fewer tokens are not worth the description of a code of their own.
const WORTH_A_CODE: usize = 96;

/// What a block costs at least beside a stored one of the same bytes: the stored data around it is cut in two, which
/// takes another header.
const CUT_BITS: u64 = 40;

/// Chooses and writes blocks.
#[derive(Debug)]
pub struct BlockWriter {
    fixed_literals: Code<LITERALS>,
    fixed_distances: Code<DISTANCES>,
}

/// How a block is best written.
#[derive(Debug)]
pub enum Choice {
    /// As the bytes themselves.
    Stored,
    /// With the codes that every decoder knows.
    Fixed,
    /// With codes of its own.
    Dynamic(Box<Dynamic>),
}

/// The codes of a block, and their description.
#[derive(Debug)]
pub struct Dynamic {
    literals: Code<LITERALS>,
    distances: Code<DISTANCES>,
    lengths: Code<19>,
    /// Code-length symbols with their extra bits.
    description: Vec<(u8, u8)>,
    literal_count: usize,
    distance_count: usize,
    length_count: usize,
}

impl BlockWriter {
    pub fn new() -> Self {
        let mut literals = [8; LITERALS];
        literals[144..256].fill(9);
        literals[256..280].fill(7);
        BlockWriter { fixed_literals: Code::of_lengths(literals), fixed_distances: Code::of_lengths([5; DISTANCES]) }
    }

    /// The cheapest way to write tokens that stand for `size` bytes.
    pub fn choose(&self, tokens: &[Token], size: usize) -> Choice {
        let fixed = self.fixed_bits(tokens);
        let (choice, bits) = if tokens.len() < WORTH_A_CODE {
            (Choice::Fixed, fixed)
        } else {
            let (own, dynamic) = Dynamic::new(tokens);
            if dynamic < fixed { (Choice::Dynamic(Box::new(own)), dynamic) } else { (Choice::Fixed, fixed) }
        };
        if bits + 3 + CUT_BITS < 8 * size as u64 { choice } else { Choice::Stored }
    }

    /// Bits of a block with fixed codes, its kind not counted.
    fn fixed_bits(&self, tokens: &[Token]) -> u64 {
        let bits = |token: &Token| {
            let literal = token.literal_or_length();
            let length = u64::from(self.fixed_literals.lengths[literal.symbol]) + u64::from(literal.extra_bits);
            length + token.distance().map_or(0, |distance| 5 + u64::from(distance.extra_bits))
        };
        tokens.iter().map(bits).sum::<u64>() + u64::from(self.fixed_literals.lengths[END_OF_BLOCK])
    }

    /// Writes tokens as a block that is not the last.
    pub fn write(&self, choice: &Choice, tokens: &[Token], bits: &mut BitWriter) {
        match choice {
            Choice::Stored => {}
            Choice::Fixed => {
                bits.push(0b010, 3);
                body(&self.fixed_literals, &self.fixed_distances, tokens, bits);
            }
            Choice::Dynamic(codes) => {
                bits.push(0b100, 3);
                codes.describe(bits);
                body(&codes.literals, &codes.distances, tokens, bits);
            }
        }
    }
}

fn body(literals: &Code<LITERALS>, distances: &Code<DISTANCES>, tokens: &[Token], bits: &mut BitWriter) {
    for token in tokens {
        let literal = token.literal_or_length();
        let length = u32::from(literals.lengths[literal.symbol]);
        let code = u32::from(literals.bits[literal.symbol]) | literal.extra << length;
        bits.push(code, length + literal.extra_bits);
        if let Some(distance) = token.distance() {
            let length = u32::from(distances.lengths[distance.symbol]);
            let code = u32::from(distances.bits[distance.symbol]) | distance.extra << length;
            bits.push(code, length + distance.extra_bits);
        }
    }
    bits.push(literals.bits[END_OF_BLOCK].into(), literals.lengths[END_OF_BLOCK].into());
}

impl Dynamic {
    /// The codes that suit these tokens, and the bits of a block with them, its kind not counted.
    fn new(tokens: &[Token]) -> (Self, u64) {
        let mut literal_counts = [0; LITERALS];
        let mut distance_counts = [0; DISTANCES];
        let mut extra = 0;
        literal_counts[END_OF_BLOCK] = 1;
        for token in tokens {
            let literal = token.literal_or_length();
            literal_counts[literal.symbol] += 1;
            extra += u64::from(literal.extra_bits);
            if let Some(distance) = token.distance() {
                distance_counts[distance.symbol] += 1;
                extra += u64::from(distance.extra_bits);
            }
        }
        let literals = Code::of_frequencies(&literal_counts, 15);
        let distances = Code::of_frequencies(&distance_counts, 15);
        let count = |lengths: &[u8], least: usize| {
            lengths.iter().rposition(|length| *length > 0).map_or(least, |last| least.max(last + 1))
        };
        let literal_count = count(&literals.lengths, 257);
        let distance_count = count(&distances.lengths, 1);
        let all = [&literals.lengths[..literal_count], &distances.lengths[..distance_count]].concat();
        let description = run_lengths(&all);
        let mut counts = [0; 19];
        description.iter().for_each(|(symbol, _)| counts[usize::from(*symbol)] += 1);
        let lengths = Code::of_frequencies(&counts, 7);
        let length_count =
            ORDER.iter().rposition(|symbol| lengths.lengths[*symbol] > 0).map_or(4, |last| 4.max(last + 1));
        let repeats: u64 = (16..19).map(|symbol| u64::from(counts[symbol]) * u64::from(REPEAT_BITS[symbol - 16])).sum();
        let described = 14 + 3 * length_count as u64 + lengths.cost(&counts) + repeats;
        let bits = described + literals.cost(&literal_counts) + distances.cost(&distance_counts) + extra;
        (Dynamic { literals, distances, lengths, description, literal_count, distance_count, length_count }, bits)
    }

    /// Writes the description (RFC 1951 §3.2.7).
    fn describe(&self, bits: &mut BitWriter) {
        bits.push(self.literal_count as u32 - 257, 5);
        bits.push(self.distance_count as u32 - 1, 5);
        bits.push(self.length_count as u32 - 4, 4);
        for symbol in &ORDER[..self.length_count] {
            bits.push(self.lengths.lengths[*symbol].into(), 3);
        }
        for (symbol, extra) in &self.description {
            let symbol = usize::from(*symbol);
            bits.push(self.lengths.bits[symbol].into(), self.lengths.lengths[symbol].into());
            if symbol >= 16 {
                bits.push((*extra).into(), REPEAT_BITS[symbol - 16]);
            }
        }
    }
}

/// Code lengths as the symbols 0 to 15, and repeats: 16 the last length 3 to 6 times, 17 and 18 zeros.
fn run_lengths(lengths: &[u8]) -> Vec<(u8, u8)> {
    let mut symbols = Vec::with_capacity(lengths.len());
    let mut rest = lengths;
    while let Some(&length) = rest.first() {
        let mut run = rest.iter().take_while(|other| **other == length).count();
        rest = &rest[run..];
        if length > 0 {
            symbols.push((length, 0));
            run -= 1;
        }
        while run >= 3 {
            let (symbol, base, most) = match length {
                0 if run >= 11 => (18, 11, 138),
                0 => (17, 3, 10),
                _ => (16, 3, 6),
            };
            let taken = run.min(most);
            symbols.push((symbol, (taken - base) as u8));
            run -= taken;
        }
        symbols.extend(std::iter::repeat_n((length, 0), run));
    }
    symbols
}
