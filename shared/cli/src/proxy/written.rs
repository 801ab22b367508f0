//! The migrations that a person wrote for the data proxy: the files that `evercount migrate` reads, in folders or at
//! places in S3.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use evercount_aws::clients::Clients;
use evercount_aws::s3::S3Place;
use evercount_core::change::TableName;
use evercount_core::migration::graph::Migration;
use evercount_core::mutation::settings::MutationSettings;
use evercount_wire::migration::{MigrationFile, from_toml};

use crate::args::function::place;
use crate::migrate::read_file;

/// Most objects at a place in S3.
const OBJECTS_MAX: usize = 1_000;
/// Longest file in S3, in bytes.
const FILE_BYTES_MAX: usize = 1 << 20;
/// How long reading a place in S3 may take.
const PLACE_TIMEOUT: Duration = Duration::from_secs(60);

/// The migrations at the paths that the settings name: folders, beside the file of the settings or anywhere, and
/// `s3://BUCKET/PREFIX`.
///
/// # Errors
/// What is wrong with which of them.
pub async fn of(
    mutations: &MutationSettings,
    beside: &Path,
) -> anyhow::Result<BTreeMap<TableName, Vec<Migration>>> {
    let settings = mutations.tables.values().chain([&mutations.default]);
    let paths: BTreeSet<&String> =
        settings.filter_map(|settings| settings.migration_function_path.as_ref()).collect();
    let mut written: BTreeMap<TableName, Vec<Migration>> = BTreeMap::new();
    for path in paths {
        let found = match path.contains("://") {
            true => {
                let place = place(path);
                let place =
                    place.map_err(|wrong| anyhow!("`migration_function_path` is `{path}`: {wrong}"))?;
                let reading = tokio::time::timeout(PLACE_TIMEOUT, of_place(&place)).await;
                let told = || format!("could not read the migrations at {place}");
                reading.with_context(told)?.with_context(told)?
            }
            false => of_folder(&beside.join(path))?,
        };
        for (table, migration) in found {
            if mutations.of(&table).migration_function_path.as_ref() == Some(path) {
                written.entry(table).or_default().push(migration);
            }
        }
    }
    Ok(written)
}

fn of_folder(folder: &Path) -> anyhow::Result<Vec<(TableName, Migration)>> {
    let listed = std::fs::read_dir(folder)
        .with_context(|| format!("could not read the folder of migrations, {}", folder.display()))?;
    let files = listed.map(|file| file.map(|file| file.path())).collect::<Result<BTreeSet<_>, _>>()?;
    let files = files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.map(|file| leading(&file.display().to_string(), read_file(file)?)).collect()
}

/// What is directly at a place, as in a folder.
async fn of_place(place: &S3Place) -> anyhow::Result<Vec<(TableName, Migration)>> {
    let (s3, bucket, prefix) = (Clients::of_a_person().await.s3().await?, place.bucket(), place.key(""));
    let keys = s3.list(bucket, &prefix, OBJECTS_MAX).await?;
    let is_file = |key: &&String| {
        key.strip_prefix(&prefix).is_some_and(|name| name.ends_with(".toml") && !name.contains('/'))
    };
    let mut found = Vec::new();
    for key in keys.iter().filter(is_file) {
        let name = format!("s3://{bucket}/{key}");
        let object = s3.get(bucket, key, FILE_BYTES_MAX).await?;
        let object = object.with_context(|| format!("{name} was deleted meanwhile"))?;
        let text = std::str::from_utf8(&object.bytes).with_context(|| format!("{name} is no text"))?;
        found.push(leading(&name, from_toml(text, &name)?)?);
    }
    // Of a place that nobody made S3 says the same, and a folder that is not there is told of as well.
    if found.is_empty() {
        bail!("there is none; a file of one has a name such as {place}orders-3-4.toml");
    }
    Ok(found)
}

/// The migration of a file, which has to name its table and two versions.
fn leading(name: &str, read: MigrationFile) -> anyhow::Result<(TableName, Migration)> {
    let Some(table) = read.table else { bail!("{name} names no table; write `table = \"NAME\"` at its top") };
    if read.migration.from == read.migration.to {
        bail!("{name} leads nowhere; write `from` and `to`, two schema versions, at its top")
    }
    Ok((table, read.migration))
}
