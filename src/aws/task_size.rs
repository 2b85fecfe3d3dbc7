//! The sizes that a Fargate task can have.
//!
//! Source: Amazon ECS developer guide, "Task definition parameters for Fargate", task size.

use std::fmt;
use std::str::FromStr;

/// The memory, in MiB, that goes with each number of CPU units.
const SIZES: [(u32, Memories); 8] = [
    (256, Memories::OneOf(&[512, 1024, 2048])),
    (512, Memories::Steps { from: 1024, to: 4096, by: 1024 }),
    (1024, Memories::Steps { from: 2048, to: 8192, by: 1024 }),
    (2048, Memories::Steps { from: 4096, to: 16384, by: 1024 }),
    (4096, Memories::Steps { from: 8192, to: 30720, by: 1024 }),
    (8192, Memories::Steps { from: 16384, to: 61440, by: 4096 }),
    (16384, Memories::Steps { from: 32768, to: 122_880, by: 8192 }),
    (32768, Memories::OneOf(&[61440, 122_880, 249_856])),
];

#[derive(Debug, Clone, Copy)]
enum Memories {
    OneOf(&'static [u32]),
    Steps { from: u32, to: u32, by: u32 },
}

impl Memories {
    fn contains(self, memory: u32) -> bool {
        match self {
            Memories::OneOf(list) => list.contains(&memory),
            Memories::Steps { from, to, by } => (from..=to).contains(&memory) && (memory - from).is_multiple_of(by),
        }
    }
}

impl fmt::Display for Memories {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Memories::OneOf(list) => {
                let list: Vec<String> = list.iter().map(u32::to_string).collect();
                f.write_str(&list.join(", "))
            }
            Memories::Steps { from, to, by } => write!(f, "{from} to {to} in steps of {by}"),
        }
    }
}

/// CPU units of a task: 1024 are one vCPU. Written `512`, `.5 vcpu` or `1 vCPU`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cpu(u32);

/// Memory of a task in MiB. Written `2048` or `2gb`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Memory(u32);

/// CPU and memory that Fargate has together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TaskSize {
    cpu: Cpu,
    memory: Memory,
}

/// A size that Fargate does not have, or text that is no size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TaskSizeError {
    #[error("'{text}' is not a number of CPU units: write {}, or vCPUs as in '.5 vcpu' and '1 vcpu'", cpus())]
    NotCpu { text: String },
    #[error("'{text}' is not an amount of memory: write MiB as in '2048', or GB as in '2gb'")]
    NotMemory { text: String },
    #[error("Fargate has no task with cpu {cpu}: it has {}", cpus())]
    Cpu { cpu: u32 },
    #[error("Fargate has no task with cpu {cpu} and memory {memory}; it has\n{}", table())]
    Pair { cpu: u32, memory: u32 },
}

impl Cpu {
    pub fn units(self) -> u32 {
        self.0
    }
}

impl Memory {
    pub fn mib(self) -> u32 {
        self.0
    }
}

impl TaskSize {
    /// # Errors
    /// Where Fargate has no such pair; the message lists those that it has.
    pub fn new(cpu: Cpu, memory: Memory) -> Result<Self, TaskSizeError> {
        let (_, memories) = SIZES.iter().find(|(units, _)| *units == cpu.0).ok_or(TaskSizeError::Cpu { cpu: cpu.0 })?;
        if memories.contains(memory.0) {
            Ok(TaskSize { cpu, memory })
        } else {
            Err(TaskSizeError::Pair { cpu: cpu.0, memory: memory.0 })
        }
    }

    pub fn cpu(self) -> Cpu {
        self.cpu
    }

    pub fn memory(self) -> Memory {
        self.memory
    }
}

impl fmt::Display for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Cpu {
    type Err = TaskSizeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let units = match without_unit(text, &["vcpus", "vcpu"]) {
            Some(number) => scaled(number, 1024),
            None => whole(text),
        };
        let units = units.ok_or_else(|| TaskSizeError::NotCpu { text: text.to_owned() })?;
        if SIZES.iter().any(|(cpu, _)| *cpu == units) { Ok(Cpu(units)) } else { Err(TaskSizeError::Cpu { cpu: units }) }
    }
}

