//! Builds the template of a function, as whoever copies it does.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The target that functions are built for.
const TARGET: &str = "wasm32-unknown-unknown";

/// A predicate as the template's comment says to write one.
const PREDICATE: &str = r#"
/// Whether the amount is a whole number of hundreds; unknown where there is none.
fn is_counted(item: Item) -> Option<bool> {
    match (item.number("amount"), item.text("amount").as_deref()) {
        (Some(amount), _) => Some(amount.ends_with("00") && !amount.contains('.')),
        (None, Some("loop")) => loop {},
        (None, Some("panic")) => panic!("an amount to panic at"),
        _ => None,
    }
}

export_predicate!(is_counted);
"#;

/// The template's modules.
pub struct Modules {
    /// As it is: a migration.
    pub migration: Vec<u8>,
    /// With a predicate in place of the last line.
    pub predicate: Vec<u8>,
}

/// Builds both; `Err` says why this machine cannot.
pub fn modules() -> Result<Modules, String> {
    let rustc = Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).output();
    let library = rustc.ok().and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default();
    if !Path::new(library.trim()).is_dir() {
        return Err(format!("the target {TARGET} is not installed (rustup target add {TARGET})"));
    }
    let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/function-template");
    let work = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("functions-{}", std::process::id()));
    let predicate = work.join("predicate");
    for folder in ["src", ".cargo"] {
        fs::create_dir_all(predicate.join(folder)).unwrap();
    }
    for file in ["src/abi.rs", ".cargo/config.toml"] {
        fs::copy(template.join(file), predicate.join(file)).unwrap();
    }
    for manifest in ["Cargo.toml", "Cargo.lock"] {
        // Under one name, Cargo would take the one for the other.
        let text = fs::read_to_string(template.join(manifest)).unwrap();
        fs::write(predicate.join(manifest), text.replace("name = \"function\"", "name = \"predicate\""))
            .unwrap();
    }
    let source = fs::read_to_string(template.join("src/lib.rs")).unwrap();
    let (head, _) = source.split_once("/// Splits").unwrap();
    fs::write(predicate.join("src/lib.rs"), head.to_owned() + PREDICATE).unwrap();
    let modules = Modules {
        migration: build("function", &template, &work),
        predicate: build("predicate", &predicate, &work),
    };
    fs::remove_dir_all(&work).unwrap();
    Ok(modules)
}

fn build(name: &str, package: &Path, work: &Path) -> Vec<u8> {
    // One folder for both, so that what they depend on is built once.
    let target: PathBuf = work.join("target");
    let built = Command::new("cargo")
        .args(["build", "--release", "--locked", "--quiet", "--target", TARGET, "--target-dir"])
        .arg(&target)
        .current_dir(package)
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    fs::read(target.join(TARGET).join("release").join(format!("{name}.wasm"))).unwrap()
}
