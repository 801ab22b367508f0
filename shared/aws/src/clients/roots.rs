//! Owns which certificate authorities are trusted to vouch for AWS.
//!
//! By default, Amazon's own and no others, as they stand in `amazon.pem`: the machine's store has a
//! hundred and fifty, and reading those was four fifths of what a function did before its first poll.
//!
//! They are the five that Amazon Trust Services asks those to trust who keep a list of their own,
//! <https://www.amazontrust.com/repository/>, taken from Mozilla's list (as Debian's `ca-certificates`
//! has it) and compared with the hashes of their keys on that page, as the test below compares them
//! again. AWS endpoints of all regions chain to them; those of the European Sovereign Cloud, whose
//! own roots are younger, by cross-signatures. Amazon advises against relying on one set for ever.
//! So there is a way out that needs no new release, [`VARIABLE`], and what to do for a new release:
//! add what that page has added to `amazon.pem` and to the test, and remove nothing before it ends. The
//! first to end does so on 2037-12-31.

use std::path::PathBuf;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::config::ConfigError;

/// The variable that chooses other roots.
pub const VARIABLE: &str = "EVERCOUNT_TLS_ROOTS";

const AMAZON: &str = include_str!("amazon.pem");

/// Whose certificates are accepted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Roots {
    /// Those that AWS endpoints chain to.
    Amazon,
    /// Those of the machine, or of `SSL_CERT_FILE` and `SSL_CERT_DIR`
    /// (<https://docs.rs/rustls-native-certs>).
    Native,
    /// Those of a file in PEM.
    File(PathBuf),
}

impl Roots {
    /// What a value of [`VARIABLE`] means.
    ///
    /// # Errors
    /// Where it means nothing.
    pub(super) fn parse(value: &str) -> Result<Self, ConfigError> {
        match value {
            "amazon" => Ok(Self::Amazon),
            "native" => Ok(Self::Native),
            // A word that is no path is a mistake that must not be looked for on the disk.
            path if path.contains('/') => Ok(Self::File(PathBuf::from(path))),
            _ => Err(wrong(value, "`amazon`, `native`, or the path of a file with root certificates in PEM")),
        }
    }

    /// The roots; those of a file are read here, because they may be unusable.
    ///
    /// # Errors
    /// Where a file cannot be read or has no certificates.
    pub(super) fn load(self) -> Result<Trusted, ConfigError> {
        let path = match self {
            Self::Amazon => return Ok(Trusted::Amazon),
            Self::Native => return Ok(Trusted::Native),
            Self::File(path) => path,
        };
        let refuse = |expected| wrong(&path.display().to_string(), expected);
        let unread = "a file that can be read; a function's own files are in `/var/task`";
        let pem = std::fs::read(&path).map_err(|_| refuse(unread))?;
        let usable = parsed(&pem).filter(|roots| !roots.is_empty());
        let unusable = "a file with one or more root certificates in PEM, and no broken one";
        usable.map(Trusted::These).ok_or_else(|| refuse(unusable))
    }
}

/// Roots that nothing can be wrong with any more. Those that come with the program or the machine are read when
/// the first connection needs them.
#[derive(Clone, Debug)]
pub(crate) enum Trusted {
    /// Amazon's.
    Amazon,
    /// The machine's.
    Native,
    /// Those of a file.
    These(RootCertStore),
}

impl Trusted {
    /// The roots themselves.
    pub(super) fn roots(self) -> RootCertStore {
        match self {
            Self::Amazon => parsed(AMAZON.as_bytes()).unwrap_or_else(RootCertStore::empty),
            Self::Native => {
                let found = rustls_native_certs::load_native_certs();
                let mut roots = RootCertStore::empty();
                let (usable, _) = roots.add_parsable_certificates(found.certs);
                if usable == 0 {
                    tracing::warn!(errors = ?found.errors, "the machine has no root certificates");
                }
                roots
            }
            Self::These(roots) => roots,
        }
    }
}

fn wrong(value: &str, expected: &'static str) -> ConfigError {
    ConfigError { variable: VARIABLE, value: value.to_owned(), expected }
}

/// The roots of a text in PEM, unless one of them is none.
fn parsed(pem: &[u8]) -> Option<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate.ok()?).ok()?;
    }
    Some(roots)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use sha2::{Digest as _, Sha256};

    use super::*;

    /// SHA-256 of the keys, from <https://www.amazontrust.com/repository/>.
    const PUBLISHED: [&str; 5] = [
        "fbe3018031f9586bcbf41727e417b7d1c45c2f47f93be372a17b96b50757d5a2",
        "7f4296fc5b6a4e3b35d3c369623e364ab1af381d8fa7121533c9d6c633ea2461",
        "36abc32656acfc645c61b71613c4bf21c787f5cabbee48348d58597803d7abc9",
        "f7ecded5c66047d28ed6466b543c40e0743abe81d109254dcf845d4c2c7853c5",
        "2b071c59a0a0ae76b0eadb2bad23bad4580b69c3601b630c2eaf0613afa83f92",
    ];

    /// A DER SEQUENCE (X.690, 8.1.3): an anchor's key is kept without this frame, and hashed with it.
    fn framed(content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        let head = match length {
            [0, short @ 0..0x80] => vec![0x30, short],
            [0, one] => vec![0x30, 0x81, one],
            [one, two] => vec![0x30, 0x82, one, two],
        };
        [head.as_slice(), content].concat()
    }

    #[test]
    fn the_pinned_roots_are_those_whose_keys_amazon_publishes() {
        let roots = parsed(AMAZON.as_bytes()).unwrap();
        let hash = |key: &[u8]| -> String {
            Sha256::digest(framed(key)).iter().map(|byte| format!("{byte:02x}")).collect()
        };
        let hashes: Vec<String> =
            roots.roots.iter().map(|root| hash(root.subject_public_key_info.as_ref())).collect();
        assert_eq!(hashes, PUBLISHED);
    }

    #[test]
    fn a_value_is_one_of_two_words_or_a_path() {
        assert_eq!(Roots::parse("amazon"), Ok(Roots::Amazon));
        assert_eq!(Roots::parse("native"), Ok(Roots::Native));
        assert_eq!(Roots::parse("./own.pem"), Ok(Roots::File(PathBuf::from("./own.pem"))));
        for unknown in ["system", "Amazon", "own.pem"] {
            let error = Roots::parse(unknown).unwrap_err();
            assert_eq!((error.variable, error.value.as_str()), (VARIABLE, unknown));
            assert!(error.expected.contains("`native`"), "{error}");
        }
    }

    #[test]
    fn a_file_is_used_only_where_every_certificate_in_it_can_be() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own.pem");
        let load = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Roots::File(path.clone()).load()
        };
        let one = AMAZON.split_inclusive("-----END CERTIFICATE-----").next().unwrap();
        assert!(load(one).is_ok());
        for broken in ["", "no certificate", &one.replace("MII", "MIX"), &one.replace("MII", "")] {
            let error = load(broken).unwrap_err();
            assert!(error.to_string().contains("root certificates in PEM"), "{error}");
        }
        let missing = Roots::File(folder.path().join("missing.pem")).load().unwrap_err();
        assert!(missing.to_string().contains("missing.pem`: expected a file that can be read"), "{missing}");
    }
}
