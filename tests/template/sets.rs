//! That what is deployed is what is built: folders of `functions/`, functions of the template, and
//! binaries are one set.

use std::collections::BTreeSet;

use super::{root, source, template};

#[test]
fn folders_functions_and_binaries_are_one_set() {
    let folders: BTreeSet<String> = std::fs::read_dir(root().join("functions"))
        .unwrap()
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    assert!(folders.len() >= 4, "the functions were not found");

    let template = template();
    let mut deployed = BTreeSet::new();
    for (name, function) in template.functions() {
        let binary = function["Metadata"]["BuildProperties"]["Binary"].as_str().unwrap().to_owned();
        let camel: String = name.strip_suffix("Function").unwrap().to_owned();
        assert_eq!(camel.to_lowercase(), binary.replace('-', ""), "the function's name is its binary's");
        assert!(deployed.insert(binary), "{name} deploys a binary that another deploys as well");
    }
    assert_eq!(deployed, folders, "functions of the template, and folders of functions/");

    for folder in &folders {
        let manifest = source(&format!("functions/{folder}/Cargo.toml"));
        // A package with a main.rs and no [[bin]] has one binary, of the package's name.
        assert!(manifest.contains(&format!("name = \"{folder}\"")), "{folder}: the package's name");
        assert!(!manifest.contains("[[bin]]"), "{folder}: names its binary otherwise");
        assert!(root().join("functions").join(folder).join("src/main.rs").is_file(), "{folder}: no main.rs");
        let stray = root().join("functions").join(folder).join("src/bin");
        assert!(!stray.exists(), "{folder}: has a second binary");
    }
}

#[test]
fn samconfig_knows_every_stage_and_points_at_the_template() {
    let config = source("samconfig.toml");
    for stage in ["default", "dev", "staging", "prod"] {
        assert!(config.contains(&format!("[{stage}.deploy.parameters]")), "{stage}");
        let build = format!("[{stage}.build.parameters]\ntemplate_file = \"infra/template.yaml\"");
        assert!(config.contains(&build), "{stage}");
    }
}
