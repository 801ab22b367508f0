//! `evercount schema policy`: how a subject's schema may change.

use anyhow::bail;
use evercount_core::registry::{EvolutionRule, Policy};
use evercount_pipeline::ports::{RegistryStore, StoreError};
use serde_json::json;

use super::args::{PolicyArgs, PolicyEdit};
use super::text::{self, STRONG, paint, plain};
use super::{Answer, subject};

/// How often an edit is made again because the subject changed meanwhile.
const ATTEMPTS_MAX: usize = 10;

/// Shows the policy, edited where that was asked for.
pub async fn run<S: RegistryStore>(store: &S, args: &PolicyArgs) -> anyhow::Result<Answer> {
    for _ in 0..ATTEMPTS_MAX {
        let mut state = subject::find(store, &args.on.subject).await?;
        let policy = edited(&state.policy, &args.edit);
        let changes = policy != state.policy;
        if changes {
            let before = state.clone();
            state.policy = policy;
            state.revision = before.revision.saturating_add(1);
            match store.update_subject(Some(&before), &state).await {
                Err(StoreError::Conflict) => continue,
                other => other?,
            }
        }
        let mut lines = vec![paint(STRONG, plain(&state.subject))];
        lines.extend(text::policy(&state.policy).into_iter().map(|line| format!("  {line}")));
        if args.edit.is_any() && !changes {
            lines.push("it was so already".to_owned());
        }
        let document = json!({
            "subject": state.subject.as_str(),
            "policy": text::policy_json(&state.policy),
            "edited": changes,
        });
        return Ok(Answer::ok(document, lines));
    }
    bail!("`{}` changes faster than its policy can be set; try again", plain(&args.on.subject))
}

fn edited(policy: &Policy, edit: &PolicyEdit) -> Policy {
    let mut policy = policy.clone();
    if let Some(mode) = edit.compatibility {
        policy.compatibility = mode;
    }
    for (kind, rule) in &edit.rule {
        if *rule == EvolutionRule::default() {
            policy.rules.remove(kind);
        } else {
            policy.rules.insert(kind.clone(), *rule);
        }
    }
    let kinds =
        |kinds: &[String], lifted: &str| kinds.iter().filter(|kind| *kind != lifted).cloned().collect();
    if let Some(include) = &edit.include {
        policy.include = kinds(include, "all");
    }
    if let Some(exclude) = &edit.exclude {
        policy.exclude = kinds(exclude, "none");
    }
    if let Some(threshold) = edit.drift_threshold {
        policy.drift_threshold = threshold;
    }
    if let Some(days) = edit.retention {
        policy.retention = text::days(days);
    }
    policy
}
