//! A task's processor and memory, in the units that ECS counts in.
//!
//! Which pairs Fargate has is known where tasks are registered; here are only the numbers.

use super::value::{Scalar, Written};

/// CPU units: 1024 are one vCPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CpuUnits(pub u32);

/// Memory in MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mebibytes(pub u32);

impl Scalar for CpuUnits {
    const EXPECTED: &'static str = "CPU units or vCPUs";
    const EXPECTED_MANY: &'static str = "CPU units or vCPUs";
    const EXAMPLE: &'static str = "\"0.5 vCPU\"";
    const EXAMPLE_MANY: &'static str = "[512, \"1 vCPU\"]";
    const PLACEHOLDER: &'static str = "CPU";
    const WRITTEN: &'static [Written] = &[Written::Quoted, Written::Number];

    /// Parses `512`, `"512"`, `"0.5 vCPU"` (ECS API, RegisterTaskDefinition, "cpu").
    fn parse(text: &str) -> Option<Self> {
        let lower = text.trim().to_ascii_lowercase();
        let units = match lower.strip_suffix("vcpu") {
            Some(number) => scaled(number.trim(), 1024),
            None => lower.parse().ok(),
        };
        units.filter(|units| *units > 0).map(CpuUnits)
    }
}

impl Scalar for Mebibytes {
    const EXPECTED: &'static str = "MiB, or a number with MB or GB";
    const EXPECTED_MANY: &'static str = "MiB, or numbers with MB or GB";
    const EXAMPLE: &'static str = "\"2 GB\"";
    const EXAMPLE_MANY: &'static str = "[512, \"2 GB\"]";
    const PLACEHOLDER: &'static str = "MEMORY";
    const WRITTEN: &'static [Written] = &[Written::Quoted, Written::Number];

    /// Parses `2048`, `"2048"`, `"2 GB"`, `"512 MiB"`. As in ECS, 1 GB is 1024 MiB (RegisterTaskDefinition, "memory").
    fn parse(text: &str) -> Option<Self> {
        let lower = text.trim().to_ascii_lowercase();
        let units = [("gib", 1024), ("gb", 1024), ("g", 1024), ("mib", 1), ("mb", 1), ("m", 1)];
        let mebibytes = match units.iter().find_map(|(unit, size)| Some((lower.strip_suffix(unit)?, *size))) {
            Some((number, size)) => scaled(number.trim(), size),
            None => lower.parse().ok(),
        };
        mebibytes.filter(|mebibytes| *mebibytes > 0).map(Mebibytes)
    }
}

/// A decimal number times `factor`, where that is a whole number.
fn scaled(number: &str, factor: u64) -> Option<u32> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || fraction.len() > 6 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let product = digits.parse::<u64>().ok()?.checked_mul(factor)?;
    let power = 10_u64.pow(fraction.len().try_into().ok()?);
    (product % power == 0).then(|| u32::try_from(product / power).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_units_or_vcpus() {
        for (text, units) in [("256", 256), (".25 vCPU", 256), ("0.5vcpu", 512), ("1 vCPU", 1024), ("16 vCPU", 16384)] {
            assert_eq!(CpuUnits::parse(text), Some(CpuUnits(units)), "{text}");
        }
        for text in ["", "0", "vCPU", ".", "0.0001 vCPU", "-1", "1 core", "99999999 vCPU"] {
            assert_eq!(CpuUnits::parse(text), None, "{text}");
        }
    }

    #[test]
    fn memory_is_in_mebibytes_unless_it_says_otherwise() {
        for (text, size) in [("512", 512), ("512 MiB", 512), ("2GB", 2048), ("0.5 GB", 512), ("30 g", 30720)] {
            assert_eq!(Mebibytes::parse(text), Some(Mebibytes(size)), "{text}");
        }
        for text in ["", "0", "GB", "2 TB", "1.0001 GB", "-1", "1,5 GB"] {
            assert_eq!(Mebibytes::parse(text), None, "{text}");
        }
    }
}
