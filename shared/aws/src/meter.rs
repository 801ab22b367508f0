//! Owns what walking over ledger or source takes of this process.

use std::sync::OnceLock;
use std::time::Instant;

use evercount_pipeline::adapt::Spent;

/// CPU and wall time of this process so far. What else it does meanwhile is in the CPU time, too;
/// where the system does not tell, that is 0.
#[must_use]
pub fn meter() -> Spent {
    static START: OnceLock<Instant> = OnceLock::new();
    Spent { cpu_seconds: cpu_seconds(), seconds: START.get_or_init(Instant::now).elapsed().as_secs_f64() }
}

#[cfg(unix)]
fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

#[cfg(not(unix))]
fn cpu_seconds() -> f64 {
    0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_takes_time() {
        let before = meter();
        let mut sum = 0_u64;
        while meter().seconds <= before.seconds {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        let after = meter();
        assert!(after.seconds > before.seconds && after.cpu_seconds >= before.cpu_seconds);
        assert!(cfg!(not(unix)) || after.cpu_seconds > 0.0);
    }
}
