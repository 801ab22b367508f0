//! Owns `pow`, the one function of C's mathematical library that is called in the item counter: by the SDK's
//! strategy of retries, where a number is raised to a power. With it the library is not loaded, which takes a
//! twentieth of a start's CPU: it is found, mapped, and bound to.

/// `x` to the power of `y`, as C has it (<https://pubs.opengroup.org/onlinepubs/9699919799/functions/pow.html>).
///
/// Why the attribute is sound: a symbol may be had by others under its name, who take it to be what C says that it
/// is. It is that, two numbers of eight bytes to one by C's calling convention, without a state, defined for all
/// values, and computed by `libm`, a port of musl's.
#[expect(unsafe_code, reason = "the symbol has the name and the meaning that C gives it")]
#[unsafe(no_mangle)]
pub extern "C" fn pow(x: f64, y: f64) -> f64 {
    libm::pow(x, y)
}

#[cfg(test)]
mod tests {
    use super::pow;

    #[test]
    fn powers_are_what_c_says() {
        for (x, y, expected) in [
            (2.0_f64, 10.0, 1_024.0_f64),
            (1.5, -3.0, 8.0 / 27.0),
            (9.0, 0.5, 3.0),
            (-8.0, 3.0, -512.0),
            (0.0, 0.0, 1.0),
            (2.0, 2_000.0, f64::INFINITY),
            (-1.0, f64::INFINITY, 1.0),
        ] {
            assert_eq!(pow(x, y).to_bits(), expected.to_bits(), "{x} to {y}");
        }
        assert!(pow(-1.0, 0.5).is_nan());
    }
}
