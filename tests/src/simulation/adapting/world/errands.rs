//! Who is sent to do what: to follow a change, to ask for another definition, to maintain, to take
//! back.

use super::*;
use crate::simulation::adapting::shape::Reshaping;

impl World {
    /// Somebody takes up something.
    pub(super) fn assign(&mut self) {
        if !self.plan.follows {
            return;
        }
        if let Some((lag, _)) = self.news.front_mut() {
            *lag = lag.saturating_sub(1);
        }
        if !self.follower_is_busy
            && self.news.front().is_some_and(|(lag, _)| *lag == 0)
            && let Some((_, news)) = self.news.pop_front()
        {
            self.follower_is_busy = true;
            if self.chance("told_twice", self.plan.following.twice) {
                let lag = self.rng.u32(0..200);
                self.later.push((lag, Errand::Again(Box::new(news.clone()))));
            }
            self.begin(Errand::Follow(Box::new(news)));
        }
        self.later.iter_mut().for_each(|(lag, _)| *lag = lag.saturating_sub(1));
        if let Some(at) = self.later.iter().position(|(lag, _)| *lag == 0) {
            let (_, errand) = self.later.swap_remove(at);
            self.begin(errand);
        }
        if self.jobs.len() >= 6 {
            return;
        }
        let following = self.plan.following.clone();
        let name = self.names[self.rng.usize(0..self.names.len())].clone();
        if self.chance("maintain", following.maintain) {
            self.begin(Errand::Maintain);
            self.begin(Errand::Approve);
        }
        if self.chance("redefine", following.redefine)
            && let Some(asked) = self.another(&name)
        {
            let now = self.now();
            self.tell(21, || format!("somebody asks for {asked:?}"));
            self.begin(Errand::Redefine(Box::new(asked), now));
        }
        if self.rng.u32(0..1_000) < following.roll_back {
            self.begin(Errand::RollBack(name.clone()));
        }
        if self.chance("fill", following.fill) {
            self.begin(Errand::Fill(name.clone()));
        }
        if self.chance("read", following.read) {
            self.begin(Errand::Read(name));
        }
    }

    /// Another definition that makes sense for who knows the one in force.
    pub(super) fn another(&mut self, name: &DefinitionName) -> Option<CountDefinition> {
        let head = self.desk.store.memory.inspect(|state| {
            let versions: Vec<LogicVersion> = state.versions.values().cloned().collect();
            evercount_pipeline::adapt::head(&versions, name)
        })?;
        let mut asked = head.definition.clone();
        let parse = |text: String| Some(condition(&text));
        let is_grouped = |name: &str| head.definition.group_by.iter().any(|path| path.column_name() == name);
        match (name.as_str(), self.rng.u32(0..5)) {
            ("open", 1..4) if self.plan.asks => {
                let condition = asked::condition();
                let (and, alone) = (format!("{condition} AND amount > 300"), condition);
                let is_asked =
                    head.definition.filter.as_ref().is_some_and(|it| Some(it) == parse(and.clone()).as_ref());
                asked.filter = parse(if is_asked { alone } else { and });
                self.count("ask");
            }
            ("by_status", 0) if asked.filter.is_none() => {
                let status = asked.group_by.first()?.clone();
                asked.filter = parse(format!("{status} = 'A' OR {status} = 'B'"));
                self.count("narrow");
            }
            ("by_status", 0 | 1) if asked.filter.is_some() => {
                asked.filter = None;
                self.count("widen");
            }
            ("by_status", 1) => {
                asked.filter = parse("note = 'x'".to_owned());
                self.count("narrow_by_source");
            }
            ("by_status", 2) if !asked.headroom.attributes.is_empty() => {
                asked.group_by.append(&mut asked.headroom.attributes);
                self.count("refine_headroom");
            }
            ("by_status", 3) if !is_grouped("amount") => {
                asked.group_by.push(Path::column("amount"));
                self.count("refine");
            }
            ("by_status", 4) if asked.group_by.len() < 2 => {
                // Whether or not it had another name while nobody grouped by it.
                self.group_by_city(&mut asked);
                self.count("refine_by_another");
            }
            ("by_status" | "by_city", _) if asked.group_by.len() > 1 => {
                asked.group_by.pop();
                self.count("coarsen");
            }
            ("open", _) if asked.filter.is_some() => {
                asked.filter = None;
                asked.headroom = Headroom::default();
                self.count("widen");
            }
            ("open", 0) => {
                asked.filter = parse("amount > 300".to_owned());
                self.count("narrow");
            }
            _ => return None,
        }
        Some(asked)
    }

    fn group_by_city(&self, asked: &mut CountDefinition) {
        let city = Path::column(self.source.with(|source| source.shape.city.name.clone()));
        asked.headroom.attributes.retain(|path| *path != city);
        asked.group_by.push(city);
    }

    /// Whoever renames a column knows its new name before the counts do, and may ask for it.
    pub(super) fn ask_ahead(&mut self, change: &Reshaping) {
        let is_city = |to: &str| self.source.with(|source| source.shape.city.name == to);
        let Some(name) = self.names.iter().find(|name| name.as_str() == "by_status").cloned() else { return };
        let head = self.desk.store.memory.inspect(|state| {
            let versions: Vec<LogicVersion> = state.versions.values().cloned().collect();
            evercount_pipeline::adapt::head(&versions, &name)
        });
        if let Reshaping::Rename { to, .. } = change
            && is_city(to)
            && let Some(head) = head.filter(|head| head.definition.group_by.len() < 2)
            && self.chance("asked_ahead", self.plan.following.ahead)
        {
            let mut asked = head.definition;
            self.group_by_city(&mut asked);
            let now = self.now();
            self.tell(23, || format!("somebody asks ahead of the counts for {asked:?}"));
            self.begin(Errand::Redefine(Box::new(asked), now));
        }
    }

    pub(super) fn begin(&mut self, errand: Errand) {
        let name = errand.name();
        self.tell(22 + name.len() as u64, || format!("{name} begins"));
        let work = self.desk.start(errand.clone());
        self.jobs.push(Job { errand, work, zombie: false, asleep: 0, begun: self.now() });
    }
}
