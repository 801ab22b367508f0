//! `evercount migrate …` from the outside.

use std::process::Stdio;

use serde_json::{Value, json};

use super::seed::Registry;
use super::tells;

#[tokio::test(flavor = "multi_thread")]
async fn a_path_says_what_an_item_goes_through_and_what_is_lost() {
    let registry = Registry::seeded().await;
    let path = async |arguments: &[&str]| {
        let arguments = [&["path"], arguments, &["--table", "shop.orders"]].concat();
        let told = registry.run_verb("migrate", &arguments).await;
        println!("$ evercount migrate {}\n{}{}", arguments.join(" "), told.1, told.2);
        told
    };
    let (code, forwards, _) = path(&["1", "2"]).await;
    assert_eq!(code, 0);
    tells(&forwards, &["version 1 → 2", "`status` becomes `state`", "nothing is lost"]);
    let (code, back, _) = path(&["2", "1", "--json"]).await;
    let back: Value = serde_json::from_str(&back).unwrap();
    assert_eq!(code, 0);
    let functions = json!([{"drop": {"path": "coupon"}}, {"rename": {"from": "state", "to": "status"}}]);
    for function in functions.as_array().unwrap() {
        assert!(back["path"]["functions"].as_array().unwrap().contains(function), "{back:#}");
    }
    assert_eq!(back["path"]["cost"]["losses"], json!(1), "a coupon is lost on the way back");
    let (code, _, refused) = path(&["1", "7"]).await;
    assert_eq!(code, 2);
    tells(&refused, &["`shop.orders` has no version 7"]);
    let elsewhere = registry.file("m.toml", "table = \"orders\"\nfrom = 1\nto = 2\nfunction = []");
    let (code, _, refused) = path(&["1", "2", "--with", &elsewhere]).await;
    assert_eq!(code, 2);
    tells(&refused, &["is for another subject", "table = \"shop.orders\""]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_is_kept_for_whoever_migrates_items_of_its_subject() {
    let registry = Registry::seeded().await;
    let migrate = async |arguments: &[&str]| {
        let told = registry.run_verb("migrate", arguments).await;
        println!("$ evercount migrate {}\n{}{}", arguments.join(" "), told.1, told.2);
        told
    };
    let file = |name: &str, columns: &str| {
        let text =
            format!("table = \"shop.orders\"\nfrom = 1\nto = 2\n\n[[function]]\nrename = {{ {columns} }}\n");
        registry.file(name, &text)
    };
    let (code, _, refused) =
        migrate(&["add", &registry.file("m.toml", "table = \"shop.orders\"\nfunction = []")]).await;
    assert_eq!(code, 2);
    tells(&refused, &["leads nowhere"]);
    let kept = file("kept.toml", "from = \"status\", to = \"place\"");
    let (code, told, _) = migrate(&["add", &kept]).await;
    assert_eq!(code, 0);
    tells(&told, &["a way leads from version 1 to 2", "`status` becomes `place`"]);
    let (_, path, _) = migrate(&["path", "1", "2", "--table", "shop.orders"]).await;
    tells(&path, &["`status` becomes `place`"]);
    let other = file("other.toml", "from = \"status\", to = \"where\"");
    let (code, replaced, _) = migrate(&["add", &other, "--json"]).await;
    assert_eq!(code, 0);
    let replaced: Value = serde_json::from_str(&replaced).unwrap();
    assert_eq!((&replaced["from"], &replaced["replaced"]), (&json!(1), &json!(true)));
    let (_, listed, _) = migrate(&["list", "shop.orders", "--json"]).await;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(
        listed["migrations"],
        json!([{"from": 1, "to": 2, "functions": [{"rename": {"from": "status", "to": "where"}}]}])
    );
    let missing = registry.file(
        "custom.toml",
        &format!(
            "table = \"shop.orders\"\nfrom = 2\nto = 1\n\n[[function]]\ncustom = {{ function = \"{}\", \
             columns = [\"state\"] }}\n",
            "ab".repeat(32)
        ),
    );
    let (code, _, refused) = migrate(&["add", &missing]).await;
    assert_eq!(code, 2);
    tells(&refused, &["no function on the list has the id abab", "evercount function add"]);
    let (code, _, _) = migrate(&["remove", "1", "2", "--table", "shop.orders"]).await;
    assert_eq!(code, 0);
    let (code, _, refused) = migrate(&["remove", "1", "2", "--table", "shop.orders"]).await;
    assert_eq!(code, 2);
    tells(&refused, &["no migration from version 1 to 2 is kept"]);
    let (_, none, _) = migrate(&["list", "shop.orders"]).await;
    tells(&none, &["no migrations are kept for `shop.orders`"]);
}

const SPLIT: &str =
    "[[function]]\nsplit = { path = \"name\", separator = \" \", into = [\"first\", \"last\"] }\n";

/// Runs `migrate apply` over items on standard input: its exit code, what it printed, and its errors.
fn apply(more: &[&str], items: &str) -> (i32, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let (file, input) = (folder.path().join("m.toml"), folder.path().join("items.jsonl"));
    std::fs::write(&file, SPLIT).unwrap();
    std::fs::write(&input, items).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_evercount"));
    command
        .args(["migrate", "apply"])
        .arg(&file)
        .args(more)
        .stdin(Stdio::from(std::fs::File::open(&input).unwrap()));
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn items_are_migrated_as_they_came_and_none_is_lost() {
    let items = concat!(
        "{\"id\":{\"N\":\"1\"},\"name\":{\"S\":\"Ada King\"}}\n",
        "\n",
        "{\"Item\":{\"id\":{\"N\":\"2\"},\"name\":{\"S\":\"Grace Hopper\"}}}\n",
        "{\"id\":{\"N\":\"3\"},\"name\":{\"S\":\"Plato\"}}\n",
        "not an item\n",
    );
    let (code, told, errors) = apply(&[], items);
    assert_eq!(code, 1);
    let migrated = concat!(
        "{\"first\":{\"S\":\"Ada\"},\"id\":{\"N\":\"1\"},\"last\":{\"S\":\"King\"}}\n",
        "{\"Item\":{\"first\":{\"S\":\"Grace\"},\"id\":{\"N\":\"2\"},\"last\":{\"S\":\"Hopper\"}}}\n",
    );
    assert_eq!(told, migrated);
    tells(
        &errors,
        &["line 4: function 1: `name` is not a text of so many parts", "line 5:", "2 migrated, 2 not"],
    );
    let (code, told, errors) = apply(&["--undo"], migrated);
    assert_eq!((code, told.lines().count()), (0, 2), "{errors}");
    tells(&told, &["\"name\":{\"S\":\"Ada King\"}", "\"name\":{\"S\":\"Grace Hopper\"}"]);
    let (code, told, _) = apply(&["--json"], items);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        (code, told["migrated"].as_array().unwrap().len(), &told["failed"][0]["line"]),
        (1, 2, &json!(4))
    );
}
