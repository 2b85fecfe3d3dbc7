//! Whether a rolling deployment can make progress between its minimum and its maximum of tasks.
//!
//! Source: Amazon ECS developer guide, "Deploy Amazon ECS services by replacing tasks": minimumHealthyPercent rounds
//! up, maximumPercent rounds down.

/// What ECS takes where a service says nothing.
pub const DEFAULT_MINIMUM_HEALTHY_PERCENT: u32 = 100;
pub const DEFAULT_MAXIMUM_PERCENT: u32 = 200;

/// ECS could neither start a new task nor stop an old one, for ever.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "this deployment could never make progress: of {desired} desired tasks at least {at_least} must stay healthy \
     (minimum-healthy-percent {minimum}) and at most {at_most} may run (maximum-percent {maximum}), so no task can be \
     replaced; set maximum-percent to 200 or minimum-healthy-percent to 0, or insist with --force"
)]
pub struct NoProgress {
    pub desired: u32,
    pub minimum: u32,
    pub maximum: u32,
    pub at_least: u64,
    pub at_most: u64,
}

/// Checks the percentages of a rolling deployment. With nothing running a service can always deploy.
///
/// # Errors
/// [`NoProgress`] where not one task could be replaced.
pub fn check(desired: u32, running: u32, minimum: u32, maximum: u32) -> Result<(), NoProgress> {
    let at_least = (u64::from(desired) * u64::from(minimum)).div_ceil(100);
    let at_most = u64::from(desired) * u64::from(maximum) / 100;
    if desired > 0 && running > 0 && at_least >= at_most {
        return Err(NoProgress { desired, minimum, maximum, at_least, at_most });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_that_leave_no_room_are_refused() {
        for (desired, minimum, maximum) in [(1, 100, 100), (4, 100, 100), (1, 50, 100), (1, 100, 150)] {
            let error = check(desired, desired, minimum, maximum).unwrap_err();
            assert!(error.at_least >= error.at_most, "{error}");
        }
    }

    #[test]
    fn percentages_with_room_pass() {
        for (desired, minimum, maximum) in [(1, 100, 200), (1, 0, 100), (2, 50, 100), (2, 100, 150), (3, 66, 100)] {
            assert_eq!(check(desired, desired, minimum, maximum), Ok(()), "{desired} {minimum}/{maximum}");
        }
    }

    #[test]
    fn a_service_with_nothing_running_can_deploy_whatever_its_percentages() {
        assert_eq!(check(1, 0, 100, 100), Ok(()));
        assert_eq!(check(0, 3, 100, 100), Ok(()));
    }
}