impl FromStr for Memory {
    type Err = TaskSizeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mib = match without_unit(text, &["gb"]) {
            Some(number) => scaled(number, 1024),
            None => whole(text),
        };
        mib.filter(|mib| *mib > 0).map(Memory).ok_or_else(|| TaskSizeError::NotMemory { text: text.to_owned() })
    }
}

/// The number before one of the units, which are lower case and told from each other by their order.
fn without_unit<'a>(text: &'a str, units: &[&str]) -> Option<&'a str> {
    let text = text.trim();
    units.iter().find_map(|unit| {
        let at = text.len().checked_sub(unit.len())?;
        let (number, ending) = text.split_at_checked(at)?;
        ending.eq_ignore_ascii_case(unit).then(|| number.trim_end())
    })
}

fn whole(text: &str) -> Option<u32> {
    let text = text.trim();
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// A decimal number times `scale`, where that is whole.
fn scaled(number: &str, scale: u32) -> Option<u32> {
    let (before, after) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if before.len() + after.len() == 0 || before.len() > 6 || after.len() > 6 || !digits(before) || !digits(after) {
        return None;
    }
    let parsed = |text: &str| if text.is_empty() { Some(0) } else { text.parse::<u64>().ok() };
    let power = 10_u64.pow(u32::try_from(after.len()).ok()?);
    let product = (parsed(before)? * power + parsed(after)?) * u64::from(scale);
    if product.is_multiple_of(power) { u32::try_from(product / power).ok() } else { None }
}

fn cpus() -> String {
    let list: Vec<String> = SIZES.iter().map(|(cpu, _)| cpu.to_string()).collect();
    list.join(", ")
}

fn table() -> String {
    let rows: Vec<String> = SIZES.iter().map(|(cpu, memories)| format!("  cpu {cpu:>5}: memory {memories}")).collect();
    rows.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(cpu: &str, memory: &str) -> Result<TaskSize, TaskSizeError> {
        TaskSize::new(cpu.parse()?, memory.parse()?)
    }

    #[test]
    fn every_spelling_of_a_size_is_the_same_size() {
        for (cpu, memory) in [("512", "2048"), (".5 vcpu", "2gb"), ("0.5 vCPU", "2 GB"), ("0.50vcpu", "2.0GB")] {
            let size = size(cpu, memory).unwrap();
            assert_eq!((size.cpu().units(), size.memory().mib()), (512, 2048), "{cpu} {memory}");
        }
    }

    #[test]
    fn a_pair_that_fargate_lacks_is_refused_with_the_list() {
        let error = size("256", "4096").unwrap_err().to_string();
        assert!(error.contains("cpu 256 and memory 4096"), "{error}");
        assert!(error.contains("cpu   512: memory 1024 to 4096 in steps of 1024"), "{error}");
        for (cpu, memory) in [("512", "512"), ("1024", "2500"), ("8192", "18432"), ("32768", "65536")] {
            assert!(matches!(size(cpu, memory), Err(TaskSizeError::Pair { .. })), "{cpu} {memory}");
        }
        for (cpu, memory) in [("256", "512"), ("4096", "30720"), ("8192", "20480"), ("32768", "249856")] {
            assert!(size(cpu, memory).is_ok(), "{cpu} {memory}");
        }
    }

    #[test]
    fn text_that_is_no_size_is_refused() {
        for text in
            ["", "half", "0.5", "1 cpu", "-1", "+512", "vcpu", ". vcpu", "0.3 vcpu", "99999999999 vcpu", "½ vcpu"]
        {
            assert!(text.parse::<Cpu>().is_err(), "{text}");
        }
        for text in ["", "2 tb", "0", "0gb", "2.5", "1e3", "gb", "2,5gb"] {
            assert!(text.parse::<Memory>().is_err(), "{text}");
        }
        assert_eq!("2".parse::<Cpu>(), Err(TaskSizeError::Cpu { cpu: 2 }));
    }
}
