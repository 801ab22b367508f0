//! Finds plans, and says what there is where one is not.

use anyhow::bail;
use evercount_core::adoption::Adjustment;
use evercount_core::definition::DefinitionName;
use evercount_core::logic::LogicVersion;
use evercount_pipeline::ports::CatalogStore;

use crate::show;

/// Fewest characters of an id that are taken for it.
const ID_CHARACTERS_MIN: usize = 4;

/// A plan by its id or the beginning of it, or the last one of a count by the count's name.
///
/// # Errors
/// Where there is none; says what there is.
pub async fn one<S: CatalogStore>(store: &S, text: &str) -> anyhow::Result<Adjustment> {
    let all = store.adjustments(None).await?;
    if let Some(found) = all.iter().find(|one| one.plan.id.as_str() == text) {
        return Ok(found.clone());
    }
    if let Some(name) = DefinitionName::parse(text)
        && let Some(last) = store.adjustments(Some(&name)).await?.pop()
    {
        return Ok(last);
    }
    let begin = |one: &&Adjustment| text.len() >= ID_CHARACTERS_MIN && one.plan.id.as_str().starts_with(text);
    match all.iter().filter(begin).collect::<Vec<_>>().as_slice() {
        [one] => return Ok((*one).clone()),
        [] => {}
        many => bail!("`{text}` is the beginning of {} plans; give more of the id", many.len()),
    }
    let versions = store.versions().await?;
    if counted(&versions, text) {
        bail!(
            "no change has asked anything of `{text}` yet; `evercount plan simulate {text} \"drop column …\"` shows what one would"
        );
    }
    let names = versions.iter().map(|version| version.id.definition.as_str());
    Err(show::unknown("plan or count", text, names, "evercount plan list"))
}

/// Whether there is a count of this name.
fn counted(versions: &[LogicVersion], name: &str) -> bool {
    versions.iter().any(|version| version.id.definition.as_str() == name && version.state.is_live())
}
