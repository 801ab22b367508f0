//! The benchmark's findings as text and as JSON.

use serde_json::{Map, Value, json};

use super::{Bench, Headroom, MODELS};
use crate::models::Recipe;
use crate::scores::{Compared, Intervals, Scores};

/// The models of the main table in the order in which they are shown: the baselines, then ours.
const SHOWN: [&str; 4] = ["base_rate", "recency", "logistic", "ours"];

fn shown(models: &[Compared]) -> impl Iterator<Item = (&'static str, &Compared)> {
    SHOWN.into_iter().filter_map(|name| {
        let at = MODELS.iter().position(|one| *one == name)?;
        Some((name, models.get(at)?))
    })
}

/// A score that is not a number is null.
fn number(value: f64) -> Value {
    serde_json::Number::from_f64((value * 1e6).round() / 1e6).map_or(Value::Null, Value::Number)
}

fn scores(scores: &Scores) -> Map<String, Value> {
    scores.named().into_iter().map(|(name, value)| (name.to_owned(), number(value))).collect()
}

fn intervals(intervals: &Intervals) -> Value {
    let ends = intervals.from.named().into_iter().zip(intervals.to.named());
    ends.map(|((name, from), (_, to))| (name.to_owned(), json!([number(from), number(to)])))
        .collect::<Map<_, _>>()
        .into()
}

fn model(name: &str, compared: &Compared) -> Value {
    let mut all = Map::from_iter([("model".to_owned(), json!(name))]);
    all.extend(scores(&compared.scores));
    all.insert("ci".to_owned(), intervals(&compared.intervals));
    Value::Object(all)
}

impl Bench {
    /// `{"projects":[{"name","rows","base_rate","models":[{"model","brier","ap","auc","ece","ci":{…}}]}]}`;
    /// an interval is `[from, to]`, 95 %. Beside `projects`, `headroom` has for each rule the extra counters
    /// it bought, the rescans that were not needed for it, and how many that is for each counter.
    #[must_use]
    pub fn json(&self) -> Value {
        let project = |one: &super::ProjectBench| {
            let models: Vec<Value> = shown(&one.models).map(|(name, it)| model(name, it)).collect();
            json!({"name": one.name, "rows": one.rows, "base_rate": number(one.base_rate), "models": models})
        };
        json!({
            "projects": self.projects.iter().map(project).collect::<Vec<_>>(),
            "headroom": self.headroom.iter().map(headroom).collect::<Vec<_>>(),
        })
    }

    /// The same with what is not of one project: `pooled`, `tried`, and for each project the
    /// differences (ours less the model's) and the models kept.
    #[must_use]
    pub fn json_with_details(&self) -> Value {
        let differences = |models: &[Compared]| -> Map<String, Value> {
            let others = shown(models).filter(|(name, _)| *name != "ours");
            others.map(|(name, one)| (name.to_owned(), intervals(&one.first_less_this))).collect()
        };
        let tried = |one: &super::Tried| json!({"model": one.model, "pooled": scores(&one.pooled), "by_project": one.by_project.iter().map(scores).collect::<Vec<_>>()});
        let mut all = self.json();
        let details = json!({
            "pooled": shown(&self.pooled).map(|(name, it)| model(name, it)).collect::<Vec<_>>(),
            "ours_less_model": {
                "pooled": differences(&self.pooled),
                "projects": self.projects.iter().map(|one| differences(&one.models)).collect::<Vec<_>>(),
            },
            "kept": self.projects.iter().map(|one| one.kept.iter().map(|hazard| Recipe::Hazard(*hazard).name()).collect()).collect::<Vec<Vec<_>>>(),
            "tried": self.tried.iter().map(tried).collect::<Vec<_>>(),
        });
        if let (Value::Object(all), Value::Object(details)) = (&mut all, details) {
            all.extend(details);
        }
        all
    }

    /// The findings for a person.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for one in &self.projects {
            let kept = one.kept.len();
            text += &format!(
                "{}: {} units, {:.1} % changed; ours is the mean of {kept} hazard models fitted to the other projects\n",
                one.name,
                one.rows,
                one.base_rate * 100.0
            );
            text += &table(&one.models);
        }
        text += "all projects together\n";
        text += &table(&self.pooled);
        text += "\nEvery model tried: Brier / AP / AUC by project, then together with ECE\n";
        for tried in &self.tried {
            let by_project: Vec<String> = tried
                .by_project
                .iter()
                .map(|one| format!("{:.4}/{:.3}/{:.3}", one.brier, one.ap, one.auc))
                .collect();
            let all = &tried.pooled;
            text += &format!(
                "  {:30} {}  | {:.4}/{:.3}/{:.3} {:.3}\n",
                tried.model,
                by_project.join("  "),
                all.brier,
                all.ap,
                all.auc,
                all.ece
            );
        }
        text += "\nRescans avoided per extra counter\n";
        for one in &self.headroom {
            text += &format!(
                "  {:10} {:.3}  ({:.0} of {} rescans, {} counters)\n",
                one.model,
                one.per_counter(),
                one.avoided,
                one.rescans,
                one.counters
            );
        }
        text
    }
}

fn headroom(one: &Headroom) -> Value {
    json!({
        "model": one.model, "counters": one.counters, "rescans": one.rescans,
        "avoided": number(one.avoided), "avoided_per_counter": number(one.per_counter()),
    })
}

fn table(models: &[Compared]) -> String {
    let mut text = String::new();
    for (name, one) in shown(models) {
        let (of, from, to) = (&one.scores, &one.intervals.from, &one.intervals.to);
        text += &format!(
            "  {name:10} Brier {:.4} [{:.4}, {:.4}]  AP {:.3} [{:.3}, {:.3}]  AUC {:.3} [{:.3}, {:.3}]  ECE {:.3} [{:.3}, {:.3}]",
            of.brier,
            from.brier,
            to.brier,
            of.ap,
            from.ap,
            to.ap,
            of.auc,
            from.auc,
            to.auc,
            of.ece,
            from.ece,
            to.ece
        );
        if name != "ours" {
            let (from, to) = (&one.first_less_this.from, &one.first_less_this.to);
            text += &format!(
                "  ours less this: Brier [{:+.4}, {:+.4}]{} AP [{:+.3}, {:+.3}]{}",
                from.brier,
                to.brier,
                if to.brier < 0.0 { "" } else { " holds 0" },
                from.ap,
                to.ap,
                if from.ap > 0.0 { "" } else { " holds 0" },
            );
        }
        text.push('\n');
    }
    text
}
