//! Literals and matches, and the symbols that stand for them (RFC 1951 §3.2.5).

/// The longest match, in bytes.
pub const MAX_MATCH: usize = 258;

/// The symbol that ends a block.
pub const END_OF_BLOCK: usize = 256;

/// The first value and the number of extra bits of each length symbol, from 257 on.
const LENGTHS: [(u16, u8); 29] = {
    let mut table = [(0, 0); 29];
    let (mut index, mut base) = (0, 3);
    while index < 28 {
        let extra = if index < 8 { 0 } else { (index as u8 - 4) / 4 };
        table[index] = (base, extra);
        base += 1 << extra;
        index += 1;
    }
    table[28] = (258, 0);
    table
};

/// The index into [`LENGTHS`] of each length.
const LENGTH_INDEX: [u8; MAX_MATCH + 1] = {
    let mut table = [0; MAX_MATCH + 1];
    let mut index = 0;
    while index < 28 {
        let (base, extra) = LENGTHS[index];
        let mut length = base as usize;
        while length < base as usize + (1 << extra) && length <= MAX_MATCH {
            table[length] = index as u8;
            length += 1;
        }
        index += 1;
    }
    table[MAX_MATCH] = 28;
    table
};

/// A literal byte, or a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token(u32);

/// A symbol and its extra bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Symbol {
    pub symbol: usize,
    pub extra: u32,
    pub extra_bits: u32,
}

impl Token {
    pub fn literal(byte: u8) -> Self {
        Token(u32::from(byte) << 16)
    }

    /// A match of 3 to 258 bytes, at a distance of 1 to 32,768.
    pub fn matched(length: usize, distance: usize) -> Self {
        Token((length as u32) << 16 | distance as u32)
    }

    /// The distance's symbol; `None` for a literal.
    pub fn distance(self) -> Option<Symbol> {
        let distance = self.0 & 0xffff;
        if distance == 0 {
            return None;
        }
        let value = distance - 1;
        if value < 4 {
            return Some(Symbol { symbol: value as usize, extra: 0, extra_bits: 0 });
        }
        let extra_bits = 30 - value.leading_zeros();
        let symbol = 2 * (extra_bits + 1) + (value >> extra_bits & 1);
        Some(Symbol { symbol: symbol as usize, extra: value & ((1 << extra_bits) - 1), extra_bits })
    }

    /// The symbol of the literal or of the length.
    pub fn literal_or_length(self) -> Symbol {
        let value = self.0 >> 16;
        if self.0 & 0xffff == 0 {
            return Symbol { symbol: value as usize, extra: 0, extra_bits: 0 };
        }
        let index = usize::from(LENGTH_INDEX[value as usize]);
        let (base, extra_bits) = LENGTHS[index];
        Symbol { symbol: 257 + index, extra: value - u32::from(base), extra_bits: extra_bits.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_and_distance_comes_back_from_its_symbol() {
        for length in 3..=MAX_MATCH {
            let symbol = Token::matched(length, 1).literal_or_length();
            let (base, bits) = LENGTHS[symbol.symbol - 257];
            assert_eq!(u32::from(base) + symbol.extra, length as u32);
            assert!(symbol.extra < 1 << bits && symbol.extra_bits == u32::from(bits));
        }
        for distance in 1..=32_768usize {
            let symbol = Token::matched(3, distance).distance().unwrap();
            // RFC 1951 §3.2.5: from the fifth on, two symbols for each number of extra bits.
            let bits = (symbol.symbol as u32 / 2).saturating_sub(1);
            let base = if symbol.symbol < 4 { symbol.symbol } else { (2 + symbol.symbol % 2) << bits };
            assert_eq!((base + symbol.extra as usize + 1, symbol.extra_bits), (distance, bits));
        }
        assert_eq!(Token::literal(0).distance(), None);
        assert_eq!(Token::literal(255).literal_or_length().symbol, 255);
        assert_eq!(Token::matched(258, 1).literal_or_length().symbol, 285);
    }
}
